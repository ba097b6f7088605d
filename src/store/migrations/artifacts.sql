-- What has been collected after a step; step 0 is $CI_ARTIFACTS, at the end of a build. The bytes are in I.artifacts
-- in the build's folder, one after the other.
CREATE TABLE artifact_set (
  project TEXT NOT NULL,
  number  INTEGER NOT NULL,
  idx     INTEGER NOT NULL,
  files   INTEGER NOT NULL,
  bytes   INTEGER NOT NULL,
  PRIMARY KEY (project, number, idx),
  FOREIGN KEY (project, number) REFERENCES build (project, number)
) STRICT, WITHOUT ROWID;

CREATE TABLE artifact (
  project TEXT NOT NULL,
  number  INTEGER NOT NULL,
  path    TEXT NOT NULL,
  idx     INTEGER NOT NULL,
  offset  INTEGER NOT NULL,
  size    INTEGER NOT NULL,
  sha256  TEXT NOT NULL,
  PRIMARY KEY (project, number, path),
  FOREIGN KEY (project, number, idx) REFERENCES artifact_set (project, number, idx)
) STRICT, WITHOUT ROWID;
