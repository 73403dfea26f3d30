-- Why an operator decided, in the words of the operator. Replicas of the version before leave it out.
ALTER TABLE events ADD COLUMN reason text NOT NULL DEFAULT '';
