-- Times are milliseconds since 1970, UTC. Migrations only add (see migrate.rs).
CREATE TABLE source (
  project     TEXT PRIMARY KEY,
  head        TEXT,                -- the ref that the remote's HEAD points to
  looked      INTEGER NOT NULL,    -- last poll, good or bad
  good        INTEGER,             -- last good poll
  error       TEXT,                -- why the last one failed; NULL if it did not
  error_since INTEGER,
  asked       INTEGER              -- a person wants a look now; NULL once it has been had
) STRICT;

CREATE TABLE tip (
  project TEXT NOT NULL,
  ref     TEXT NOT NULL,
  sha     TEXT NOT NULL,
  seen    INTEGER NOT NULL,
  PRIMARY KEY (project, ref)
) STRICT, WITHOUT ROWID;

CREATE TABLE request (
  id         INTEGER PRIMARY KEY AUTOINCREMENT,
  project    TEXT NOT NULL,
  ref        TEXT,
  target     TEXT NOT NULL,        -- JSON, model::Target
  origin     TEXT NOT NULL,        -- JSON, model::Origin
  outside    INTEGER NOT NULL,
  reason     TEXT,
  changes    TEXT NOT NULL,        -- JSON, at most 50 of model::Change, newest first
  not_before INTEGER,
  token      TEXT UNIQUE,
  created    INTEGER NOT NULL,
  first      INTEGER NOT NULL,
  state      TEXT NOT NULL CHECK (state IN ('waiting', 'started', 'replaced', 'dropped')),
  build      INTEGER CHECK ((state = 'started') = (build IS NOT NULL)),
  replaced   INTEGER CHECK ((state = 'replaced') = (replaced IS NOT NULL)),
  dropped    TEXT CHECK ((state = 'dropped') = (dropped IS NOT NULL))
) STRICT;
CREATE INDEX request_waiting ON request (project, ref) WHERE state = 'waiting';

CREATE INDEX request_by_project ON request (project, id);

CREATE TABLE build (
  project      TEXT NOT NULL,
  number       INTEGER NOT NULL,
  request      INTEGER NOT NULL REFERENCES request (id),
  ref          TEXT,
  target       TEXT NOT NULL,
  sha          TEXT,
  outside      INTEGER NOT NULL,
  origin       TEXT NOT NULL,
  reason       TEXT,
  changes      TEXT NOT NULL,
  queued       INTEGER NOT NULL,
  created      INTEGER NOT NULL,
  state        TEXT NOT NULL CHECK (state IN ('starting', 'running', 'finished')),
  started      INTEGER,
  boot         TEXT,
  finished     INTEGER CHECK ((state = 'finished') = (finished IS NOT NULL)),
  verdict      TEXT CHECK ((state = 'finished') = (verdict IS NOT NULL)),
  summary      TEXT,
  stop         TEXT,               -- JSON, model::Stop
  takeovers    INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (project, number)
) STRICT, WITHOUT ROWID;
CREATE INDEX build_unfinished ON build (state) WHERE state <> 'finished';
CREATE INDEX build_by_ref ON build (project, ref, number);
CREATE INDEX build_by_sha ON build (project, sha);

CREATE TABLE step (
  project     TEXT NOT NULL,
  number      INTEGER NOT NULL,
  idx         INTEGER NOT NULL,
  name        TEXT NOT NULL,
  spec        TEXT,                -- JSON: what it runs, fixed when the build began
  state       TEXT NOT NULL CHECK (state IN ('pending', 'running', 'finished')),
  started     INTEGER,
  finished    INTEGER,
  verdict     TEXT CHECK ((state = 'finished') = (verdict IS NOT NULL)),
  outcome     TEXT,
  invocation  TEXT,
  cpu_usec    INTEGER,
  memory_peak INTEGER,
  log_bytes   INTEGER,
  log_lines   INTEGER,
  PRIMARY KEY (project, number, idx),
  FOREIGN KEY (project, number) REFERENCES build (project, number)
) STRICT, WITHOUT ROWID;

CREATE TABLE deploy (
  id       INTEGER PRIMARY KEY AUTOINCREMENT,
  project  TEXT NOT NULL,
  number   INTEGER NOT NULL,
  sha      TEXT NOT NULL,
  origin   TEXT NOT NULL,
  reason   TEXT,
  created  INTEGER NOT NULL,
  state    TEXT NOT NULL CHECK (state IN ('waiting', 'running', 'finished')),
  started  INTEGER,
  phase    TEXT CHECK ((state = 'running') = (phase IS NOT NULL)),
  finished INTEGER,
  outcome  TEXT CHECK ((state = 'finished') = (outcome IS NOT NULL)),
  summary  TEXT,
  previous TEXT
) STRICT;
CREATE INDEX deploy_unfinished ON deploy (project) WHERE state <> 'finished';
CREATE INDEX deploy_by_project ON deploy (project, id);

CREATE TABLE release (
  project TEXT NOT NULL,
  name    TEXT NOT NULL,
  number  INTEGER NOT NULL,
  sha     TEXT NOT NULL,
  standing TEXT NOT NULL CHECK (standing IN ('made', 'good', 'bad', 'left')),
  live    INTEGER,                 -- since when it is live; NULL when it is not
  PRIMARY KEY (project, name)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX release_live ON release (project) WHERE live IS NOT NULL;

CREATE TABLE message (
  id       INTEGER PRIMARY KEY AUTOINCREMENT,
  project  TEXT NOT NULL,
  number   INTEGER,
  recipients TEXT NOT NULL,        -- JSON list of addresses
  subject  TEXT NOT NULL,
  body     TEXT NOT NULL,
  created  INTEGER NOT NULL,
  state    TEXT NOT NULL CHECK (state IN ('waiting', 'sent', 'given-up')),
  attempts INTEGER NOT NULL DEFAULT 0,
  due      INTEGER NOT NULL,
  error    TEXT
) STRICT;
CREATE INDEX message_waiting ON message (due) WHERE state = 'waiting';
