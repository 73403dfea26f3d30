-- Typed tables for what lay in settings before: records.go fills them from there. `whole` has the strings of a key in full, if one of
-- them is shortened. Moments are nanoseconds, as elsewhere.

CREATE TABLE invitations (
	backend text COLLATE "C" NOT NULL,
	listing text COLLATE "C" NOT NULL,
	key text COLLATE "C" NOT NULL,
	at int8,
	refused boolean NOT NULL,
	expires int8,
	whole text[],
	PRIMARY KEY (backend, listing, key)
) WITH (fillfactor = 80);
CREATE INDEX invitations_expires ON invitations (expires) WHERE expires IS NOT NULL;

CREATE TABLE offboarded (
	backend text COLLATE "C" NOT NULL,
	listing text COLLATE "C" NOT NULL,
	account text COLLATE "C" NOT NULL,
	at int8,
	hold text NOT NULL,
	whole text[],
	PRIMARY KEY (backend, listing, account)
) WITH (fillfactor = 80);

CREATE TABLE retained (
	backend text COLLATE "C" NOT NULL,
	account text COLLATE "C" NOT NULL,
	hold text NOT NULL,
	whole text[],
	PRIMARY KEY (backend, account)
) WITH (fillfactor = 80);

CREATE TABLE held_offboardings (
	backend text COLLATE "C" NOT NULL,
	account text COLLATE "C" NOT NULL,
	target text COLLATE "C" NOT NULL,
	id text NOT NULL,
	key text NOT NULL,
	since int8,
	why text NOT NULL,
	approved boolean NOT NULL,
	whole text[],
	PRIMARY KEY (backend, account, target)
) WITH (fillfactor = 80);

CREATE TABLE removals (
	backend text COLLATE "C" NOT NULL,
	target text COLLATE "C" NOT NULL,
	account text COLLATE "C" NOT NULL,
	kind text COLLATE "C" NOT NULL,
	at int8,
	approved boolean NOT NULL,
	expires int8,
	whole text[],
	PRIMARY KEY (backend, target, account, kind)
) WITH (fillfactor = 80);
CREATE INDEX removals_expires ON removals (expires) WHERE expires IS NOT NULL;

CREATE TABLE disowned (
	backend text COLLATE "C" NOT NULL,
	target text COLLATE "C" NOT NULL,
	account text COLLATE "C" NOT NULL,
	role text COLLATE "C" NOT NULL,
	whole text[],
	PRIMARY KEY (backend, target, account, role)
) WITH (fillfactor = 80);

CREATE TABLE partial_holds (
	backend text COLLATE "C" NOT NULL,
	target text COLLATE "C" NOT NULL,
	whole text[],
	PRIMARY KEY (backend, target)
) WITH (fillfactor = 80);

CREATE TABLE listings (
	backend text COLLATE "C" NOT NULL,
	listing text COLLATE "C" NOT NULL,
	at int8,
	whole text[],
	PRIMARY KEY (backend, listing)
) WITH (fillfactor = 80);

CREATE TABLE shown_holds (
	backend text COLLATE "C" NOT NULL,
	id text COLLATE "C" NOT NULL,
	whole text[],
	PRIMARY KEY (backend, id)
) WITH (fillfactor = 80);

CREATE TABLE pins (
	backend text COLLATE "C" NOT NULL,
	idp text COLLATE "C" NOT NULL,
	key text COLLATE "C" NOT NULL,
	name text NOT NULL,
	bound text NOT NULL,
	held text NOT NULL,
	hold text NOT NULL,
	held_since int8,
	rejected boolean NOT NULL,
	whole text[],
	PRIMARY KEY (backend, idp, key)
) WITH (fillfactor = 80);

CREATE TABLE conditions (
	backend text COLLATE "C" NOT NULL,
	state text NOT NULL,
	reason text NOT NULL,
	until int8,
	by_vendor boolean NOT NULL,
	whole text[],
	PRIMARY KEY (backend)
) WITH (fillfactor = 80);

CREATE TABLE commands (
	name text COLLATE "C" NOT NULL,
	backend text COLLATE "C" NOT NULL,
	value text NOT NULL,
	whole text[],
	PRIMARY KEY (name, backend)
) WITH (fillfactor = 80);

CREATE TABLE credentials (
	idp text COLLATE "C" NOT NULL,
	token text COLLATE "C" NOT NULL,
	since int8,
	last_use int8,
	expires int8,
	whole text[],
	PRIMARY KEY (idp, token)
) WITH (fillfactor = 80);
CREATE INDEX credentials_expires ON credentials (expires) WHERE expires IS NOT NULL;

CREATE TABLE put_omissions (
	idp text COLLATE "C" NOT NULL,
	sends int8,
	first int8,
	last int8,
	count int8 NOT NULL,
	whole text[],
	PRIMARY KEY (idp)
) WITH (fillfactor = 80);
