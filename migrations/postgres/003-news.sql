-- What can be found at a peer and could not before: keys of names, and NULL for all that it has. What is said of each file
-- in `files` was most of what a change had to write; it stays NULL, so that a process of the former version reads on.
ALTER TABLE news ADD COLUMN name_keys BIGINT[];
