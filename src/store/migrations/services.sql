-- Whether a row of `step` is a step or a service of the build's length, which stands after the steps.
ALTER TABLE step ADD COLUMN role TEXT NOT NULL DEFAULT 'step' CHECK (role IN ('step', 'service'));
