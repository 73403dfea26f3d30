package bolt

import (
	"errors"
	"fmt"
	"time"

	"github.com/scimbridge/scimbridge/store"
	"github.com/scimbridge/scimbridge/store/record"
)

// moment is a time of the fixtures.
func moment(sec int64) time.Time { return time.Unix(1_790_000_000+sec, 0).UTC() }

// fillFixture stores the contents of the files in testdata/formats, except for records and settings. It must
// not change: those files were made with it.
func fillFixture(tx store.Tx) error {
	steps := []func(store.Tx) error{fillDirectory, fillWork, fillLedger, fillAccounts, fillEvents}
	for _, step := range steps {
		if err := step(tx); err != nil {
			return err
		}
	}
	return nil
}

func fixtureUser(i int) string { return fmt.Sprintf("%08d-0000-4000-8000-000000000000", i) }

func fillDirectory(tx store.Tx) error {
	d := tx.Directory("okta")
	for i := range 40 {
		u := store.User{ID: fixtureUser(i), UserName: fmt.Sprintf("User%d@Example.com", i), ExternalID: fmt.Sprint("x", i), Active: i%7 != 0,
			Emails: []string{fmt.Sprintf("user%d@example.com", i)}, Attributes: []byte(`{"title":"Engineer"}`),
			Version: uint64(i), Created: moment(int64(i)), Modified: moment(int64(2 * i))}
		if i%5 == 0 {
			u.Original = []string{fmt.Sprint("before", i), "", ""}
		}
		if err := d.PutUser(u); err != nil {
			return err
		}
	}
	for g := range 4 {
		id := fmt.Sprint("group-", g)
		err := d.PutGroup(store.Group{ID: id, DisplayName: fmt.Sprint("Group ", g), ExternalID: fmt.Sprint("g", g), Version: 1, Created: moment(1)})
		if err != nil {
			return err
		}
		for i := g; i < 40; i += g + 1 {
			if _, err := d.AddMembers(id, fixtureUser(i)); err != nil {
				return err
			}
		}
		if _, err := d.AddMembers(id, "not-a-user", fmt.Sprint("group-", (g+1)%4)); err != nil {
			return err
		}
	}
	return errors.Join(d.DeleteUser(fixtureUser(39)), d.DeleteGroup("group-3"),
		tx.Directory("entra").PutUser(store.User{ID: "e1", UserName: "e1", Active: true}))
}

func fillWork(tx store.Tx) error {
	w := tx.Work("vt")
	by := store.Origin{Initiator: "okta", Token: "t1", Request: "r1", At: moment(5)}
	for i := range 30 {
		s := store.Subject{IdP: "okta", User: fixtureUser(i)}
		target := fmt.Sprint("target-", i%3)
		touch := w.Touch
		if i%10 == 9 {
			touch = w.TouchUrgent
		}
		if err := touch(target, moment(int64(100+i)), by, s); err != nil {
			return err
		}
		m, err := w.Mark(target, s)
		if err != nil {
			return err
		}
		switch i % 4 {
		case 1:
			m.State, m.Reason, m.Tries, m.NotBefore = store.Blocked, []string{"no_account", "rejected"}[i/4%2], i, moment(900)
		case 2:
			m.State, m.Reason = store.Held, "vt-7"
		default:
			continue
		}
		if _, err := w.Park(m); err != nil {
			return err
		}
	}
	return errors.Join(
		w.Touch("target-0", moment(200), store.Origin{}, store.Subject{}, store.Subject{Account: "account-1"}),
		w.Touch("*", moment(201), by, store.Subject{IdP: "entra", User: "e1"}),
		tx.Work("risk").Touch("role", moment(202), by, store.Subject{Account: "*"}))
}

func fillLedger(tx store.Tx) error {
	l := tx.Ledger("vt")
	for i := range 30 {
		n, err := l.NextAttempt()
		if err != nil {
			return err
		}
		e := store.Entry{Target: fmt.Sprint("target-", i%3), Account: fmt.Sprint("account-", i%20), Role: fmt.Sprint("role-", i%2),
			Key: fmt.Sprintf("user%d@example.com", i), State: store.EntryState(i % 3), Wanted: i%2 == 0, Open: i%5 == 0,
			Attempt: n, Doubt: moment(int64(i)), Sent: moment(int64(i)), Since: moment(int64(i)), Adopted: i%6 == 0,
			Note: "ok", Missed: i % 3, MaybeGone: i%7 == 0}
		if i%4 == 0 {
			e.Hold, e.Why, e.HeldSince = fmt.Sprint("vt-", i%3), []string{"removals", "protected"}[i/4%2], moment(50)
		}
		e.Borrowed = i%8 == 3
		e.Approved = i%9 == 4
		if err := l.PutEntry(e); err != nil {
			return err
		}
	}
	return nil
}

func fillAccounts(tx store.Tx) error {
	a := tx.Accounts("vt")
	for i := range 20 {
		err := errors.Join(
			a.PutLink(store.Link{IdP: "okta", User: fixtureUser(i), Key: fmt.Sprintf("user%d@example.com", i),
				Account: []string{"", fmt.Sprint("account-", i/2)}[i%2], Seen: moment(int64(i)), Changed: i%4 == 1, Made: i%8 == 1}),
			a.PutCached(store.CachedAccount{Target: fmt.Sprint("target-", i%3), Key: fmt.Sprintf("user%d@example.com", i),
				ID: fmt.Sprint("account-", i), Status: "active", Seen: moment(int64(i))}))
		if err != nil {
			return err
		}
	}
	return nil
}

func fillEvents(tx store.Tx) error {
	e := tx.Events()
	if err := e.SetAnchor(store.Seal{Place: 3, Digest: [32]byte{3}}); err != nil {
		return err
	}
	for i := range 6 {
		seq, err := e.Append(store.Event{At: moment(int64(i)), Type: "group.members", Actor: "okta", IdP: "okta", Subject: "group-1",
			Name: "Group 1", Added: []string{fixtureUser(i), "not-a-user"}, Removed: []string{fixtureUser(i + 1)}, Causes: []string{"okta/Group 1"}})
		if err == nil && i < 4 {
			err = e.Seal(store.Seal{Place: uint64(4 + i), Event: seq, Digest: [32]byte{byte(i)}})
		}
		if err != nil {
			return err
		}
	}
	return tx.Work("vt").Touch("target-1", moment(300), store.Origin{}, store.Subject{IdP: "okta", Event: 5})
}

// fillSettings stores the settings of the fixtures.
func fillSettings(tx store.Tx) error {
	return errors.Join(
		tx.SetSetting("private/signing-keys", []byte(`{"keys":[]}`)),
		tx.SetSetting("config/sections", []byte(`{"server":"00"}`)),
		tx.SetSetting("restored", []byte("2026-09-21T13:46:40Z")),
		tx.SetSetting("mapping/vt", []byte(`abcdef email sync [] ""`)),
		tx.SetSetting("called/vt", []byte("yes")),
		tx.SetSetting("assertions/okta/3", []byte("0123456789abcdef\x00\x00\x00\x00\xb5\x00\x00\x00")))
}

// fillRecords stores the records of the fixtures, which in format 4 were settings.
func fillRecords(tx store.Tx) error {
	const vt = "vt"
	second := func(s int64) time.Time { return moment(s - 1600) }
	removed := func(target, account, kind string, s int64, approved bool) *record.Removal {
		return &record.Removal{Backend: vt, Target: target, Account: account, Kind: kind, At: moment(s), Approved: approved, Expires: moment(s).Add(24 * time.Hour)}
	}
	invited := func(listing, key string, s int64, refused bool) *record.Invitation {
		return &record.Invitation{Backend: vt, Listing: listing, Key: key, At: second(s), Refused: refused, Expires: second(s).Add(record.InvitationKept)}
	}
	for _, r := range []record.Record{
		&record.Command{Name: record.CommandReload, Value: "17"},
		&record.Command{Name: record.CommandResync, Backend: vt, Value: "yes"},
		&record.Command{Name: record.CommandRetry, Backend: vt, Value: "yes"},
		&record.Credential{IdP: "okta", Token: "0123abcd", Since: second(1), LastUse: second(3)},
		&record.Credential{IdP: "okta", Token: "unused", Since: second(2)},
		&record.Credential{IdP: "okta", Token: "jwt-a/b", LastUse: second(4), Expires: second(4).Add(record.UnusedCredential)},
		&record.PutOmission{IdP: "okta", Sends: second(5), First: second(6), Last: second(7), Count: 12},
		&record.Condition{Backend: vt, State: "paused", Reason: "throttled", Until: second(3600), ByVendor: true},
		&record.Condition{Backend: "risk", State: "ok"},
		&record.HeldOffboarding{Backend: vt, Account: "account-1", Target: "target-0", ID: "vt-41", Key: "user1@example.com", Since: second(8)},
		&record.HeldOffboarding{Backend: vt, Account: "account-2", Target: "target-1", ID: "vt-42", Key: "user2@example.com", Since: second(9),
			Why: "offboardings", Approved: true},
		&record.ShownHold{Backend: vt, ID: "vt-7"},
		&record.ShownHold{Backend: vt, ID: "vt-41"},
		removed("target-0", "account-1", record.RemovalOfRole, 1, false),
		removed("target-0", "account-1", record.RemovalByOffboarding, 2, true),
		removed("a/b", "account-3", record.RemovalOfRole, 3, false),
		&record.Disowned{Backend: vt, Target: "target-2", Account: "account-4", Role: "role-0"},
		&record.Disowned{Backend: vt, Target: "target-2", Account: "account-4", Role: "role-1"},
		&record.Disowned{Backend: vt, Target: "target-2", Account: "account-5", Role: "role-0"},
		&record.PartialHold{Backend: vt, Target: "target-1"},
		&record.Retained{Backend: vt, Account: "account-6", Hold: "vt-5"},
		&record.Offboarded{Backend: vt, Listing: "target-1", Account: "account-7", At: second(10)},
		&record.Offboarded{Backend: vt, Account: "account-8", Hold: "vt-43"},
		invited("target-1", "user3@example.com", 11, false),
		invited("", "user4@example.com", 12, true),
		invited("target-1", "ö/x@example.com", 13, false),
		&record.Listing{Backend: vt, Listing: "target-1", At: second(14).Add(123456789)},
		&record.Listing{Backend: "risk", At: second(15)},
		&record.Pin{Backend: vt, IdP: "okta", Key: "00112233445566778899aabbccddeeff", Name: "Group 1", Bound: "group-1"},
		&record.Pin{Backend: vt, IdP: "okta", Key: "ffeeddccbbaa99887766554433221100", Name: "Group 2", Bound: "gone",
			Held: "group-2", Hold: "vt-44", HeldSince: second(16), Rejected: true},
	} {
		if err := tx.Records().Write(r); err != nil {
			return err
		}
	}
	return nil
}
