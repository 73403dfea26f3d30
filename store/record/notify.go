package record

import "time"

// Notice is a condition that holds, as far as a channel is concerned.
type Notice struct {
	Channel   string
	Condition string // its key
	ID        string // begins the ids of its messages; "" while the channel need not be notified yet
	Since     time.Time
	Missing   time.Time // since when the condition does not hold any more; zero: it does
	Body      string    // the condition in JSON, as it began
}

// Table implements Record.
func (*Notice) Table() Table {
	return Table{"notices", []string{"channel", "condition", "id", "since", "missing", "body"}, 2, false}
}

// Fields implements Record.
func (r *Notice) Fields() []any {
	return []any{&r.Channel, &r.Condition, &r.ID, &r.Since, &r.Missing, &r.Body}
}

// Notification is a message that a channel does not have yet, as far as Scimbridge knows.
type Notification struct {
	Channel  string
	ID       string // the same in every attempt
	Follows  string // the id of the message that the channel must have before; "": none
	At       time.Time
	Body     string // the payload in JSON
	Attempts int64  // that were begun
	Next     time.Time
}

// Table implements Record.
func (*Notification) Table() Table {
	return Table{"notifications", []string{"channel", "id", "follows", "at", "body", "attempts", "next"}, 2, false}
}

// Fields implements Record.
func (r *Notification) Fields() []any {
	return []any{&r.Channel, &r.ID, &r.Follows, &r.At, &r.Body, &r.Attempts, &r.Next}
}

// Rejections is how many requests without a valid credential a replica had within an hour.
type Rejections struct {
	Replica string
	Count   int64
	Expires time.Time
}

// Table implements Record.
func (*Rejections) Table() Table {
	return Table{"rejections", []string{"replica", "count", "expires"}, 1, true}
}

// Fields implements Record.
func (r *Rejections) Fields() []any { return []any{&r.Replica, &r.Count, &r.Expires} }
