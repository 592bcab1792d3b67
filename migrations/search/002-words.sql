-- Anew, by words and no longer by trigrams: names that look like hits are hits, and a name takes half of the room.

DROP TABLE names;
DROP TABLE state;

-- rowid: id of the entry. The words of its name (folded by the program) and a code for its stem, one space between them.
-- Without positions (detail=none): what is found is always compared with the entries.
CREATE VIRTUAL TABLE names USING fts5(
  words, content = '', contentless_delete = 1, detail = none, tokenize = 'ascii'
);
-- Gathered in memory before a part of the text is written: fewer parts, and fewer merges of them.
INSERT INTO names(names, rank) VALUES ('hashsize', 4194304);

-- Each word that was ever in a name of `names`. Numbers only grow.
CREATE TABLE words (
  id INTEGER PRIMARY KEY,
  word TEXT NOT NULL UNIQUE
) STRICT;

-- rowid: id of the word. The word between two spaces: which words contain something, begin or end with it.
CREATE VIRTUAL TABLE parts USING fts5(
  word, content = '', contentless_delete = 1, detail = none, tokenize = 'trigram case_sensitive 1'
);

-- One row: entries up to here are in `names`.
CREATE TABLE state (indexed_to INTEGER NOT NULL) STRICT;
INSERT INTO state VALUES (0);
