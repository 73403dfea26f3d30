-- The tallies are what metrics and status show, so that they need not count. Every change adds a row that says by how much, in its
-- own transaction: changes at the same time then do not wait for each other, as they would for one row. The rows of a key are added
-- up when they are read, and merged now and then.
CREATE TABLE tallies (
	backend int4 NOT NULL REFERENCES backends,
	kind text NOT NULL, -- state, urgent, blocked, entries, held, hold, offboarding
	key text[] NOT NULL,
	n int8 NOT NULL
);
CREATE INDEX tallies_kind ON tallies (backend, kind);

-- How many blocked marks a user has: for each reason, and (reason empty) for all.
CREATE TABLE blocked_users (
	backend int4 NOT NULL REFERENCES backends,
	person text[] NOT NULL,
	reason text[] NOT NULL,
	n int8 NOT NULL CHECK (n >= 0),
	PRIMARY KEY (backend, person, reason)
) WITH (fillfactor = 80);

CREATE INDEX marks_since ON marks (backend, since) WHERE state = 0;
CREATE INDEX marks_blocked ON marks (backend, idp, usr) WHERE state = 1;

-- Who is blocked by a mark: the account, as far as it is known.
CREATE FUNCTION blocked_person(of int4, target text, idp text, usr text, account text, event int8) RETURNS text[] LANGUAGE sql STABLE AS $$
	SELECT CASE
		WHEN account = '*' THEN ARRAY['target', target]
		WHEN usr <> '' THEN coalesce((SELECT ARRAY['account', l.account] FROM links l
			WHERE l.backend = of AND l.idp = blocked_person.idp AND l.usr = blocked_person.usr AND l.account <> ''), ARRAY['user', idp, usr])
		WHEN account <> '' THEN ARRAY['account', account]
		ELSE ARRAY['event', idp, event::text]
	END
$$;

CREATE FUNCTION tally_person(of int4, who text[], why text, by int8) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	total bool;
	because text[];
	now int8;
BEGIN
	FOREACH total IN ARRAY ARRAY[true, false] LOOP
		because := CASE WHEN total THEN '{}'::text[] ELSE ARRAY[why] END;
		INSERT INTO blocked_users VALUES (of, who, because, greatest(by, 0))
			ON CONFLICT (backend, person, reason) DO UPDATE SET n = blocked_users.n + by RETURNING n INTO now;
		IF now = 0 THEN
			DELETE FROM blocked_users WHERE backend = of AND person = who AND reason = because;
			INSERT INTO tallies VALUES (of, 'blocked', because, -1);
		ELSIF now = 1 AND by = 1 THEN
			INSERT INTO tallies VALUES (of, 'blocked', because, 1);
		END IF;
	END LOOP;
END
$$;

CREATE FUNCTION marks_came() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO tallies SELECT backend, 'state', ARRAY[state::text], count(*) FROM came GROUP BY backend, state;
	INSERT INTO tallies SELECT backend, 'urgent', '{}', count(*) FROM came WHERE urgent AND state = 0 GROUP BY backend;
	PERFORM tally_person(backend, blocked_person(backend, target, idp, usr, account, event), reason, 1) FROM came WHERE state = 1;
	RETURN NULL;
END
$$;

CREATE FUNCTION marks_went() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO tallies SELECT backend, 'state', ARRAY[state::text], -count(*) FROM went GROUP BY backend, state;
	INSERT INTO tallies SELECT backend, 'urgent', '{}', -count(*) FROM went WHERE urgent AND state = 0 GROUP BY backend;
	PERFORM tally_person(backend, blocked_person(backend, target, idp, usr, account, event), reason, -1) FROM went WHERE state = 1;
	RETURN NULL;
END
$$;

CREATE TRIGGER tally_insert AFTER INSERT ON marks REFERENCING NEW TABLE AS came FOR EACH STATEMENT EXECUTE FUNCTION marks_came();
CREATE TRIGGER tally_delete AFTER DELETE ON marks REFERENCING OLD TABLE AS went FOR EACH STATEMENT EXECUTE FUNCTION marks_went();
CREATE TRIGGER tally_update_1 AFTER UPDATE ON marks REFERENCING OLD TABLE AS went FOR EACH STATEMENT EXECUTE FUNCTION marks_went();
CREATE TRIGGER tally_update_2 AFTER UPDATE ON marks REFERENCING NEW TABLE AS came FOR EACH STATEMENT EXECUTE FUNCTION marks_came();

-- A user who is linked to another account, or to none any more, is counted as that one.
CREATE FUNCTION tally_link() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
	link links := CASE WHEN TG_OP = 'DELETE' THEN OLD ELSE NEW END;
	before text := CASE WHEN TG_OP = 'INSERT' THEN '' ELSE OLD.account END;
	after text := CASE WHEN TG_OP = 'DELETE' THEN '' ELSE NEW.account END;
BEGIN
	IF before <> after THEN
		PERFORM tally_person(m.backend, CASE WHEN before <> '' THEN ARRAY['account', before] ELSE ARRAY['user', m.idp, m.usr] END, m.reason, -1),
				tally_person(m.backend, CASE WHEN after <> '' THEN ARRAY['account', after] ELSE ARRAY['user', m.idp, m.usr] END, m.reason, 1)
			FROM marks m WHERE m.backend = link.backend AND m.idp = link.idp AND m.usr = link.usr AND m.usr <> '' AND m.state = 1;
	END IF;
	RETURN NULL;
END
$$;

CREATE TRIGGER tally AFTER INSERT OR DELETE OR UPDATE OF account ON links FOR EACH ROW EXECUTE FUNCTION tally_link();

CREATE FUNCTION tally_entry() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
	e entries := CASE WHEN TG_OP = 'DELETE' THEN OLD ELSE NEW END;
	was bool := TG_OP <> 'INSERT' AND OLD.hold <> '';
	is_held bool := TG_OP <> 'DELETE' AND NEW.hold <> '';
BEGIN
	IF TG_OP <> 'UPDATE' THEN
		INSERT INTO tallies VALUES (e.backend, 'entries', '{}', CASE WHEN TG_OP = 'INSERT' THEN 1 ELSE -1 END);
	END IF;
	IF was AND is_held AND OLD.hold = NEW.hold AND OLD.why = NEW.why THEN
		RETURN NULL;
	END IF;
	IF was THEN
		INSERT INTO tallies VALUES (e.backend, 'hold', ARRAY[OLD.hold, e.target, OLD.why], -1);
	END IF;
	IF is_held THEN
		INSERT INTO tallies VALUES (e.backend, 'hold', ARRAY[NEW.hold, e.target, NEW.why], 1);
	END IF;
	IF was <> is_held AND NOT EXISTS (SELECT FROM entries o
			WHERE o.backend = e.backend AND o.target = e.target AND o.account = e.account AND o.role <> e.role AND o.hold <> '') THEN
		INSERT INTO tallies VALUES (e.backend, 'held', '{}', CASE WHEN is_held THEN 1 ELSE -1 END);
	END IF;
	RETURN NULL;
END
$$;

CREATE TRIGGER tally AFTER INSERT OR DELETE OR UPDATE OF hold, why ON entries FOR EACH ROW EXECUTE FUNCTION tally_entry();

CREATE FUNCTION tally_offboarding(h held_offboardings, by int8) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO backends (name) VALUES (h.backend) ON CONFLICT DO NOTHING;
	INSERT INTO tallies SELECT b.id, 'offboarding', ARRAY[h.id, h.target, h.why], by FROM backends b WHERE b.name = h.backend AND NOT h.approved;
END
$$;

CREATE FUNCTION tally_held_offboarding() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF TG_OP <> 'INSERT' THEN
		PERFORM tally_offboarding(OLD, -1);
	END IF;
	IF TG_OP <> 'DELETE' THEN
		PERFORM tally_offboarding(NEW, 1);
	END IF;
	RETURN NULL;
END
$$;

CREATE TRIGGER tally AFTER INSERT OR DELETE OR UPDATE ON held_offboardings FOR EACH ROW EXECUTE FUNCTION tally_held_offboarding();

-- What is there already.
INSERT INTO tallies SELECT backend, 'state', ARRAY[state::text], count(*) FROM marks GROUP BY backend, state;
INSERT INTO tallies SELECT backend, 'urgent', '{}', count(*) FROM marks WHERE urgent AND state = 0 GROUP BY backend;
INSERT INTO tallies SELECT backend, 'entries', '{}', count(*) FROM entries GROUP BY backend;
INSERT INTO tallies SELECT backend, 'hold', ARRAY[hold, target, why], count(*) FROM entries WHERE hold <> '' GROUP BY backend, hold, target, why;
INSERT INTO tallies SELECT backend, 'held', '{}', count(*) FROM (SELECT DISTINCT backend, target, account FROM entries WHERE hold <> '') AS h GROUP BY backend;
SELECT tally_person(backend, blocked_person(backend, target, idp, usr, account, event), reason, 1) FROM marks WHERE state = 1;
SELECT tally_offboarding(h, 1) FROM held_offboardings h;
