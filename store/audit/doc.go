// Package audit makes the events of a store a trail that reveals tampering: it chains them, verifies the
// chain, and exports it.
//
// It owns the input of a digest, the names of exported events, and their retention. It does not own the
// content of events: the code that appends an event does.
//
// A digest is SHA-256 over the digest of the place before (32 bytes; zeros before the first) and the
// canonical form of the event: the object `event` of an exported line as RFC 8785 writes it, with sorted
// keys, without spaces, and with no more escapes than JSON needs. All values are texts, or lists of them.
// Empty ones are left out, so that later versions can add fields. The number of an event is no part of it:
// a trail keeps its digests when it moves to another store. A few lines of any language recompute the
// digests of an `audit export`, here in Python:
//
//	for line in map(json.loads, sys.stdin):
//	    text = json.dumps(line["event"], sort_keys=True, separators=(",", ":"), ensure_ascii=False)
//	    assert hashlib.sha256(bytes.fromhex(line["previous"]) + text.encode()).hexdigest() == line["digest"]
//
// Events of the last moments have no place yet; their lines have no `place`, `previous` and `digest`.
package audit
