-- What tells that nobody wrote to a file since it was hashed, so that its hashes need no check. The table is made anew
-- because a column cannot be added before `chunk_hashes`, and behind it costs reading those first.

CREATE TABLE files_with_ctime (
  path TEXT NOT NULL PRIMARY KEY,         -- absolute
  size INTEGER NOT NULL CHECK (size BETWEEN 0 AND 9007199254740991),
  mtime_ns INTEGER NOT NULL,
  inode INTEGER NOT NULL,                 -- as a signed 64-bit number
  -- NULL when writes may go unnoticed: hashed by an older version, or too soon after the ctime, or on a file system
  -- where that does not tell.
  device INTEGER,                         -- as a signed 64-bit number
  ctime_ns INTEGER,
  md5 BLOB NOT NULL CHECK (length(md5) = 16),
  root BLOB NOT NULL CHECK (length(root) = 32),
  -- Empty up to 1 MiB, else 32 bytes per MiB. The last column: SQLite reads its pages only when it is asked for.
  chunk_hashes BLOB NOT NULL CHECK (length(chunk_hashes) % 32 = 0)
) STRICT;
INSERT INTO files_with_ctime
  SELECT path, size, mtime_ns, inode, NULL, NULL, md5, root, chunk_hashes FROM files;
DROP TABLE files;
ALTER TABLE files_with_ctime RENAME TO files;
