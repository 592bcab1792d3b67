-- Rows of `roots` are written some time after those of their entries, many together.

-- All entries up to this one have their row of `roots`; of later ones a part has. Those with `others` always have it.
ALTER TABLE totals ADD COLUMN rooted_to INTEGER NOT NULL DEFAULT 0;
UPDATE totals SET rooted_to = last_entry;
