package bolt

import (
	"errors"
	"fmt"
	"time"

	"github.com/scimbridge/scimbridge/store"
)

// moment is a time of the fixtures.
func moment(sec int64) time.Time { return time.Unix(1_790_000_000+sec, 0).UTC() }

// fillFixture stores what the files in testdata/formats hold, besides records and settings. It must
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
			touch = w.Hurry
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
	for name, value := range map[string]string{
		"private/signing-keys":                  `{"keys":[]}`,
		"config/sections":                       `{"server":"00"}`,
		"restored":                              "2026-09-21T13:46:40Z",
		"asked/reload":                          "17",
		"asked/resync/vt":                       "yes",
		"asked/retry/vt":                        "yes",
		"token/okta/0123abcd":                   "2026-09-21T13:46:41Z",
		"token/okta/unused":                     "2026-09-21T13:46:42Z",
		"used/okta":                             `{"0123abcd":"2026-09-21T13:46:43Z","jwt-a/b":"2026-09-21T13:46:44Z"}`,
		"put_members/okta":                      `{"sends":"2026-09-21T13:46:45Z","first":"2026-09-21T13:46:46Z","last":"2026-09-21T13:46:47Z","count":12}`,
		"condition/vt":                          `{"state":"paused","reason":"throttled","until":"2026-09-21T14:46:40Z","told":true}`,
		"condition/risk":                        `{"state":"ok"}`,
		"ends/vt":                               `[{"id":"vt-41","target":"target-0","account":"account-1","key":"user1@example.com","since":"2026-09-21T13:46:48Z"},{"id":"vt-42","target":"target-1","account":"account-2","key":"user2@example.com","since":"2026-09-21T13:46:49Z","why":"offboardings","approved":true}]`,
		"mapping/vt":                            "abcdef email sync [] \"\"",
		"called/vt":                             "yes",
		"shown/vt":                              `["vt-7","vt-41"]`,
		"removals/vt/target-0":                  `[{"a":"account-1","t":1790000001000},{"a":"account-1","t":1790000002000,"l":true,"ok":true}]`,
		"removals/vt/a/b":                       `[{"a":"account-3","t":1790000003000}]`,
		"disowned/vt/target-2":                  `{"account-4":["role-0","role-1"],"account-5":["role-0"]}`,
		"holding/vt/target-1":                   "yes",
		"stays/vt/account-6":                    "vt-5",
		"ended/vt/target-1/account-7":           "2026-09-21T13:46:50Z",
		"ended/vt//account-8":                   "vt-43",
		"invited/vt/target-1/user3@example.com": "2026-09-21T13:46:51Z",
		"invited/vt//user4@example.com":         "2026-09-21T13:46:52Z refused",
		"invited/vt/target-1/ö/x@example.com":   "2026-09-21T13:46:53Z",
		"listed/vt/target-1":                    "2026-09-21T13:46:54.123456789Z",
		"listed/risk/":                          "2026-09-21T13:46:55Z",
		"pin/vt/okta/00112233445566778899aabbccddeeff": `{"name":"Group 1","group":"group-1"}`,
		"pin/vt/okta/ffeeddccbbaa99887766554433221100": `{"name":"Group 2","group":"gone","held":{"group":"group-2","id":"vt-44","since":"2026-09-21T13:46:56Z","rejected":true}}`,
		"assertions/okta/3":                            "0123456789abcdef\x00\x00\x00\x00\xb5\x00\x00\x00",
	} {
		if err := tx.SetSetting(name, []byte(value)); err != nil {
			return err
		}
	}
	return nil
}
