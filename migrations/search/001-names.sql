-- The full text of names, for SEARCH: beside the index's database, made from its entries, and made again when it is
-- lost. It says where to look; what is found is always compared with the entries.

-- rowid: id of the entry. Words are folded by the program. Without positions (detail=none) it takes 64 bytes a name
-- instead of 145, and is built and searched twice as fast; names that only look like hits are told by comparing them.
CREATE VIRTUAL TABLE names USING fts5(
  words, content = '', contentless_delete = 1, detail = none, tokenize = 'trigram case_sensitive 1'
);
-- Gathered in memory before a part of the text is written: fewer parts, and fewer merges of them.
INSERT INTO names(names, rank) VALUES ('hashsize', 4194304);

-- One row: entries up to here are in `names`.
CREATE TABLE state (indexed_to INTEGER NOT NULL) STRICT;
INSERT INTO state VALUES (0);
