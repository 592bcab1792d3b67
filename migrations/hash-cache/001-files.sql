-- Hashes of files already read once, so that a start with nothing changed reads nothing.
-- A row counts only while the file still has this size, time and inode.

CREATE TABLE files (
  path TEXT NOT NULL PRIMARY KEY,         -- absolute
  size INTEGER NOT NULL CHECK (size BETWEEN 0 AND 9007199254740991),
  mtime_ns INTEGER NOT NULL,
  inode INTEGER NOT NULL,                 -- as a signed 64-bit number
  md5 BLOB NOT NULL CHECK (length(md5) = 16),
  root BLOB NOT NULL CHECK (length(root) = 32),
  -- Empty up to 1 MiB, else 32 bytes per MiB. The last column: SQLite reads its pages only when it is asked for.
  chunk_hashes BLOB NOT NULL CHECK (length(chunk_hashes) % 32 = 0)
) STRICT;
