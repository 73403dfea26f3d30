-- Calls that end a membership or an account, were begun and have no outcome.
CREATE TABLE endings (
	backend text COLLATE "C" NOT NULL,
	listing text COLLATE "C" NOT NULL,
	account text COLLATE "C" NOT NULL,
	at int8,
	whole text[],
	PRIMARY KEY (backend, listing, account)
) WITH (fillfactor = 80);
