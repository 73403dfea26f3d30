package notify

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/scimbridge/scimbridge/store"
	"github.com/scimbridge/scimbridge/store/record"
)

const (
	// settled is how long a condition must not hold until it has ended: one that comes and goes
	// makes no messages.
	settled = time.Minute
	// lasting is how long a backend must be unreachable until operators are notified.
	lasting = time.Minute
)

// Open is a channel and what sends its messages.
type Open struct {
	Channel
	Sender
}

// Outbox notifies each channel once when a condition begins and once when it ends. What it knows is
// in the store. At most one Outbox may use a store at a time: replicas take a lease. Its fields are
// set before the first call.
type Outbox struct {
	Store    store.Store
	Channels []Open
	Now      func() time.Time
	Log      *slog.Logger
	Count    func(channel, outcome string) // counts attempts: "ok", "failed", "gave_up"; nil: none
	Jitter   func() float64                // of back-off, from 0 to 1
}

// change is what Observe writes.
type change struct {
	put, gone []record.Notice
	send      []record.Notification
	dropped   []record.Notification // of channels that are not configured any more
}

func (c change) empty() bool { return len(c.put)+len(c.gone)+len(c.send)+len(c.dropped) == 0 }

// Observe compares the conditions that hold now with those that the channels know, and stores the
// messages that follow in one transaction.
func (o *Outbox) Observe(ctx context.Context, f Facts) error {
	var c change
	err := o.Store.View(ctx, func(tx store.Tx) (err error) {
		c, err = o.changes(tx, f)
		return err
	})
	if err != nil || c.empty() {
		return wrap("reading conditions", err)
	}
	err = o.Store.Update(ctx, func(tx store.Tx) (err error) {
		if c, err = o.changes(tx, f); err != nil {
			return err
		}
		return c.write(tx)
	})
	if err == nil && len(c.dropped) > 0 {
		o.Log.Warn("messages of channels that are not configured any more are dropped", "messages", len(c.dropped))
	}
	return wrap("storing conditions", err)
}

func wrap(doing string, err error) error {
	if err != nil {
		return fmt.Errorf("%s: %w", doing, err)
	}
	return nil
}

// write stores a change.
func (c change) write(tx store.Tx) error {
	for _, n := range c.put {
		if err := record.Put(tx, n); err != nil {
			return err
		}
	}
	for _, n := range c.gone {
		if err := record.Delete(tx, n); err != nil {
			return err
		}
	}
	for _, m := range c.send {
		if err := record.Put(tx, m); err != nil {
			return err
		}
	}
	for _, m := range c.dropped {
		if err := record.Delete(tx, m); err != nil {
			return err
		}
	}
	return nil
}

// changes computes what must be written.
func (o *Outbox) changes(tx store.Tx, f Facts) (out change, err error) {
	known := map[string]map[string]record.Notice{}
	for n, err := range record.List(tx, record.Notice{}) {
		if err != nil {
			return out, err
		}
		if known[n.Channel] == nil {
			known[n.Channel] = map[string]record.Notice{}
		}
		known[n.Channel][n.Condition] = n
	}
	now := o.Now()
	holds := Conditions(f, now)
	for _, ch := range o.Channels {
		if err := out.channel(ch.Channel, known[ch.Name], holds, f.unknown, now); err != nil {
			return out, err
		}
		delete(known, ch.Name)
	}
	for _, notices := range known {
		out.gone = append(out.gone, slices.Collect(maps.Values(notices))...)
	}
	for m, err := range record.List(tx, record.Notification{}) {
		if err != nil {
			return out, err
		}
		if !slices.ContainsFunc(o.Channels, func(ch Open) bool { return ch.Name == m.Channel }) {
			out.dropped = append(out.dropped, m)
		}
	}
	return out, nil
}

// channel adds what changes for a channel that knows these notices.
func (c *change) channel(ch Channel, known map[string]record.Notice, holds map[string]Condition, unknown func(t Type, backend string) bool, now time.Time) error {
	for _, key := range slices.Sorted(maps.Keys(holds)) {
		is := holds[key]
		n, there := known[key]
		if !ch.wants(is.Type) {
			continue
		}
		if there && !n.Missing.IsZero() {
			n.Missing = time.Time{}
			c.put = append(c.put, n)
		}
		if !there {
			body, err := json.Marshal(is)
			if err != nil {
				return err
			}
			n = record.Notice{Channel: ch.Name, Condition: key, Since: now, Body: string(body)}
		}
		if n.ID == "" && (is.Type != Unreachable || now.Sub(n.Since) >= lasting) {
			n.ID = "msg_" + rand.Text()
			if err := c.queue(n, is, Begun, now); err != nil {
				return err
			}
			there = false
		}
		if !there {
			c.put = append(c.put, n)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(known)) {
		word, rest, _ := strings.Cut(key, "/")
		backend, _, _ := strings.Cut(rest, "/")
		kind := Type(word)
		if _, stays := holds[key]; stays && ch.wants(kind) || unknown(kind, backend) {
			continue
		}
		if err := c.absent(ch, known[key], kind, now); err != nil {
			return err
		}
	}
	return nil
}

// absent adds what changes because a condition does not hold.
func (c *change) absent(ch Channel, n record.Notice, kind Type, now time.Time) error {
	switch {
	case n.ID == "" || !ch.wants(kind): // the channel does not know of it, or need not any more
		c.gone = append(c.gone, n)
	case n.Missing.IsZero():
		n.Missing = now
		c.put = append(c.put, n)
	case now.Sub(n.Missing) >= settled:
		var was Condition
		if err := json.Unmarshal([]byte(n.Body), &was); err != nil {
			return err
		}
		c.gone = append(c.gone, n)
		return c.queue(n, was, Ended, now)
	}
	return nil
}

// queue adds a message about a condition. That of the end follows that of the begin.
func (c *change) queue(n record.Notice, is Condition, state string, now time.Time) error {
	m := about(is, n.ID+"_"+state, state, n.Since, now)
	body, err := m.encoded()
	if err != nil {
		return err
	}
	row := record.Notification{Channel: n.Channel, ID: m.ID, At: now, Body: string(body), Next: now}
	if state == Ended {
		row.Follows = n.ID + "_" + Begun
	}
	c.send = append(c.send, row)
	return nil
}
