package postgres

import (
	"cmp"
	"fmt"
	"iter"
	"math"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/scimbridge/scimbridge/store"
	"github.com/scimbridge/scimbridge/store/postgres/pgtext"
)

const (
	readyMarks = `SELECT ` + markColumns + ` FROM marks WHERE backend = $1 AND target = $2 AND state < 2 AND urgent = $3
		AND coalesce(not_before, 0) <= $4 AND (coalesce(not_before, 0), seq) > ($5, $6) ORDER BY coalesce(not_before, 0), seq LIMIT $7`
	// firstReady has the first pages of both parts, the urgent marks and the others.
	firstReady = `(SELECT ` + markColumns + ` FROM marks WHERE backend = $1 AND target = $2 AND state < 2 AND urgent
			AND coalesce(not_before, 0) <= $3 ORDER BY coalesce(not_before, 0), seq LIMIT $4)
		UNION ALL (SELECT ` + markColumns + ` FROM marks WHERE backend = $1 AND target = $2 AND state < 2 AND NOT urgent
			AND coalesce(not_before, 0) <= $3 ORDER BY coalesce(not_before, 0), seq LIMIT $4)`
	// waitingMarks jumps from target to target.
	waitingMarks = `WITH RECURSIVE targets AS (
			(SELECT target, whole FROM marks WHERE backend = $1 AND state < 2 ORDER BY target LIMIT 1)
			UNION ALL
			SELECT m.target, m.whole FROM targets CROSS JOIN LATERAL
				(SELECT target, whole FROM marks WHERE backend = $1 AND state < 2 AND target > targets.target ORDER BY target LIMIT 1) AS m)
		SELECT targets.target, targets.whole, ready, oldest, urgent, reason, next FROM targets
		CROSS JOIN LATERAL (SELECT count(*) AS ready, min(since) AS oldest, coalesce(bool_or(urgent AND state = 0), false) AS urgent,
				coalesce((array_agg(reason ORDER BY urgent DESC, due, seq) FILTER (WHERE state = 1))[1], '') AS reason
			FROM (SELECT since, urgent, state, reason, seq, coalesce(not_before, 0) AS due FROM (
				(SELECT * FROM marks WHERE backend = $1 AND target = targets.target AND state < 2 AND urgent AND coalesce(not_before, 0) <= $2
					ORDER BY coalesce(not_before, 0), seq LIMIT $3)
				UNION ALL
				(SELECT * FROM marks WHERE backend = $1 AND target = targets.target AND state < 2 AND NOT urgent AND coalesce(not_before, 0) <= $2
					ORDER BY coalesce(not_before, 0), seq LIMIT $3)) AS both_parts LIMIT $3) AS m) AS now
		CROSS JOIN LATERAL (SELECT min(due) AS next FROM (
				(SELECT coalesce(not_before, 0) AS due FROM marks WHERE backend = $1 AND target = targets.target AND state < 2 AND urgent
					AND coalesce(not_before, 0) > $2 ORDER BY coalesce(not_before, 0) LIMIT 1)
				UNION ALL
				(SELECT coalesce(not_before, 0) AS due FROM marks WHERE backend = $1 AND target = targets.target AND state < 2 AND NOT urgent
					AND coalesce(not_before, 0) > $2 ORDER BY coalesce(not_before, 0) LIMIT 1)) AS first_of_each) AS later
		ORDER BY targets.target`
)

// Ready implements store.Work. Its marks are worked on next, so what they are about is read together.
func (w *work) Ready(target string, at time.Time, urgent bool) iter.Seq2[store.Mark, error] {
	return func(yield func(store.Mark, error) bool) {
		var first map[bool][]markID
		page := func(b int32, is bool, last *markID, limit int) (marks []markID, err error) {
			switch {
			case last == nil && first != nil:
				return first[is], nil
			case last == nil && !urgent:
				marks, err = query(w.tx, scanMark, firstReady, b, pgtext.Key(target), dueTime(at), limit)
				first = byUrgency(marks)
				w.expect(w.name, marks)
				return first[is], err
			}
			due, seq := int64(math.MinInt64), int64(0)
			if last != nil {
				due, seq = dueTime(last.NotBefore), int64(last.Seq)
			}
			marks, err = query(w.tx, scanMark, readyMarks, b, pgtext.Key(target), is, dueTime(at), due, seq, limit)
			w.expect(w.name, marks)
			return marks, err
		}
		for _, is := range []bool{true, false} {
			if urgent && !is {
				return
			}
			for m, err := range paged("marks that are ready", w.number, markID.value, func(b int32, last *markID, limit int) ([]markID, error) { return page(b, is, last, limit) }) {
				if !yield(m, err) || err != nil {
					return
				}
			}
		}
	}
}

// byUrgency returns the urgent marks and the others, each as they are due.
func byUrgency(marks []markID) map[bool][]markID {
	out := map[bool][]markID{}
	for _, m := range marks {
		out[m.Urgent] = append(out[m.Urgent], m)
	}
	for _, list := range out {
		slices.SortFunc(list, func(a, b markID) int {
			return cmp.Or(cmp.Compare(dueTime(a.NotBefore), dueTime(b.NotBefore)), cmp.Compare(a.Seq, b.Seq))
		})
	}
	return out
}

// dueTime is a moment as it is compared with not_before; 0 is at once.
func dueTime(at time.Time) int64 {
	if at.IsZero() {
		return 0
	}
	return at.UnixNano()
}

func scanWaiting(r pgx.CollectableRow) (w store.Waiting, err error) {
	var whole []string
	var oldest, next *int64
	err = r.Scan(&w.Target, &whole, &w.Ready, &oldest, &w.Urgent, &w.Reason, &next)
	var idp, user, account string
	pgtext.Unshorten(whole, &w.Target, &idp, &user, &account)
	w.Oldest, w.Next, w.Reason = pgtext.Moment(oldest), pgtext.Moment(next), pgtext.Plain(w.Reason)
	return w, err
}

// Waiting implements store.Work.
func (w *work) Waiting(at time.Time, most int) iter.Seq2[store.Waiting, error] {
	return func(yield func(store.Waiting, error) bool) {
		b, err := w.number()
		var list []store.Waiting
		if err == nil && b != 0 {
			list, err = query(w.tx, scanWaiting, waitingMarks, b, dueTime(at), most)
		}
		if err != nil {
			yield(store.Waiting{}, fmt.Errorf("targets that wait: %w", err))
			return
		}
		for _, waiting := range list {
			if !yield(waiting, nil) {
				return
			}
		}
	}
}
