package archive

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/scimbridge/scimbridge/store"
	"github.com/scimbridge/scimbridge/store/oldsettings"
)

// format is the version of the lines. Version 1 had no lines of kind record.
const (
	format       = 2
	oldestFormat = 1
)

// ErrBad is the cause of every refusal of an export.
var ErrBad = errors.New("this is not a complete export of scimbridge")

// line is one line. Its Kind determines its other fields.
type line struct {
	Kind    string          `json:"kind"` // scimbridge, user, group, members, entry, link, setting, record, anchor, event, end
	Format  int             `json:"format,omitempty"`
	IdP     string          `json:"idp,omitempty"`
	Backend string          `json:"backend,omitempty"`
	Name    string          `json:"name,omitempty"` // of a setting; of members, the id of their group
	User    *store.User     `json:"user,omitempty"`
	Group   *store.Group    `json:"group,omitempty"`
	Members []string        `json:"members,omitempty"`
	Event   *store.Event    `json:"event,omitempty"`
	Seal    *seal           `json:"seal,omitempty"` // of the event; of the anchor
	Entry   *store.Entry    `json:"entry,omitempty"`
	Link    *store.Link     `json:"link,omitempty"`
	Value   []byte          `json:"value,omitempty"` // base64
	Table   string          `json:"table,omitempty"`
	Record  json.RawMessage `json:"record,omitempty"` // its columns by name
	Lines   map[string]int  `json:"lines,omitempty"`  // of each kind, at the end
}

// seal is a place in the chain of the events. It has no number of the event: the other store assigns new ones.
type seal struct {
	Place  uint64 `json:"place"`
	Digest []byte `json:"digest"` // base64
}

// membersPerLine bounds a line: a group can have a million.
const membersPerLine = 1000

// Write writes the store as it is at one moment.
func Write(ctx context.Context, s store.Store, to io.Writer) error {
	return s.View(ctx, func(tx store.Tx) error {
		out := bufio.NewWriter(to)
		w := &writer{to: json.NewEncoder(out), count: map[string]int{}}
		w.line(line{Kind: "scimbridge", Format: format})
		for _, idp := range tx.IdPs() {
			w.directory(idp, tx.Directory(idp))
		}
		for _, name := range tx.Backends() {
			for e, err := range tx.Ledger(name).Entries("", "") {
				if !w.row(line{Kind: "entry", Backend: name, Entry: &e}, err) {
					break
				}
			}
			for l, err := range tx.Accounts(name).Links() {
				if !w.row(line{Kind: "link", Backend: name, Link: &l}, err) {
					break
				}
			}
		}
		for name, value := range tx.Settings() {
			if strings.HasPrefix(name, store.Private) {
				continue
			}
			w.line(line{Kind: "setting", Name: name, Value: value})
		}
		w.records(tx)
		w.events(tx.Events())
		w.line(line{Kind: "end", Lines: w.count})
		return errors.Join(w.err, out.Flush())
	})
}

type writer struct {
	to    *json.Encoder
	count map[string]int
	err   error // the first one
}

func (w *writer) line(l line) bool { return w.row(l, nil) }

// row writes a line unless reading it failed. It reports whether to go on.
func (w *writer) row(l line, err error) bool {
	if w.err != nil {
		return false
	}
	if err == nil {
		err = w.to.Encode(l)
	}
	if err != nil {
		w.err = fmt.Errorf("export: %w", err)
	}
	w.count[l.Kind]++
	return err == nil
}

func (w *writer) directory(idp string, d store.Directory) {
	for u, err := range d.Users(store.From{}) {
		if !w.row(line{Kind: "user", IdP: idp, User: &u}, err) {
			return
		}
	}
	var groups []string
	for g, err := range d.Groups(store.From{}) {
		if !w.row(line{Kind: "group", IdP: idp, Group: &g}, err) {
			return
		}
		groups = append(groups, g.ID)
	}
	for _, g := range groups { // after all users and groups: a member may be either
		l := line{Kind: "members", IdP: idp, Name: g}
		for m, err := range d.Members(g) {
			if err != nil {
				w.row(l, err)
				return
			}
			if l.Members = append(l.Members, m.Value); len(l.Members) == membersPerLine {
				if !w.line(l) {
					return
				}
				l.Members = nil
			}
		}
		if len(l.Members) > 0 {
			w.line(l)
		}
	}
}

// events writes the sealed events in the order of the chain, then the others. The other store keeps places
// and digests, so that it can verify the chain.
func (w *writer) events(events store.Events) {
	anchor, err := events.Anchor()
	if err != nil || anchor.Place > 0 {
		w.row(line{Kind: "anchor", Seal: sealLine(anchor)}, err)
	}
	for s, err := range events.Seals(0) {
		if err != nil {
			w.row(line{}, err)
			return
		}
		e, err := events.Event(s.Event)
		if !w.row(line{Kind: "event", Event: unnumbered(e), Seal: sealLine(s)}, err) {
			return
		}
	}
	for e, err := range events.Unsealed() {
		if !w.row(line{Kind: "event", Event: unnumbered(e)}, err) {
			return
		}
	}
}

func unnumbered(e store.Event) *store.Event {
	e.Seq = 0
	return &e
}

func sealLine(s store.Seal) *seal { return &seal{s.Place, s.Digest[:]} }

// maxAttempt exceeds the attempts that a bridge can make in a century.
const maxAttempt = 1 << 40

// linesPerCommit bounds a transaction of Read.
const linesPerCommit = 500

// Read reads an export into an empty store. After an error the store is incomplete and must not be used.
func Read(ctx context.Context, from io.Reader, s store.Store) error {
	in := json.NewDecoder(from)
	r := &reader{count: map[string]int{}}
	for !r.ended {
		var lines []line
		for len(lines) < linesPerCommit && !r.ended {
			var l line
			if err := in.Decode(&l); err != nil {
				return fmt.Errorf("line %d: %w: it breaks off, or is not JSON", r.n+1, ErrBad)
			}
			if err := r.check(l); err != nil {
				return fmt.Errorf("line %d: %w: %w", r.n, ErrBad, err)
			}
			lines = append(lines, l)
		}
		err := s.Update(ctx, func(tx store.Tx) error {
			for _, l := range lines {
				if err := put(tx, l); err != nil {
					return fmt.Errorf("line of kind %s: %w", l.Kind, err)
				}
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("import: %w", err)
		}
	}
	return nil
}

type reader struct {
	n     int
	count map[string]int
	ended bool
}

// check checks the place and the form of a line.
func (r *reader) check(l line) error {
	r.n++
	there := map[string]bool{"scimbridge": true, "user": l.User != nil, "group": l.Group != nil, "members": l.Name != "", "event": l.Event != nil && (l.Seal == nil || len(l.Seal.Digest) == len(store.Seal{}.Digest)),
		"anchor": l.Seal != nil && len(l.Seal.Digest) == len(store.Seal{}.Digest),
		"entry":  l.Entry != nil, "link": l.Link != nil, "setting": l.Name != "", "record": l.Table != "" && l.Record != nil, "end": true}
	switch fits, known := there[l.Kind]; {
	case r.n == 1 && l.Kind != "scimbridge", r.n > 1 && l.Kind == "scimbridge":
		return errors.New("an export begins with a line of kind scimbridge")
	case r.n == 1 && (l.Format < oldestFormat || l.Format > format):
		return fmt.Errorf("it has format %d, and this scimbridge reads formats up to %d: import it with a newer one", l.Format, format)
	case !known:
		return fmt.Errorf("the kind %.40q is unknown", l.Kind)
	case !fits:
		return fmt.Errorf("a line of kind %s has no content", l.Kind)
	case l.Entry != nil && l.Entry.Attempt > maxAttempt:
		return fmt.Errorf("an entry has the attempt number %d, which no bridge reaches", l.Entry.Attempt)
	}
	if l.Kind == "end" {
		for kind, n := range l.Lines {
			if r.count[kind] != n {
				return fmt.Errorf("it has %d lines of kind %.40q and should have %d", r.count[kind], kind, n)
			}
		}
		r.ended = true
	}
	r.count[l.Kind]++
	return nil
}

func put(tx store.Tx, l line) error {
	switch l.Kind {
	case "user":
		return tx.Directory(l.IdP).PutUser(*l.User)
	case "group":
		return tx.Directory(l.IdP).PutGroup(*l.Group)
	case "members":
		_, err := tx.Directory(l.IdP).AddMembers(l.Name, l.Members...)
		return err
	case "entry":
		return putEntry(tx.Ledger(l.Backend), *l.Entry)
	case "link":
		return tx.Accounts(l.Backend).PutLink(*l.Link)
	case "setting":
		if strings.HasPrefix(l.Name, "mapping/") { // an export has no marks: the start marks everything
			return nil
		}
		if strings.HasPrefix(l.Name, store.Private) { // added by hand
			return nil
		}
		return tx.SetSetting(l.Name, append([]byte{}, l.Value...))
	case "record":
		return putRecord(tx, l)
	case "end":
		if err := oldsettings.Convert(tx); err != nil { // format 1
			return fmt.Errorf("%w: %w", ErrBad, err)
		}
	case "anchor":
		return tx.Events().SetAnchor(l.Seal.of(0))
	case "event":
		seq, err := tx.Events().Append(*l.Event)
		if err != nil || l.Seal == nil {
			return err
		}
		return tx.Events().Seal(l.Seal.of(seq))
	}
	return nil
}

func (s *seal) of(event uint64) store.Seal {
	return store.Seal{Place: s.Place, Event: event, Digest: [32]byte(s.Digest)}
}

// skipper is a ledger that can skip numbers of attempts at once.
type skipper interface {
	SkipAttempts(to uint64) error
}

// putEntry stores an entry. No later attempt gets a number that this entry has.
func putEntry(ledger store.Ledger, e store.Entry) error {
	if err := ledger.PutEntry(e); err != nil {
		return err
	}
	if s, ok := ledger.(skipper); ok {
		return s.SkipAttempts(e.Attempt)
	}
	for {
		n, err := ledger.NextAttempt()
		if err != nil || n >= e.Attempt {
			return err
		}
	}
}
