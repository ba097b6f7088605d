-- JSON, model::Approval: whether a person has to agree, and who has; NULL when nobody has to.
ALTER TABLE request ADD COLUMN approval TEXT;
-- Since when refs from outside are looked at; NULL while they are not.
ALTER TABLE source ADD COLUMN outside INTEGER;
