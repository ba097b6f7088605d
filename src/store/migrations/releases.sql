-- Whether an artifact's owner could execute it: a release has it so again.
ALTER TABLE artifact ADD COLUMN executable INTEGER NOT NULL DEFAULT 0;

-- Commits that a person rolled back from. They stay known when their releases are long gone.
CREATE TABLE left_commit (
  project TEXT NOT NULL,
  target  TEXT NOT NULL,
  sha     TEXT NOT NULL,
  PRIMARY KEY (project, target, sha)
) STRICT, WITHOUT ROWID;
INSERT INTO left_commit SELECT DISTINCT project, target, sha FROM target_release WHERE standing = 'left';
