-- What a step says of itself, how often it has been tried, and why it is not needed in this build.
ALTER TABLE step ADD COLUMN description TEXT;   -- while it runs
ALTER TABLE step ADD COLUMN done TEXT;          -- afterwards
ALTER TABLE step ADD COLUMN attempts INTEGER NOT NULL DEFAULT 0;  -- begun so far
ALTER TABLE step ADD COLUMN again INTEGER;      -- when the next attempt is due; NULL while one runs, or none is to come
ALTER TABLE step ADD COLUMN unneeded TEXT;      -- none of its files has changed: since when; NULL if it is needed
