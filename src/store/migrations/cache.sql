-- What HOME and cache of a project took when they were last looked at: after its builds up to `number`.
CREATE TABLE cache (
  project  TEXT PRIMARY KEY,
  bytes    INTEGER NOT NULL,
  measured INTEGER NOT NULL,
  number   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
