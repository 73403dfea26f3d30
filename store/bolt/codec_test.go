package bolt

import (
	"bytes"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/scimbridge/scimbridge/store"
	"github.com/scimbridge/scimbridge/store/bolt/codec"
	"github.com/scimbridge/scimbridge/store/bolt/directory"
	"github.com/scimbridge/scimbridge/store/bolt/kv"
	"github.com/scimbridge/scimbridge/store/bolt/tables"
)

// numbered stands for the names of a directory.
func numbered(_ string, n codec.Number) (string, error) {
	if n > 1000 {
		return "", store.ErrDamaged
	}
	return strings.Repeat("x", int(n)), nil
}

// decoders decode a record and encode it again; ok reports whether it was valid.
func decoders() map[string]func(key, record []byte) ([]byte, error) {
	return map[string]func(key, record []byte) ([]byte, error){
		"user": func(key, record []byte) ([]byte, error) {
			payload, err := codec.Unseal(key, record)
			if err != nil {
				return nil, err
			}
			r, err := directory.DecodeUser(key, payload)
			return directory.EncodeUser(key, r), err
		},
		"group": func(key, record []byte) ([]byte, error) {
			payload, err := codec.Unseal(key, record)
			if err != nil {
				return nil, err
			}
			r, err := directory.DecodeGroup(key, payload)
			return directory.EncodeGroup(key, r), err
		},
		"mark": func(key, record []byte) ([]byte, error) {
			m, err := tables.DecodeMark(key, record)
			return tables.EncodeMark(key, m), err
		},
		"entry": func(key, record []byte) ([]byte, error) {
			e, err := tables.DecodeEntry(key, record)
			return tables.EncodeEntry(key, e), err
		},
		"link": func(key, record []byte) ([]byte, error) {
			l, err := tables.DecodeLink(key, record)
			return tables.EncodeLink(key, l), err
		},
		"cached": func(key, record []byte) ([]byte, error) {
			c, err := tables.DecodeCached(key, record)
			return tables.EncodeCached(key, c), err
		},
		"count": func(key, record []byte) ([]byte, error) {
			n, err := codec.OpenUint(key, record)
			return codec.SealUint(key, n), err
		},
		"block": func(key, record []byte) ([]byte, error) {
			b, err := codec.OpenBlock(key, record)
			_, again := codec.SealBlock(nil, key, &b)
			return again, err
		},
		"names": func(key, record []byte) ([]byte, error) {
			var s codec.NameBlock
			err := s.Open(key, record)
			return s.Seal(key), err
		},
		"seal": func(key, record []byte) ([]byte, error) {
			s, err := tables.DecodeSeal(key, record)
			return tables.EncodeSeal(key, s), err
		},
		"anchor": func(_, record []byte) ([]byte, error) {
			s, err := tables.DecodeAnchor(record)
			return tables.EncodeAnchor(s), err
		},
		"event": func(key, record []byte) ([]byte, error) {
			e, err := tables.DecodeEvent(key, record, numbered)
			if err != nil {
				return nil, err
			}
			return tables.EncodeEvent(key, e, func(s string) (codec.Number, bool, error) { return codec.Number(len(s)), true, nil })
		},
	}
}

// FuzzDecode gives altered records to every decoder. Half of them get a correct checksum: otherwise no decoder
// would read beyond it.
func FuzzDecode(f *testing.F) {
	key := codec.SeqKey(7)
	when := time.Unix(1_700_000_000, 5).UTC()
	f.Add(key, directory.EncodeUser(key, directory.Row[store.User]{Val: store.User{ID: "i", UserName: "u", Emails: []string{"a", "b"}, Attributes: []byte(`{}`), Created: when}, Order: 3}))
	f.Add(key, directory.EncodeGroup(key, directory.Row[store.Group]{Val: store.Group{ID: "i", DisplayName: "g"}, Order: 3}))
	f.Add(key, tables.EncodeMark(key, store.Mark{Target: "t", Subject: store.Subject{Account: "a"}, Since: when, State: store.Held, Origin: store.Origin{Initiator: "i", Request: "r", At: when}}))
	f.Add(key, tables.EncodeEntry(key, store.Entry{Target: "t", Role: "r", Doubt: when, State: store.Absent}))
	f.Add(key, tables.EncodeLink(key, store.Link{IdP: "i", User: "u", Account: "a"}))
	f.Add(key, tables.EncodeCached(key, store.CachedAccount{Key: "k", Seen: when}))
	f.Add(key, codec.SealUint(key, 1<<63))
	_, members := codec.SealBlock(nil, key, &codec.Block{1, 0, 1 << 63, 5})
	f.Add(key, members)
	_, members = codec.SealBlock(nil, key, &codec.Block{1<<40 - 1, 0, 1 << 63, 5})
	f.Add(key, members)
	f.Add(key[4:], (&codec.NameBlock{Names: [16]codec.NameOf{{Id: []byte("a"), Is: codec.NameOfUser}, {Is: codec.NameOfNothing}}, N: 2}).Seal(key[4:]))
	f.Add(key, tables.EncodeSeal(key, store.Seal{Event: 1 << 40, Digest: [32]byte{1, 31: 2}}))
	f.Add([]byte(kv.MetaAnchor), tables.EncodeAnchor(store.Seal{Place: 9, Digest: [32]byte{1, 31: 2}}))
	event, err := tables.EncodeEvent(key, store.Event{Type: "x", Subject: "xx", Added: []string{"x", "xxx", "x"}, Before: "b", Causes: []string{"c", ""}}, func(s string) (codec.Number, bool, error) { return codec.Number(len(s)), true, nil })
	if err != nil {
		f.Fatal(err)
	}
	f.Add(key, event)
	f.Fuzz(func(t *testing.T, key, record []byte) {
		fits := slices.Clone(record)
		if len(fits) >= codec.SealSize {
			fits = (&codec.Encoder{B: fits}).Seal(key)
		}
		for name, decode := range decoders() {
			for _, r := range [][]byte{record, fits} {
				again, err := decode(key, r)
				if err != nil {
					if !errors.Is(err, store.ErrDamaged) && !errors.Is(err, store.ErrNewer) {
						t.Errorf("%s: %v", name, err)
					}
					continue
				}
				third, err := decode(key, again)
				if err != nil || !bytes.Equal(third, again) {
					t.Errorf("%s: what was decoded does not encode to the same: %v", name, err)
				}
			}
		}
	})
}

// Every flipped bit of a record or its key is detected.
func TestRecordNoticesFlippedBits(t *testing.T) {
	for _, key := range [][]byte{codec.SeqKey(7), codec.Number(7).Key()} {
		record := tables.EncodeMark(key, store.Mark{Target: "target", Reason: "reason"})
		for bit := range 8 * (len(key) + len(record)) {
			k, r := bytes.Clone(key), bytes.Clone(record)
			if both := bit / 8; both < len(k) {
				k[both] ^= 1 << (bit % 8)
			} else {
				r[both-len(k)] ^= 1 << (bit % 8)
			}
			if _, err := tables.DecodeMark(k, r); !errors.Is(err, store.ErrDamaged) {
				t.Errorf("key %x, bit %d: %v", key, bit, err)
			}
		}
	}
}

func TestRecordOfNewerVersion(t *testing.T) {
	key := codec.SeqKey(7)
	e := codec.NewRecord(8)
	e.B[0] = codec.RecordVersion + 1
	e.String("a later form")
	record := e.Seal(key)
	sum := codec.Number(codec.Checksum(codec.RecordVersion+1, key, record[codec.SealSize:])).Key()
	copy(record[1:], sum)
	if _, err := codec.Unseal(key, record); !errors.Is(err, store.ErrNewer) {
		t.Errorf("got %v", err)
	}
}

func TestKeysSortByPart(t *testing.T) {
	parts := []string{"", "\x00", "\x00\x00", "\x00\x01", "\x00\xff", "\x01", "a", "a\x00", "a\x00b", "a\x01", "ab", "b"}
	var keys [][]byte
	for _, a := range parts {
		for _, b := range parts {
			keys = append(keys, codec.MakeKey(a, b))
		}
	}
	for i := 1; i < len(keys); i++ {
		if bytes.Compare(keys[i-1], keys[i]) >= 0 {
			t.Errorf("%x is not before %x", keys[i-1], keys[i])
		}
	}
	if a, b := codec.MakeKey(strings.Repeat("x", 5000)), codec.MakeKey(strings.Repeat("x", 5001)); bytes.Equal(a, b) || len(a) > codec.MaxKeyPart+2 {
		t.Error("long parts")
	}
}

// FuzzRecord checks that records with any values are read as they were stored.
func FuzzRecord(f *testing.F) {
	f.Add([]byte("key"), "a", "b", "\x00\xff", int64(1_700_000_000), uint64(1), true)
	f.Add([]byte{}, "", "", "", int64(0), uint64(0), false)
	f.Add(bytes.Repeat([]byte{0}, 40), strings.Repeat("x", 3000), "ü", "{}", int64(-62135596800), uint64(1)<<63, true)
	f.Fuzz(func(t *testing.T, key []byte, a, b, c string, sec int64, n uint64, yes bool) {
		when := time.Unix(sec, int64(n%1e9)).UTC()
		var emails []string
		if a != "" {
			emails = []string{a, b, c}
		}
		same := func(what string, stored, read any, err error) {
			if err != nil || !reflect.DeepEqual(stored, read) {
				t.Errorf("%s: %+v is read as %+v, %v", what, stored, read, err)
			}
		}
		payload := func(record []byte) []byte {
			p, err := codec.Unseal(key, record)
			if err != nil {
				t.Error(err)
			}
			return p
		}
		user := directory.Row[store.User]{Val: store.User{ID: a, UserName: b, ExternalID: c, Emails: emails, Active: yes, Attributes: codec.CloneRaw([]byte(c)), Version: n, Created: when, Modified: time.Time{}}, Order: n}
		if yes {
			user.Val.Original = []string{a, b, c}
		}
		u, err := directory.DecodeUser(key, payload(directory.EncodeUser(key, user)))
		same("user", user, u, err)
		group := directory.Row[store.Group]{Val: store.Group{ID: a, DisplayName: b, ExternalID: c, Attributes: codec.CloneRaw([]byte(a)), Version: n, Created: when, Modified: when}, Order: n}
		g, err := directory.DecodeGroup(key, payload(directory.EncodeGroup(key, group)))
		same("group", group, g, err)
		mark := store.Mark{Target: a, Subject: store.Subject{IdP: b, User: c, Account: a, Event: n}, Seq: n, Since: when, State: store.MarkState(n % 3), NotBefore: when, Reason: b, Tries: int(int32(sec)), Urgent: yes, Origin: store.Origin{Initiator: c, Token: a, Request: b, At: when}}
		m, err := tables.DecodeMark(key, tables.EncodeMark(key, mark))
		same("mark", mark, m, err)
		entry := store.Entry{Target: a, Account: b, Role: c, Key: a, State: store.EntryState(n % 3), Wanted: yes, Open: !yes, Attempt: n, Doubt: when, Since: when, Adopted: yes, Note: b,
			Missed: int(int32(sec)), MaybeGone: yes, Hold: c, Why: a, HeldSince: when, Approved: !yes, Borrowed: yes}
		e, err := tables.DecodeEntry(key, tables.EncodeEntry(key, entry))
		same("entry", entry, e, err)
		link := store.Link{IdP: a, User: b, Key: c, Account: a, Seen: when, Changed: yes, Made: n%2 == 0}
		l, err := tables.DecodeLink(key, tables.EncodeLink(key, link))
		same("link", link, l, err)
		cached := store.CachedAccount{Target: a, Key: b, ID: c, Status: a, Seen: when}
		d, err := tables.DecodeCached(key, tables.EncodeCached(key, cached))
		same("cached", cached, d, err)
		if part, ok := codec.PartOf(codec.MakeKey(a)); len(a) <= codec.MaxKeyPart && (!ok || part != a) {
			t.Errorf("the key of %q is read as %q, %v", a, part, ok)
		}
	})
}

// Records of earlier versions are read, with zero values in later fields.
func TestRecordsOfBefore(t *testing.T) {
	key, when := []byte("k"), time.Unix(1_700_000_000, 5).UTC()
	link := codec.NewRecord(128)
	for _, v := range []string{"idp", "user", "value", "account"} {
		link.String(v)
	}
	link.Time(when)
	got, err := tables.DecodeLink(key, link.Seal(key))
	if want := (store.Link{IdP: "idp", User: "user", Key: "value", Account: "account", Seen: when}); err != nil || got != want {
		t.Errorf("link: %+v, %v", got, err)
	}
	entry := store.Entry{Target: "t", Account: "a", Role: "r", State: store.Present, MaybeGone: true}
	before, after := tables.EncodeEntry(key, entry), entry
	after.Borrowed = true
	if now := tables.EncodeEntry(key, after); len(now) != len(before)+1 {
		t.Errorf("an entry has %d bytes, %d if something is borrowed", len(before), len(now))
	}
	if got, err := tables.DecodeEntry(key, before); err != nil || got != entry {
		t.Errorf("entry: %+v, %v", got, err)
	}
}
