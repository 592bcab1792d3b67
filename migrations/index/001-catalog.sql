-- Who has what. True only while the peers are connected: whatever is in here when the index starts is old.
--
-- Rows are written by the index alone. People read the view `files`, also while the index runs.

-- One row a session of a registered peer; numbers are never used again while a row of theirs is left.
CREATE TABLE peers (
  id INTEGER PRIMARY KEY,
  host TEXT NOT NULL,                   -- as the index sees it
  port INTEGER NOT NULL CHECK (port BETWEEN 1 AND 65535),
  live INTEGER NOT NULL CHECK (live IN (0, 1)) -- 0: left; its rows are on their way out
) STRICT;

CREATE TABLE contents (
  id INTEGER PRIMARY KEY,
  root BLOB NOT NULL CHECK (length(root) = 32),
  size INTEGER NOT NULL CHECK (size BETWEEN 0 AND 1099511627776),
  holders INTEGER NOT NULL CHECK (holders >= 0) -- rows of `holders`
) STRICT;
-- The size belongs to the identity: who lies about it makes a content of his own and joins nobody else's.
CREATE UNIQUE INDEX contents_by_root ON contents(root, size);

-- One row for each distinct name and content.
CREATE TABLE entries (
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL CHECK (length(CAST(name AS BLOB)) BETWEEN 1 AND 1024),
  name_key INTEGER NOT NULL,            -- 48 bits of SHA-256 of the name; the name itself is always compared too
  last_part TEXT NOT NULL,              -- of the name
  content INTEGER NOT NULL,             -- contents.id
  md5 BLOB NOT NULL CHECK (length(md5) = 16),
  holders INTEGER NOT NULL CHECK (holders >= 0), -- rows of `holdings`
  popularity INTEGER NOT NULL           -- coarse logarithm of holders, so that the index below rarely changes
) STRICT;
-- With the popularity, so that a name with 100,000 contents gives the most held ones without reading the rest.
CREATE INDEX entries_by_last_part ON entries(last_part, popularity DESC);
CREATE INDEX entries_by_name ON entries(name_key, popularity DESC);
CREATE INDEX entries_by_content ON entries(content, name_key);

-- One peer has one content under one name.
CREATE TABLE holdings (
  entry INTEGER NOT NULL,               -- entries.id
  peer INTEGER NOT NULL,                -- peers.id
  name_key INTEGER NOT NULL,            -- of the entry
  PRIMARY KEY (entry, peer)
) STRICT, WITHOUT ROWID;
CREATE INDEX holdings_by_peer ON holdings(peer, name_key);

-- One peer has one content, under one or more names.
CREATE TABLE holders (
  content INTEGER NOT NULL,             -- contents.id
  peer INTEGER NOT NULL,                -- peers.id
  names INTEGER NOT NULL CHECK (names > 0),
  PRIMARY KEY (content, peer)
) STRICT, WITHOUT ROWID;

CREATE VIEW files(host, port, name, size, md5, root, complete) AS
  SELECT peers.host, peers.port, entries.name, contents.size, lower(hex(entries.md5)), lower(hex(contents.root)), 1
  FROM holdings
    JOIN peers ON peers.id = holdings.peer
    JOIN entries ON entries.id = holdings.entry
    JOIN contents ON contents.id = entries.content
  WHERE peers.live = 1;
