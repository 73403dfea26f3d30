-- The first of two approvals that a hold needs.
CREATE TABLE approvals (
	backend text COLLATE "C" NOT NULL,
	id text COLLATE "C" NOT NULL,
	digest text NOT NULL,
	operator text NOT NULL,
	reason text NOT NULL,
	at int8,
	whole text[],
	PRIMARY KEY (backend, id)
) WITH (fillfactor = 80);
