-- How a user came to an account, and what was adopted for a user who came by a changed value.
ALTER TABLE links ADD COLUMN first text NOT NULL DEFAULT '';
ALTER TABLE links ADD COLUMN changed boolean NOT NULL DEFAULT false;
ALTER TABLE links ADD COLUMN made boolean NOT NULL DEFAULT false;
ALTER TABLE entries ADD COLUMN borrowed boolean NOT NULL DEFAULT false;
