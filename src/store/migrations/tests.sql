-- What JUnit reports said. Of each build only sums, and the tests that are worth a line, are kept.
CREATE TABLE test_report (
  project TEXT NOT NULL,
  number  INTEGER NOT NULL,
  idx     INTEGER NOT NULL,
  files   INTEGER NOT NULL,
  passed  INTEGER NOT NULL,
  failed  INTEGER NOT NULL,
  errors  INTEGER NOT NULL,
  skipped INTEGER NOT NULL,
  flaky   INTEGER NOT NULL,
  millis  INTEGER NOT NULL,
  slowest TEXT NOT NULL,           -- JSON, model::report::SlowTest
  PRIMARY KEY (project, number, idx),
  FOREIGN KEY (project, number) REFERENCES build (project, number)
) STRICT, WITHOUT ROWID;

CREATE TABLE test_row (
  project TEXT NOT NULL,
  number  INTEGER NOT NULL,
  idx     INTEGER NOT NULL,
  seq     INTEGER NOT NULL,        -- the order of the report
  name    TEXT NOT NULL,
  fate    TEXT NOT NULL CHECK (fate IN ('failing', 'flaky', 'fixed')),
  since   INTEGER,                 -- the build that it fails, or had failed, since; NULL where nothing can be compared
  message TEXT NOT NULL,
  PRIMARY KEY (project, number, idx, seq),
  FOREIGN KEY (project, number) REFERENCES build (project, number)
) STRICT, WITHOUT ROWID;

-- The tests that fail in the newest build of a ref: what the next build is compared with.
CREATE TABLE test_failing (
  project TEXT NOT NULL,
  ref     TEXT NOT NULL,
  step    TEXT NOT NULL,
  name    TEXT NOT NULL,
  since   INTEGER NOT NULL,
  PRIMARY KEY (project, ref, step, name)
) STRICT, WITHOUT ROWID;
