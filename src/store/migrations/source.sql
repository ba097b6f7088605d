-- With which commits the tracked files of a workspace may be: for checkouts that keep what is not tracked.
CREATE TABLE workspace (
  folder  TEXT PRIMARY KEY,
  commits TEXT NOT NULL            -- JSON, names; the last one whole, those before it in part
) STRICT, WITHOUT ROWID;
