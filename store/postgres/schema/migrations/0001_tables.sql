-- Strings are kept as text.go describes: readable text, in which what PostgreSQL cannot hold is escaped. A column that is part of
-- a key is shortened if it is long, and `whole` then has the strings of the row in full. Moments are nanoseconds since 1970, since
-- a timestamptz has microseconds; null is none. Moments of leases are the server's own and are timestamptz.

CREATE SEQUENCE places;
CREATE SEQUENCE mark_numbers;
CREATE SEQUENCE attempts;

-- Nothing is in it: every Update holds a lock on it, and one that has to run alone holds it against all others.
CREATE TABLE turn (dummy boolean);

CREATE TABLE identity_providers (
	id int4 GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	name text COLLATE "C" NOT NULL UNIQUE,
	whole text
);

CREATE TABLE backends (
	id int4 GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	name text COLLATE "C" NOT NULL UNIQUE,
	whole text
);

-- Every id and every member value has a number, for ever. kind: 1 a user has this id, 2 a group.
CREATE TABLE names (
	id int8 GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	idp int4 NOT NULL REFERENCES identity_providers,
	kind int2 NOT NULL DEFAULT 0 CHECK (kind BETWEEN 0 AND 3),
	value text COLLATE "C" NOT NULL,
	whole text,
	UNIQUE (idp, value)
) WITH (fillfactor = 90);

CREATE TABLE users (
	id int8 PRIMARY KEY REFERENCES names,
	idp int4 NOT NULL REFERENCES identity_providers,
	active boolean NOT NULL,
	place int8 NOT NULL DEFAULT nextval('places'),
	version int8 NOT NULL,
	created int8,
	modified int8,
	user_name text COLLATE "C" NOT NULL,
	folded text COLLATE "C" NOT NULL, -- userName as it is compared
	external_id text COLLATE "C" NOT NULL,
	external_key text COLLATE "C" NOT NULL,
	attributes json
) WITH (fillfactor = 85);
CREATE UNIQUE INDEX users_place ON users (idp, place) INCLUDE (id);
CREATE UNIQUE INDEX users_name ON users (idp, folded) INCLUDE (id) WHERE folded <> '';
CREATE INDEX users_external ON users (idp, external_key) WHERE external_key <> '';

CREATE TABLE user_emails (
	user_id int8 NOT NULL REFERENCES users ON DELETE CASCADE,
	ordinal int4 NOT NULL,
	idp int4 NOT NULL,
	address text COLLATE "C" NOT NULL,
	folded text COLLATE "C" NOT NULL,
	PRIMARY KEY (user_id, ordinal)
);
CREATE INDEX user_emails_folded ON user_emails (idp, folded);

CREATE TABLE groups (
	id int8 PRIMARY KEY REFERENCES names,
	idp int4 NOT NULL REFERENCES identity_providers,
	members int8 NOT NULL DEFAULT 0 CHECK (members >= 0), -- how many
	place int8 NOT NULL DEFAULT nextval('places'),
	version int8 NOT NULL,
	created int8,
	modified int8,
	display_name text COLLATE "C" NOT NULL,
	folded text COLLATE "C" NOT NULL,
	external_id text COLLATE "C" NOT NULL,
	external_key text COLLATE "C" NOT NULL,
	attributes json
) WITH (fillfactor = 60); -- every change of members updates the row, in its page as long as there is room
CREATE UNIQUE INDEX groups_place ON groups (idp, place) INCLUDE (id);
CREATE UNIQUE INDEX groups_name ON groups (idp, folded) INCLUDE (id) WHERE folded <> '';
CREATE INDEX groups_external ON groups (idp, external_key) WHERE external_key <> '';

-- The one that grows. It has no reference to names: those are never deleted, and a check of each would lock each.
CREATE TABLE memberships (
	grp int8 NOT NULL REFERENCES groups,
	member int8 NOT NULL,
	PRIMARY KEY (grp, member)
);
CREATE INDEX memberships_member ON memberships (member, grp);

CREATE TABLE marks (
	backend int4 NOT NULL REFERENCES backends,
	target text COLLATE "C" NOT NULL,
	idp text COLLATE "C" NOT NULL,
	usr text COLLATE "C" NOT NULL,
	account text COLLATE "C" NOT NULL,
	event int8 NOT NULL,
	whole text[], -- target, idp, usr, account
	seq int8 NOT NULL,
	since int8,
	state int2 NOT NULL CHECK (state BETWEEN 0 AND 2),
	urgent boolean NOT NULL,
	tries int8 NOT NULL,
	not_before int8,
	reason text NOT NULL,
	origin text[], -- initiator, token, request
	asked int8, -- when they did
	PRIMARY KEY (backend, target, usr, idp, account, event)
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05);
CREATE UNIQUE INDEX marks_seq ON marks (backend, target, seq);
CREATE INDEX marks_state ON marks (backend, state);
CREATE INDEX marks_urgent ON marks (backend) WHERE urgent AND state = 0;
CREATE INDEX marks_due ON marks (backend, coalesce(not_before, 0)) WHERE state < 2;
CREATE INDEX marks_event ON marks (event) WHERE event <> 0;

CREATE TABLE entries (
	backend int4 NOT NULL REFERENCES backends,
	target text COLLATE "C" NOT NULL,
	account text COLLATE "C" NOT NULL,
	role text COLLATE "C" NOT NULL,
	whole text[], -- target, account, role
	key text NOT NULL,
	state int2 NOT NULL CHECK (state BETWEEN 0 AND 2),
	wanted boolean NOT NULL,
	open boolean NOT NULL,
	adopted boolean NOT NULL,
	maybe_gone boolean NOT NULL,
	approved boolean NOT NULL,
	attempt int8 NOT NULL,
	missed int8 NOT NULL,
	doubt int8,
	sent int8,
	since int8,
	held_since int8,
	note text NOT NULL,
	hold text NOT NULL,
	why text NOT NULL,
	PRIMARY KEY (backend, target, account, role)
) WITH (fillfactor = 80);
CREATE INDEX entries_account ON entries (backend, account, target);

CREATE TABLE links (
	backend int4 NOT NULL REFERENCES backends,
	idp text COLLATE "C" NOT NULL,
	usr text COLLATE "C" NOT NULL,
	account text COLLATE "C" NOT NULL,
	whole text[], -- idp, usr, account
	key text NOT NULL,
	seen int8,
	PRIMARY KEY (backend, idp, usr)
) WITH (fillfactor = 80);
CREATE INDEX links_account ON links (backend, account, idp, usr) WHERE account <> '';

CREATE TABLE cached_accounts (
	backend int4 NOT NULL REFERENCES backends,
	target text COLLATE "C" NOT NULL,
	key text COLLATE "C" NOT NULL,
	whole text[], -- target, key
	id text NOT NULL,
	status text NOT NULL,
	seen int8,
	PRIMARY KEY (backend, target, key)
) WITH (fillfactor = 80);

CREATE TABLE events (
	seq int8 GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	at int8,
	type text NOT NULL,
	actor text NOT NULL,
	initiator text NOT NULL,
	token text NOT NULL,
	request text NOT NULL,
	idp text NOT NULL,
	subject text NOT NULL,
	name text NOT NULL,
	added text[],
	removed text[],
	before text NOT NULL,
	after text NOT NULL,
	backend text NOT NULL,
	target text NOT NULL,
	account text NOT NULL,
	role text NOT NULL,
	causes text[],
	evidence text NOT NULL,
	detail text NOT NULL
);

-- Numbers of events are drawn in one order and committed in another: which have no seal yet stands in a list of its own.
CREATE TABLE unsealed (
	event int8 PRIMARY KEY
);

CREATE TABLE seals (
	place int8 PRIMARY KEY CHECK (place > 0),
	event int8 NOT NULL UNIQUE REFERENCES events,
	digest bytea NOT NULL CHECK (octet_length(digest) = 32)
);

-- The seal before the first, at most one.
CREATE TABLE anchor (
	id boolean PRIMARY KEY DEFAULT true CHECK (id),
	place int8 NOT NULL CHECK (place > 0),
	digest bytea NOT NULL CHECK (octet_length(digest) = 32)
);

CREATE TABLE settings (
	name text COLLATE "C" PRIMARY KEY,
	whole text,
	value bytea NOT NULL
) WITH (fillfactor = 70);

CREATE TABLE leases (
	name text COLLATE "C" PRIMARY KEY,
	owner text NOT NULL,
	epoch int8 NOT NULL CHECK (epoch > 0),
	until timestamptz NOT NULL
) WITH (fillfactor = 50);

CREATE TABLE replicas (
	id text COLLATE "C" PRIMARY KEY,
	address text NOT NULL,
	version text NOT NULL,
	started int8,
	seen timestamptz NOT NULL
) WITH (fillfactor = 50);
