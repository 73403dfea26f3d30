-- How a user came to an account, and what was adopted for a user who came by a changed value.
ALTER TABLE users ADD COLUMN original text[]; -- userName, primary address, externalId, if one has changed
ALTER TABLE links ADD COLUMN changed boolean NOT NULL DEFAULT false;
ALTER TABLE links ADD COLUMN made boolean NOT NULL DEFAULT false;
ALTER TABLE entries ADD COLUMN borrowed boolean NOT NULL DEFAULT false;
