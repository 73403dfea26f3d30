package access

import (
	"context"
	"errors"
	"fmt"

	"github.com/scimbridge/scimbridge/mapping"
	"github.com/scimbridge/scimbridge/store"
	"github.com/scimbridge/scimbridge/store/called"
)

// loadUser reads the users that a name finds, with their groups, and the users who share an account
// with one of them. It reports whether there is one.
func (p *people) loadUser(ctx context.Context, name string) (found bool, err error) {
	err = p.src.Store.View(ctx, func(tx store.Tx) error {
		*p, found = *newPeople(p.src, p.names, p.memory), false
		rules := p.src.Rules(tx)
		for _, idp := range tx.IdPs() {
			users, err := called.Users(tx.Directory(idp), name)
			if err != nil {
				return err
			}
			for _, u := range users {
				found, p.chosen[userID{idp, u.ID}] = true, true
				if err := p.addLinked(tx, rules, idp, u); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil {
		return false, fmt.Errorf("reading a user: %w", err)
	}
	p.conditionsOf()
	p.indexMemberships()
	return found, nil
}

// addLinked adds a user and everyone who shares an account with them.
func (p *people) addLinked(tx store.Tx, rules *mapping.Rules, idp string, u store.User) error {
	links, err := p.addWithGroups(tx, rules, idp, u)
	if err != nil {
		return err
	}
	for b, l := range links {
		if l.Account == "" {
			continue
		}
		others, err := tx.Accounts(p.src.Backends[b].Name).Linked(l.Account)
		if err != nil {
			return err
		}
		for _, o := range others {
			other, err := tx.Directory(o.IdP).User(o.User)
			if errors.Is(err, store.ErrNotFound) {
				continue
			}
			if err == nil {
				_, err = p.addWithGroups(tx, rules, o.IdP, other)
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// addWithGroups adds a user with links and groups, once.
func (p *people) addWithGroups(tx store.Tx, rules *mapping.Rules, idp string, u store.User) ([]store.Link, error) {
	links := make([]store.Link, len(p.src.Backends))
	if _, known := p.index[userID{idp, u.ID}]; known {
		return links, nil
	}
	for b, of := range p.src.Backends {
		l, err := tx.Accounts(of.Name).Link(idp, u.ID)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return nil, err
		}
		links[b] = l
	}
	var groups []int32
	for g, err := range tx.Directory(idp).GroupsOf(u.ID) {
		if err != nil {
			return nil, err
		}
		if n := p.addGroup(rules, idp, g); n >= 0 {
			groups = append(groups, n)
		}
	}
	n := p.add(idp, u, links) // after its groups: their rules have the conditions
	for _, g := range groups {
		p.groups[g].members = append(p.groups[g].members, n)
	}
	return links, nil
}
