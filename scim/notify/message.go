package notify

import (
	"encoding/json"
	"fmt"
	"time"
)

// The states of a condition in a message.
const (
	Begun = "begun"
	Ended = "ended"
	Test  = "test"
)

// Message is what a channel is sent. Every attempt to send it has the same ID.
type Message struct {
	ID      string
	Payload Payload
}

// Payload is a message in the form of Standard Webhooks.
type Payload struct {
	Type      string    `json:"type"` // hold.begun
	Timestamp time.Time `json:"timestamp"`
	Data      Data      `json:"data"`
}

// Data is what a message is about. Key is equal in the messages about the begin and the end of a
// condition.
type Data struct {
	Condition
	Key     string    `json:"condition"`
	State   string    `json:"state"`
	Since   time.Time `json:"since,omitzero"`
	Text    string    `json:"text"`
	Command string    `json:"command"`
}

// about returns the message about a condition.
func about(c Condition, id, state string, since, at time.Time) Message {
	d := Data{Condition: c, Key: c.Key(), State: state, Since: since.UTC(), Text: c.Text(), Command: c.Command()}
	if state == Ended {
		d.Text, d.Command = "ended: "+d.Text, "scimbridge status"
	}
	return Message{id, Payload{string(c.Type) + "." + state, at.UTC(), d}}
}

// TestMessage returns a message that says only that the channel works.
func TestMessage(id string, at time.Time) Message {
	d := Data{Condition: Condition{Type: Test}, Key: Test, State: Test, Text: "a test of `scimbridge notify test`: nothing is wrong", Command: "scimbridge status"}
	return Message{id, Payload{Test, at.UTC(), d}}
}

// encoded returns the payload as JSON.
func (m Message) encoded() ([]byte, error) {
	out, err := json.Marshal(m.Payload)
	if err != nil {
		return nil, fmt.Errorf("writing a message: %w", err)
	}
	return out, nil
}
