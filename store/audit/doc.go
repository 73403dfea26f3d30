// Package audit makes the events of a store a trail that shows when it was tampered with: it chains them, verifies the chain, and
// writes them out.
//
// It owns what a digest is over, the names under which events leave the bridge, and for how long they are kept. It does not own
// what an event says: that is the caller that appends it.
//
// A digest is SHA-256 over the digest of the place before (32 bytes; zeros before the first) and the event in its canonical form:
// the object `event` of an exported line as RFC 8785 writes it, that is with its keys in order, without spaces, and with no more
// escapes than JSON needs. All values are texts, or lists of them; what is empty is left out, so that later versions can add
// to it. The number of an event in its store is no part of it: a trail keeps its digests when it moves to another store. With
// the lines that `audit export` writes a few lines of any language recompute it, here in Python:
//
//	for line in map(json.loads, sys.stdin):
//	    text = json.dumps(line["event"], sort_keys=True, separators=(",", ":"), ensure_ascii=False)
//	    assert hashlib.sha256(bytes.fromhex(line["previous"]) + text.encode()).hexdigest() == line["digest"]
//
// Events that were committed a moment ago have no place yet, and their lines neither `place`, `previous` nor `digest`.
package audit
