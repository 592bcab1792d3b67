-- Entries anew, in less room: without the key of the root, which is in an index only, and in rows that do not grow. One
-- that grew by a byte with its second holder split its page, which was full.
-- What is in here is true only while its peers are connected, and they say it again.

DELETE FROM holdings;
DELETE FROM peers;
DROP TABLE entries;
UPDATE totals SET holdings = 0, names = 0, last_entry = 0;

-- One row for each distinct name, root, size and MD5. Numbers only grow: the full text follows them.
CREATE TABLE entries (
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL CHECK (length(CAST(name AS BLOB)) BETWEEN 1 AND 1024),
  last_key INTEGER,                     -- 48 bits of SHA-256 of what follows the last '/'; NULL where there is none
  size INTEGER NOT NULL CHECK (size BETWEEN 0 AND 1099511627776),
  md5 BLOB NOT NULL CHECK (length(md5) = 16),
  root BLOB NOT NULL CHECK (length(root) = 32),
  kept INTEGER NOT NULL,                -- its rows of `holdings`, less 128: so that 1 takes as much room as 100
  holders INTEGER NOT NULL GENERATED ALWAYS AS (kept + 128) VIRTUAL CHECK (holders > 0),
  partial_holders INTEGER NOT NULL CHECK (partial_holders BETWEEN 0 AND holders),
  others INTEGER NOT NULL CHECK (others IN (0, 1)), -- 0: no other entry has such a root, so that nobody need look
  popularity INTEGER NOT NULL           -- coarse logarithm of holders, so that it and what is ordered by it rarely change
) STRICT;
-- With the popularity, so that a name with 100,000 contents gives the most held ones without reading the rest.
CREATE INDEX entries_by_name ON entries(name, popularity DESC);
CREATE INDEX entries_by_last_part ON entries(last_key, popularity DESC) WHERE last_key IS NOT NULL;

-- One row for each entry, to find those of a content.
CREATE TABLE roots (
  root_key INTEGER NOT NULL,            -- 48 bits of SHA-256 of the root: anybody can make roots that begin alike
  popularity INTEGER NOT NULL,          -- of the entry
  entry INTEGER NOT NULL,               -- entries.id
  PRIMARY KEY (root_key, popularity DESC, entry)
) STRICT, WITHOUT ROWID;
