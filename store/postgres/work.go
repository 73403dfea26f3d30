package postgres

import (
	"fmt"
	"iter"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/scimbridge/scimbridge/store"
	"github.com/scimbridge/scimbridge/store/postgres/pgtext"
)

type work struct{ ofBackend }

const markColumns = `target, idp, usr, account, event, whole, seq, since, state, urgent, tries, not_before, reason, origin, asked`

// markID is a mark with the key of its target.
type markID struct {
	store.Mark
	key string
}

func scanMark(r pgx.CollectableRow) (m markID, err error) {
	var whole, origin []string
	var event, seq int64
	var since, notBefore, asked *int64
	s := &m.Subject
	err = r.Scan(&m.Target, &s.IdP, &s.User, &s.Account, &event, &whole, &seq, &since, &m.State, &m.Urgent, &m.Tries, &notBefore, &m.Reason, &origin, &asked)
	m.key = m.Target
	pgtext.Unshorten(whole, &m.Target, &s.IdP, &s.User, &s.Account)
	s.Event, m.Seq, m.Since, m.NotBefore, m.Reason = uint64(event), uint64(seq), pgtext.Moment(since), pgtext.Moment(notBefore), pgtext.Plain(m.Reason)
	if o := &m.Origin; len(origin) == 3 { // of earlier versions, too
		pgtext.Unshorten(origin, &o.Initiator, &o.Token, &o.Request)
		o.At = pgtext.Moment(asked)
	} else if len(origin) > 3 {
		origin = pgtext.Plains(origin)
		o.Initiator, o.Token, o.Request, o.Groups = origin[0], origin[1], origin[2], store.JoinGroups(origin[3:]...)
		o.At = pgtext.Moment(asked)
	}
	return m, err
}

func (w *work) Touch(target string, at time.Time, by store.Origin, subjects ...store.Subject) error {
	return w.touch(target, at, by, false, subjects)
}

func (w *work) TouchUrgent(target string, at time.Time, by store.Origin, subjects ...store.Subject) error {
	return w.touch(target, at, by, true, subjects)
}

// touch marks all subjects in one statement, with numbers in their order.
func (w *work) touch(target string, at time.Time, by store.Origin, urgent bool, subjects []store.Subject) error {
	w.MustWrite()
	b, err := w.makeBackend(w.name)
	if err != nil {
		return fmt.Errorf("touch: %w", err)
	}
	var idps, users, accounts []string
	var events []int64
	var long []*string // of all parts: an array of arrays must be rectangular
	seen := map[store.Subject]bool{}
	shortened := false
	for _, s := range subjects {
		if seen[s] {
			continue
		}
		seen[s] = true
		idps, users, accounts, events = append(idps, pgtext.Key(s.IdP)), append(users, pgtext.Key(s.User)), append(accounts, pgtext.Key(s.Account)), append(events, int64(s.Event))
		parts := pgtext.Wholes(target, s.IdP, s.User, s.Account)
		shortened = shortened || parts != nil
		for i := range 4 {
			if parts == nil {
				long = append(long, nil)
			} else {
				long = append(long, &parts[i])
			}
		}
	}
	if !shortened {
		long = nil
	}
	var origin []string
	if by != (store.Origin{}) {
		origin = []string{by.Initiator, by.Token, by.Request}
		if by.Groups != "" {
			origin = append(origin, by.Groups)
		}
		origin = pgtext.Texts(origin)
	}
	err = w.Later(`INSERT INTO marks (backend, target, idp, usr, account, event, whole, seq, since, state, urgent, tries, not_before, reason, origin, asked)
		SELECT $1, $2, idp, usr, account, event, whole, nextval('mark_numbers'), $8, 0, $9, 0, NULL, '', $10::text[], $11::int8 FROM (
			SELECT idp, usr, account, event, CASE WHEN ($7::text[])[4 * ordinal] IS NOT NULL THEN ($7::text[])[4 * ordinal - 3 : 4 * ordinal] END AS whole
			FROM unnest($3::text[], $4::text[], $5::text[], $6::int8[]) WITH ORDINALITY AS s (idp, usr, account, event, ordinal) ORDER BY ordinal) AS subjects
		ON CONFLICT (backend, target, usr, idp, account, event) DO UPDATE SET seq = excluded.seq, state = 0, urgent = marks.urgent OR excluded.urgent, tries = 0, not_before = NULL, reason = '',
			origin = CASE WHEN excluded.asked >= marks.asked OR marks.asked IS NULL THEN excluded.origin || array_remove(marks.origin[4:8], excluded.origin[4])
				ELSE marks.origin || array_remove(excluded.origin[4:8], marks.origin[4]) END, asked = greatest(marks.asked, excluded.asked)`,
		b, pgtext.Key(target), idps, users, accounts, events, long, pgtext.Nanos(at), urgent, origin, pgtext.Nanos(by.At))
	if err != nil {
		return fmt.Errorf("touch: %w", err)
	}
	return nil
}

func (m markID) value() store.Mark { return m.Mark }

func (w *work) Marks(target string) iter.Seq2[store.Mark, error] {
	return paged("marks", w.number, markID.value, func(b int32, last *markID, limit int) ([]markID, error) {
		of, seq, sql := pgtext.Key(target), int64(0), marksOfAll
		if last != nil {
			of, seq = last.key, int64(last.Seq)
		}
		if target != "" {
			sql = marksOfTarget
		}
		return query(w.tx, scanMark, sql, b, of, seq, limit)
	})
}

const (
	marksOfTarget = `SELECT ` + markColumns + ` FROM marks WHERE backend = $1 AND target = $2 AND seq > $3 ORDER BY target, seq LIMIT $4`
	marksOfAll    = `SELECT ` + markColumns + ` FROM marks WHERE backend = $1 AND (target, seq) > ($2, $3) ORDER BY target, seq LIMIT $4`
	ofSubject     = ` backend = $1 AND target = $2 AND idp = $3 AND usr = $4 AND account = $5 AND event = $6`
)

func (w *work) Mark(target string, s store.Subject) (store.Mark, error) {
	m, err := find(w.ofBackend, scanMark, `SELECT `+markColumns+` FROM marks WHERE`+ofSubject, subjectKey(target, s)...)
	if err != nil {
		return store.Mark{}, fmt.Errorf("mark on %q: %w", target, err)
	}
	return m.Mark, nil
}

func subjectKey(target string, s store.Subject) []any {
	return []any{pgtext.Key(target), pgtext.Key(s.IdP), pgtext.Key(s.User), pgtext.Key(s.Account), int64(s.Event)}
}

func (w *work) Settle(m store.Mark) (bool, error) {
	done, err := w.change(`DELETE FROM marks WHERE`+ofSubject+` AND seq = $7`, append(subjectKey(m.Target, m.Subject), int64(m.Seq))...)
	if err != nil {
		return false, fmt.Errorf("settle: %w", err)
	}
	return done, nil
}

func (w *work) Park(m store.Mark) (bool, error) {
	if m.State > store.Held {
		return false, fmt.Errorf("park: no state %d", m.State)
	}
	done, err := w.change(`UPDATE marks SET state = $8, not_before = $9, reason = $10, tries = $11 WHERE`+ofSubject+` AND seq = $7`,
		append(subjectKey(m.Target, m.Subject), int64(m.Seq), int16(m.State), pgtext.Nanos(m.NotBefore), pgtext.Text(m.Reason), m.Tries)...)
	if err != nil {
		return false, fmt.Errorf("park: %w", err)
	}
	return done, nil
}

// Due reads the first mark that is due.
func (w *work) Due(at time.Time) (bool, error) {
	b, err := w.number()
	if err != nil || b == 0 {
		return false, err
	}
	first, found, err := one(w.tx, pgx.RowTo[int64], `SELECT coalesce(not_before, 0) FROM marks WHERE backend = $1 AND state < 2 ORDER BY coalesce(not_before, 0) LIMIT 1`, b)
	if err != nil {
		return false, fmt.Errorf("due marks: %w", err)
	}
	return found && (first == 0 || !time.Unix(0, first).After(at)), nil
}
