-- What the last comparison of each target saw: when it was, and the grants that are not in the ledger.

CREATE TABLE comparisons (
	backend text COLLATE "C" NOT NULL,
	target text COLLATE "C" NOT NULL,
	at int8,
	settled int8,
	shows text NOT NULL,
	whole text[],
	PRIMARY KEY (backend, target)
) WITH (fillfactor = 80);

CREATE TABLE foreign_grants (
	backend text COLLATE "C" NOT NULL,
	target text COLLATE "C" NOT NULL,
	account text COLLATE "C" NOT NULL,
	role text COLLATE "C" NOT NULL,
	key text NOT NULL,
	since int8,
	whole text[],
	PRIMARY KEY (backend, target, account, role)
) WITH (fillfactor = 80);
