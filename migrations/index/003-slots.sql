-- Everything anew, in half of the space: what is in here is true only while its peers are connected, and they say it
-- again. Contents and who has one are read from entries and holdings; who is connected is known to the running index.

DROP VIEW files;
DROP TABLE holders;
DROP TABLE holdings;
DROP TABLE entries;
DROP TABLE contents;
DROP TABLE peers;

-- A peer that has registered. Its rows stay for some minutes when it leaves, so that it need not say them again.
CREATE TABLE peers (
  id INTEGER PRIMARY KEY,               -- a slot: given to another peer when no row of the former one is left
  host TEXT NOT NULL,                   -- as the index sees it
  port INTEGER NOT NULL CHECK (port BETWEEN 1 AND 65535),
  live INTEGER NOT NULL CHECK (live IN (0, 1)), -- 0: it has left, or had not come back when the index started
  files INTEGER NOT NULL CHECK (files >= 0),    -- its rows of `holdings`
  digest BLOB NOT NULL CHECK (length(digest) = 16) -- of these (PROTOCOL.md, REGISTER)
) STRICT;

-- One row for each distinct name, root, size and MD5. Numbers only grow: the full text follows them.
CREATE TABLE entries (
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL CHECK (length(CAST(name AS BLOB)) BETWEEN 1 AND 1024),
  last_key INTEGER,                     -- 48 bits of SHA-256 of what follows the last '/'; NULL where there is none
  root_key INTEGER NOT NULL,            -- 48 bits of SHA-256 of the root: anybody can make roots that begin alike
  size INTEGER NOT NULL CHECK (size BETWEEN 0 AND 1099511627776),
  md5 BLOB NOT NULL CHECK (length(md5) = 16),
  root BLOB NOT NULL CHECK (length(root) = 32),
  holders INTEGER NOT NULL CHECK (holders > 0), -- its rows of `holdings`
  partial_holders INTEGER NOT NULL CHECK (partial_holders BETWEEN 0 AND holders),
  popularity INTEGER NOT NULL           -- logarithm of holders, so that the indexes below rarely change
) STRICT;
-- With the popularity, so that a name with 100,000 contents gives the most held ones without reading the rest.
CREATE INDEX entries_by_name ON entries(name, popularity DESC);
CREATE INDEX entries_by_last_part ON entries(last_key, popularity DESC) WHERE last_key IS NOT NULL;
CREATE INDEX entries_by_root ON entries(root_key, popularity DESC);

-- One peer has one content under one name: never the same peer and entry twice. The whole ones stand together, so that
-- the few of a crowd that have all of it are found among those that have a part.
CREATE TABLE holdings (
  entry INTEGER NOT NULL,               -- entries.id
  partial INTEGER NOT NULL CHECK (partial IN (0, 1)), -- 1: the peer is still downloading it
  peer INTEGER NOT NULL,                -- peers.id
  PRIMARY KEY (entry, partial, peer)
) STRICT, WITHOUT ROWID;
CREATE INDEX holdings_by_peer ON holdings(peer, entry);

-- Kept, so that nothing is counted by looking at rows.
CREATE TABLE totals (
  only INTEGER PRIMARY KEY CHECK (only = 1),
  holdings INTEGER NOT NULL CHECK (holdings >= 0),
  names INTEGER NOT NULL CHECK (names >= 0), -- distinct ones
  last_entry INTEGER NOT NULL,          -- the largest number that was ever given to an entry
  clean INTEGER NOT NULL                -- 1: the index that used it ended in order
) STRICT;
INSERT INTO totals VALUES (1, 0, 0, 0, 1);

CREATE VIEW files(host, port, name, size, md5, root, complete) AS
  SELECT peers.host, peers.port, entries.name, entries.size, lower(hex(entries.md5)), lower(hex(entries.root)),
    1 - holdings.partial
  FROM holdings
    JOIN peers ON peers.id = holdings.peer
    JOIN entries ON entries.id = holdings.entry
  WHERE peers.live = 1;
