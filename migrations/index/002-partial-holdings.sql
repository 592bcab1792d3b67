-- Peers that have a content in part, while they download it; and names in the order of their bytes, for LIST.

DROP VIEW files;

-- 1: the peer is still downloading it.
ALTER TABLE holdings ADD COLUMN partial INTEGER NOT NULL DEFAULT 0 CHECK (partial IN (0, 1));

-- Of the rows of `holdings` that `holders` counts, those that are partial.
ALTER TABLE entries ADD COLUMN partial_holders INTEGER NOT NULL DEFAULT 0 CHECK (partial_holders BETWEEN 0 AND holders);

-- From here on `contents.holders` counts the rows of `holders` that are whole, and this those that are partial.
ALTER TABLE contents ADD COLUMN partial_holders INTEGER NOT NULL DEFAULT 0 CHECK (partial_holders >= 0);

-- One peer has one content, under one or more names; a row for the whole ones, another for the partial ones. The
-- whole ones come first: they are what a downloader is told of first, however many partial ones there are.
CREATE TABLE holders_by_state (
  content INTEGER NOT NULL,             -- contents.id
  partial INTEGER NOT NULL CHECK (partial IN (0, 1)),
  peer INTEGER NOT NULL,                -- peers.id
  names INTEGER NOT NULL CHECK (names > 0),
  PRIMARY KEY (content, partial, peer)
) STRICT, WITHOUT ROWID;
INSERT INTO holders_by_state(content, partial, peer, names) SELECT content, 0, peer, names FROM holders;
DROP TABLE holders;
ALTER TABLE holders_by_state RENAME TO holders;

-- By the name itself and no longer by its number: names below a folder are neighbours then.
DROP INDEX entries_by_name;
CREATE INDEX entries_by_name ON entries(name, popularity DESC);

CREATE VIEW files(host, port, name, size, md5, root, complete) AS
  SELECT peers.host, peers.port, entries.name, contents.size, lower(hex(entries.md5)), lower(hex(contents.root)),
    1 - holdings.partial
  FROM holdings
    JOIN peers ON peers.id = holdings.peer
    JOIN entries ON entries.id = holdings.entry
    JOIN contents ON contents.id = entries.content
  WHERE peers.live = 1;
