-- 'repository' where the commit says the steps; NULL where the project's file does, or for builds of before this column.
ALTER TABLE build ADD COLUMN pipeline TEXT;
-- How many changed refs from outside the last poll has left for later.
ALTER TABLE source ADD COLUMN outside_left INTEGER NOT NULL DEFAULT 0;
