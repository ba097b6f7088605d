-- Several targets of one project; the deploys of before went to the only one.
ALTER TABLE deploy ADD COLUMN target TEXT NOT NULL DEFAULT 'default';
CREATE INDEX deploy_by_target ON deploy (project, target, id);

-- In the place of `release`, whose key has no room for a target.
CREATE TABLE target_release (
  project  TEXT NOT NULL,
  target   TEXT NOT NULL,
  name     TEXT NOT NULL,
  number   INTEGER NOT NULL,
  sha      TEXT NOT NULL,
  standing TEXT NOT NULL CHECK (standing IN ('made', 'good', 'bad', 'left')),
  live     INTEGER,                -- since when it is live; NULL when it is not
  deploy   INTEGER,                -- which deploy made it live last; NULL when none of ours did
  PRIMARY KEY (project, target, name)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX target_release_live ON target_release (project, target) WHERE live IS NOT NULL;
INSERT INTO target_release SELECT project, 'default', name, number, sha, standing, live, NULL FROM release;

-- A deploy that was under way when its program was replaced goes on writing to `release`.
CREATE TRIGGER release_made AFTER INSERT ON release BEGIN
  INSERT OR REPLACE INTO target_release
    VALUES (NEW.project, 'default', NEW.name, NEW.number, NEW.sha, NEW.standing, NEW.live, NULL);
END;
CREATE TRIGGER release_changed AFTER UPDATE ON release BEGIN
  UPDATE target_release SET standing = NEW.standing, live = NEW.live
    WHERE project = NEW.project AND target = 'default' AND name = NEW.name;
END;
CREATE TRIGGER release_gone AFTER DELETE ON release BEGIN
  DELETE FROM target_release WHERE project = OLD.project AND target = 'default' AND name = OLD.name;
END;
