-- What operators are notified of: conditions that hold, messages that are not sent yet, and rejected requests by replica.
CREATE TABLE notices (
	channel text COLLATE "C" NOT NULL,
	condition text COLLATE "C" NOT NULL,
	id text NOT NULL,
	since int8,
	missing int8,
	body text NOT NULL,
	whole text[],
	PRIMARY KEY (channel, condition)
) WITH (fillfactor = 80);

CREATE TABLE notifications (
	channel text COLLATE "C" NOT NULL,
	id text COLLATE "C" NOT NULL,
	follows text NOT NULL,
	at int8,
	body text NOT NULL,
	attempts int8 NOT NULL,
	next int8,
	whole text[],
	PRIMARY KEY (channel, id)
) WITH (fillfactor = 80);

CREATE TABLE rejections (
	replica text COLLATE "C" NOT NULL,
	count int8 NOT NULL,
	expires int8,
	whole text[],
	PRIMARY KEY (replica)
) WITH (fillfactor = 80);
CREATE INDEX rejections_expires ON rejections (expires) WHERE expires IS NOT NULL;
