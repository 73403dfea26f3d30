package change

import (
	"errors"
	"slices"
	"time"

	"github.com/scimbridge/scimbridge/mapping"
	"github.com/scimbridge/scimbridge/store"
)

// markEach is up to how many members get a mark each. Above it one mark names the event, and the
// worker expands it, so that the request does not wait.
const markEach = 100

// membersChanged appends the event of changed members and marks them wherever the group counts.
func (c *change) membersChanged(g store.Group, e store.Event) error {
	seq, err := c.append(e)
	if err != nil {
		return err
	}
	if len(e.Added)+len(e.Removed) > markEach {
		return c.touch(g, store.Subject{IdP: c.IdP, Event: seq})
	}
	return c.mark(g, slices.Concat(e.Added, e.Removed)...)
}

// mark marks users wherever the group counts.
func (c *change) mark(g store.Group, users ...string) error {
	subjects := make([]store.Subject, len(users))
	for i, u := range users {
		subjects[i] = store.Subject{IdP: c.IdP, User: u}
	}
	return c.touch(g, subjects...)
}

// markMembers marks the members of a group wherever it counts.
func (c *change) markMembers(g store.Group) error {
	var values []string
	for m, err := range c.dir.Members(g.ID) {
		if err != nil {
			return err
		}
		values = append(values, m.Value)
	}
	return c.mark(g, values...)
}

// markAll marks all users wherever the group counts.
func (c *change) markAll(g store.Group) error { return c.touch(g, store.Subject{}) }

// markSettings marks the settings of the targets where the group counts: the existence of a group
// gives them.
func (c *change) markSettings(g store.Group) error {
	return c.touch(g, store.Subject{Account: store.TargetSettings})
}

// touch marks subjects on the targets where the group counts.
func (c *change) touch(g store.Group, subjects ...store.Subject) error {
	if len(subjects) == 0 {
		return nil
	}
	for _, t := range c.Rules.Targets(c.IdP, g) {
		c.marked[t.Backend] = true
		if err := c.tx.Work(t.Backend).Touch(t.Target, c.now, c.origin(c.IdP+"/"+g.DisplayName), subjects...); err != nil {
			return err
		}
	}
	return c.touchOtherRules(subjects...)
}

// touchOtherRules marks subjects on every target of the backends with other rules: their workers
// know where the subjects count.
func (c *change) touchOtherRules(subjects ...store.Subject) error {
	for _, name := range c.otherRules {
		c.marked[name] = true
		if err := c.tx.Work(name).Touch(store.AnyTarget, c.now, c.origin(), subjects...); err != nil {
			return err
		}
	}
	return nil
}

// markUser marks a user wherever one of the user's groups counts. The marks of an off-boarding go
// first.
func (c *change) markUser(id string, offBoards bool) error {
	subject := store.Subject{IdP: c.IdP, User: id}
	groups := map[mapping.Target][]string{}
	var targets []mapping.Target
	for g, err := range c.dir.GroupsOf(id) {
		if err != nil {
			return err
		}
		for _, t := range c.Rules.Targets(c.IdP, g) {
			if groups[t] == nil {
				targets = append(targets, t)
			}
			groups[t] = append(groups[t], c.IdP+"/"+g.DisplayName)
		}
	}
	for _, t := range targets {
		c.marked[t.Backend] = true
		touch := c.touchOf(t.Backend, offBoards)
		if err := touch(t.Target, c.now, c.origin(groups[t]...), subject); err != nil {
			return err
		}
	}
	if !offBoards {
		return c.touchOtherRules(subject)
	}
	return c.markLinked(subject)
}

// touchOf returns the function that marks subjects at a backend, for an off-boarding the urgent one.
func (c *change) touchOf(backend string, urgent bool) func(string, time.Time, store.Origin, ...store.Subject) error {
	w := c.tx.Work(backend)
	if urgent {
		return w.TouchUrgent
	}
	return w.Touch
}

// markLinked marks an off-boarded user at every backend with an account of the user: a hold may be
// open there, or a membership left, where none of the user's groups counts any longer.
func (c *change) markLinked(subject store.Subject) error {
	for _, name := range c.tx.Backends() {
		_, err := c.tx.Accounts(name).Link(c.IdP, subject.User)
		if errors.Is(err, store.ErrNotFound) {
			continue
		}
		if err == nil {
			c.marked[name] = true
			err = c.tx.Work(name).TouchUrgent(store.AnyTarget, c.now, c.origin(), subject)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
