package oldsettings

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/scimbridge/scimbridge/store/record"
)

// parse reads a setting. known is false for a setting that is no record. Of a setting that is readable in
// part it leaves out the rest, as earlier versions did.
func parse(name string, value []byte) (found []record.Record, known bool, err error) {
	kind, rest, _ := strings.Cut(name, "/")
	read := map[string]func(string, []byte) ([]record.Record, error){
		"asked": command, "token": token, "used": uses, "put_members": omission, "condition": condition, "ends": heldOffboardings,
		"shown": shown, "removals": removals, "disowned": disowned, "holding": partialHold, "stays": retained, "ended": offboarded,
		"invited": invitation, "listed": listing, "pin": pin,
	}[kind]
	if read == nil || rest == "" {
		return nil, false, nil
	}
	found, err = read(rest, value)
	return found, true, err
}

// cut3 splits a name at its first two slashes: neither of the first two parts has one.
func cut3(name string) (a, b, c string) {
	a, rest, _ := strings.Cut(name, "/")
	b, c, _ = strings.Cut(rest, "/")
	return a, b, c
}

// when reads a moment; zero if it is none.
func when(value []byte) time.Time {
	at, err := time.Parse(time.RFC3339, string(value))
	if err != nil {
		return time.Time{}
	}
	return at.UTC()
}

func one(r record.Record) ([]record.Record, error) { return []record.Record{r}, nil }

// command reads asked/resync/BACKEND, asked/retry/BACKEND and asked/reload.
func command(name string, value []byte) ([]record.Record, error) {
	kind, backend, _ := strings.Cut(name, "/")
	return one(&record.Command{Name: kind, Backend: backend, Value: string(value)})
}

func token(name string, value []byte) ([]record.Record, error) {
	idp, token, _ := strings.Cut(name, "/")
	return one(&record.Credential{IdP: idp, Token: token, Since: when(value)})
}

func uses(idp string, value []byte) (out []record.Record, _ error) {
	var all map[string]time.Time
	if json.Unmarshal(value, &all) != nil {
		return nil, nil
	}
	for token, at := range all {
		out = append(out, &record.Credential{IdP: idp, Token: token, LastUse: at.UTC()})
	}
	return out, nil
}

func omission(idp string, value []byte) ([]record.Record, error) {
	var o struct {
		Sends, First, Last time.Time
		Count              int64
	}
	if json.Unmarshal(value, &o) != nil {
		return nil, nil
	}
	return one(&record.PutOmission{IdP: idp, Sends: o.Sends, First: o.First, Last: o.Last, Count: o.Count})
}

func condition(backend string, value []byte) ([]record.Record, error) {
	var c struct {
		State, Reason string
		Until         time.Time
		Told          bool
	}
	if err := json.Unmarshal(value, &c); err != nil {
		return nil, err
	}
	return one(&record.Condition{Backend: backend, State: c.State, Reason: c.Reason, Until: c.Until, ByVendor: c.Told})
}

func heldOffboardings(backend string, value []byte) (out []record.Record, err error) {
	var all []struct {
		ID, Target, Account, Key, Why string
		Since                         time.Time
		Approved                      bool
	}
	if err := json.Unmarshal(value, &all); err != nil {
		return nil, err
	}
	for _, h := range all {
		out = append(out, &record.HeldOffboarding{Backend: backend, Account: h.Account, Target: h.Target, ID: h.ID, Key: h.Key,
			Since: h.Since, Why: h.Why, Approved: h.Approved})
	}
	return out, nil
}

func shown(backend string, value []byte) (out []record.Record, err error) {
	var ids []string
	if err := json.Unmarshal(value, &ids); err != nil {
		return nil, err
	}
	for _, id := range ids {
		out = append(out, &record.ShownHold{Backend: backend, ID: id})
	}
	return out, nil
}

// oldWindow is the shortest retention of a removal: this package does not know the window of its limit.
const oldWindow = 24 * time.Hour

func removals(name string, value []byte) (out []record.Record, err error) {
	var all []struct {
		A  string
		T  int64
		L  bool
		Ok bool
	}
	if err := json.Unmarshal(value, &all); err != nil {
		return nil, err
	}
	backend, target, _ := strings.Cut(name, "/")
	for _, r := range all {
		at := time.UnixMilli(r.T).UTC()
		kind := record.RemovalOfRole
		if r.L {
			kind = record.RemovalByOffboarding
		}
		out = append(out, &record.Removal{Backend: backend, Target: target, Account: r.A, Kind: kind, At: at, Approved: r.Ok,
			Expires: at.Add(oldWindow)})
	}
	return out, nil
}

func disowned(name string, value []byte) (out []record.Record, err error) {
	var all map[string][]string
	if err := json.Unmarshal(value, &all); err != nil {
		return nil, err
	}
	backend, target, _ := strings.Cut(name, "/")
	for account, roles := range all {
		for _, role := range roles {
			out = append(out, &record.Disowned{Backend: backend, Target: target, Account: account, Role: role})
		}
	}
	return out, nil
}

func partialHold(name string, _ []byte) ([]record.Record, error) {
	backend, target, _ := strings.Cut(name, "/")
	return one(&record.PartialHold{Backend: backend, Target: target})
}

func retained(name string, value []byte) ([]record.Record, error) {
	backend, account, _ := strings.Cut(name, "/")
	return one(&record.Retained{Backend: backend, Account: account, Hold: string(value)})
}

// offboarded reads the moment at which an account was ended, or the hold that was rejected.
func offboarded(name string, value []byte) ([]record.Record, error) {
	r := &record.Offboarded{At: when(value)}
	r.Backend, r.Listing, r.Account = cut3(name)
	if r.At.IsZero() {
		r.Hold = string(value)
	}
	return one(r)
}

func invitation(name string, value []byte) ([]record.Record, error) {
	r := &record.Invitation{}
	r.Backend, r.Listing, r.Key = cut3(name)
	at, refused := strings.CutSuffix(string(value), " refused")
	if r.At, r.Refused = when([]byte(at)), refused; r.At.IsZero() {
		return nil, nil // an unreadable one is ignored
	}
	r.Expires = r.At.Add(record.InvitationKept)
	return one(r)
}

func listing(name string, value []byte) ([]record.Record, error) {
	backend, listing, _ := strings.Cut(name, "/")
	return one(&record.Listing{Backend: backend, Listing: listing, At: when(value)})
}

func pin(name string, value []byte) ([]record.Record, error) {
	var p struct {
		Name, Group string
		Held        *struct {
			Group, ID string
			Since     time.Time
			Rejected  bool
		}
	}
	if err := json.Unmarshal(value, &p); err != nil {
		return nil, fmt.Errorf("a pin: %w", err)
	}
	r := &record.Pin{Name: p.Name, Bound: p.Group}
	r.Backend, r.IdP, r.Key = cut3(name)
	if h := p.Held; h != nil {
		r.Held, r.Hold, r.HeldSince, r.Rejected = h.Group, h.ID, h.Since, h.Rejected
	}
	return one(r)
}
