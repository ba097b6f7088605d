-- What a build has to itself until it is over.
ALTER TABLE build ADD COLUMN slot INTEGER NOT NULL DEFAULT 0;
ALTER TABLE build ADD COLUMN locks TEXT NOT NULL DEFAULT '[]';  -- JSON, model::Lock

-- At most one row: no build starts, because the machine is short of memory.
CREATE TABLE hold (
  id    INTEGER PRIMARY KEY CHECK (id = 1),
  since INTEGER NOT NULL,
  what  TEXT NOT NULL               -- for people
) STRICT;
