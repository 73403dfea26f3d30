package notify

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"github.com/scimbridge/scimbridge/store"
	"github.com/scimbridge/scimbridge/store/record"
)

const (
	firstRetry  = 5 * time.Second
	longestWait = 15 * time.Minute
	// giveUp is the age after which a message is not sent again, if it was tried often enough.
	giveUp     = 72 * time.Hour
	leastTries = 10
)

// Deliver sends the messages of a channel that are due, and returns when the next one is; zero: none
// waits. An error is one of the store.
func (o *Outbox) Deliver(ctx context.Context, ch Open) (next time.Time, err error) {
	waiting, err := o.waiting(ctx, ch.Name)
	if err != nil {
		return next, err
	}
	unsent := map[string]bool{}
	for _, m := range waiting {
		unsent[m.ID] = true
	}
	for _, m := range waiting {
		if unsent[m.Follows] {
			continue // it is sent right after that one
		}
		again := m.Next
		if !m.Next.After(o.Now()) {
			if again, err = o.send(ctx, ch, m); err != nil {
				return next, err
			}
			unsent[m.ID] = !again.IsZero()
		}
		if !again.IsZero() && (next.IsZero() || again.Before(next)) {
			next = again
		}
	}
	return next, nil
}

// waiting lists the messages of a channel, the oldest first.
func (o *Outbox) waiting(ctx context.Context, channel string) (out []record.Notification, err error) {
	err = o.Store.View(ctx, func(tx store.Tx) error {
		out = nil
		for m, err := range record.List(tx, record.Notification{Channel: channel}) {
			if err != nil {
				return err
			}
			out = append(out, m)
		}
		return nil
	})
	inOrder(out)
	return out, wrap("reading messages", err)
}

// send makes one attempt: it is committed before the call, and its outcome after it. It returns when
// the next attempt is due; zero: the message needs none. A crash in between leads to another attempt
// with the same id.
func (o *Outbox) send(ctx context.Context, ch Open, m record.Notification) (again time.Time, err error) {
	m.Attempts++
	m.Next = o.Now().Add(o.backoff(m.Attempts))
	if err := o.put(ctx, m); err != nil {
		return again, err
	}
	failure := sendBody(ctx, ch, m)
	switch {
	case failure == nil:
		o.count(ch.Name, "ok")
		return time.Time{}, o.remove(ctx, m)
	case ctx.Err() != nil: // it is unknown whether the receiver has it
		return again, ctx.Err()
	case o.Now().Sub(m.At) >= giveUp && m.Attempts >= leastTries:
		o.count(ch.Name, "gave_up")
		o.Log.Warn("a message is given up: fix the channel and run `scimbridge notify test`", "channel", ch.Name, "message", m.ID, "attempts", m.Attempts, "error", failure)
		return time.Time{}, o.remove(ctx, m)
	}
	o.count(ch.Name, "failed")
	if m.Attempts == 1 {
		o.Log.Warn("a message is not sent, and is tried again: `scimbridge notify test` tries the channel", "channel", ch.Name, "message", m.ID, "error", failure)
	}
	var f *Failure
	if errors.As(failure, &f) && o.Now().Add(f.After).After(m.Next) {
		m.Next = o.Now().Add(f.After)
		return m.Next, o.put(ctx, m)
	}
	return m.Next, nil
}

// sendBody sends a stored message.
func sendBody(ctx context.Context, ch Open, m record.Notification) error {
	var p Payload
	if err := json.Unmarshal([]byte(m.Body), &p); err != nil {
		return err
	}
	limited, cancel := context.WithTimeout(ctx, sendTime)
	defer cancel()
	return ch.Send(limited, Message{m.ID, p})
}

func (o *Outbox) put(ctx context.Context, m record.Notification) error {
	return wrap("storing an attempt", o.Store.Update(ctx, func(tx store.Tx) error { return record.Put(tx, m) }))
}

func (o *Outbox) remove(ctx context.Context, m record.Notification) error {
	return wrap("storing that a message was sent", o.Store.Update(ctx, func(tx store.Tx) error { return record.Delete(tx, m) }))
}

func (o *Outbox) count(channel, outcome string) {
	if o.Count != nil {
		o.Count(channel, outcome)
	}
}

// backoff is how long to wait after an attempt that fails: it doubles, less up to a fifth at random.
func (o *Outbox) backoff(attempt int64) time.Duration {
	d := firstRetry
	for i := int64(1); i < attempt && d < longestWait; i++ {
		d *= 2
	}
	d = min(d, longestWait)
	return d - time.Duration(o.Jitter()*float64(d)/5)
}

// inOrder sorts messages by their age.
func inOrder(all []record.Notification) {
	slices.SortStableFunc(all, func(a, b record.Notification) int {
		return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.Follows, b.Follows), cmp.Compare(a.ID, b.ID))
	})
}
