package postgres

import (
	"fmt"
	"iter"
	"math"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/scimbridge/scimbridge/store"
	"github.com/scimbridge/scimbridge/store/postgres/pgtext"
)

const (
	readyMarks = `SELECT ` + markColumns + ` FROM marks WHERE backend = $1 AND target = $2 AND state < 2 AND urgent = $3
		AND coalesce(not_before, 0) <= $4 AND (coalesce(not_before, 0), seq) > ($5, $6) ORDER BY coalesce(not_before, 0), seq LIMIT $7`
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

// Ready implements store.Work.
func (w *work) Ready(target string, at time.Time, urgent bool) iter.Seq2[store.Mark, error] {
	return func(yield func(store.Mark, error) bool) {
		b, err := w.backend(w.name)
		if err != nil {
			yield(store.Mark{}, fmt.Errorf("marks that are ready: %w", err))
		}
		if err != nil || b == 0 {
			return
		}
		parts := []bool{true, false}
		if urgent {
			parts = parts[:1]
		}
		for _, part := range parts {
			list := pages(func(last *markID, limit int) ([]markID, error) {
				due, seq := int64(math.MinInt64), int64(0)
				if last != nil {
					due, seq = dueTime(last.NotBefore), int64(last.Seq)
				}
				return query(w.tx, scanMark, readyMarks, b, pgtext.Key(target), part, dueTime(at), due, seq, limit)
			})
			for m, err := range list {
				if err != nil {
					err = fmt.Errorf("marks that are ready: %w", err)
				}
				if !yield(m.Mark, err) || err != nil {
					return
				}
			}
		}
	}
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
		b, err := w.backend(w.name)
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
