-- When the last attempt of a step began that is not its first.
ALTER TABLE step ADD COLUMN attempt_began INTEGER;
-- Of a flaky test: the attempt of its step on which it passed; NULL where a report says that it is flaky.
ALTER TABLE test_row ADD COLUMN attempt INTEGER;
-- The tests that failed in earlier attempts of a step, until its last one has been reported.
CREATE TABLE test_attempt (
  project TEXT NOT NULL,
  number  INTEGER NOT NULL,
  idx     INTEGER NOT NULL,
  name    TEXT NOT NULL,
  message TEXT NOT NULL,
  PRIMARY KEY (project, number, idx, name),
  FOREIGN KEY (project, number) REFERENCES build (project, number)
) STRICT, WITHOUT ROWID;
