-- Targets on which nothing new goes live until a moment has come.
CREATE TABLE freeze (
  project TEXT NOT NULL,
  target  TEXT NOT NULL,
  until   INTEGER NOT NULL,
  person  TEXT NOT NULL,
  reason  TEXT,
  since   INTEGER NOT NULL,
  PRIMARY KEY (project, target)
) STRICT, WITHOUT ROWID;
