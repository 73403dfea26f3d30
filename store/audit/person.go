package audit

import (
	"context"
	"encoding/json"
	"errors"
	"strings"

	"github.com/scimbridge/scimbridge/store"
)

// person has all names and ids of a user in the directory, the links and the trail.
type person struct {
	who      string
	ids      map[[2]string]bool // identity provider, id
	values   map[string]bool    // folded names, and values that find an account
	accounts map[[2]string]bool // backend, account
}

// find finds a user by current names, and by earlier ones in the trail.
func find(ctx context.Context, s store.Store, who string) (*person, error) {
	p := &person{who: who, ids: map[[2]string]bool{}, values: map[string]bool{store.Fold(who): true}, accounts: map[[2]string]bool{}}
	err := s.View(ctx, func(tx store.Tx) error {
		backends := map[string]bool{}
		for _, idp := range tx.IdPs() {
			if err := p.lookUp(tx.Directory(idp), idp, who); err != nil {
				return err
			}
		}
		for e, err := range tx.Events().Since(0) {
			if err != nil {
				return err
			}
			p.learn(e)
			backends[e.Backend] = true
		}
		for name := range backends {
			for id := range p.ids {
				l, err := tx.Accounts(name).Link(id[0], id[1])
				if err != nil && !errors.Is(err, store.ErrNotFound) {
					return err
				}
				if err == nil && l.Account != "" {
					p.accounts[[2]string{name, l.Account}] = true
				}
			}
		}
		return nil
	})
	return p, err
}

func (p *person) lookUp(d store.Directory, idp, who string) error {
	var found []store.User
	if u, err := d.User(who); err == nil {
		found = append(found, u)
	} else if !errors.Is(err, store.ErrNotFound) {
		return err
	}
	for _, by := range []store.Index{store.ByUserName, store.ByEmail, store.ByExternalID} {
		more, err := d.FindUsers(by, who)
		if err != nil {
			return err
		}
		found = append(found, more...)
	}
	for _, u := range found {
		p.is(idp, u.ID, u.UserName, u.ExternalID)
		p.called(u.Emails...)
	}
	return nil
}

// learn adds the names and ids in an event about this user.
func (p *person) learn(e store.Event) {
	if kind, _, _ := strings.Cut(e.Type, "."); kind != "user" || !p.ids[[2]string{e.IdP, e.Subject}] && !p.values[store.Fold(e.Name)] {
		return
	}
	p.is(e.IdP, e.Subject, e.Name)
	for _, part := range []string{e.Before, e.After} {
		var was struct {
			UserName   string
			ExternalID string
			Emails     []struct{ Value string }
		}
		if json.Unmarshal([]byte(part), &was) != nil {
			continue // empty, or cut short
		}
		p.called(was.UserName, was.ExternalID)
		for _, m := range was.Emails {
			p.called(m.Value)
		}
	}
}

func (p *person) is(idp, id string, names ...string) {
	p.ids[[2]string{idp, id}] = true
	p.called(names...)
}

func (p *person) called(values ...string) {
	for _, v := range values {
		if v != "" {
			p.values[store.Fold(v)] = true
		}
	}
}

// in reports whether an event is about the user.
func (p *person) in(e store.Event) bool {
	if p.ids[[2]string{e.IdP, e.Subject}] || e.Account == p.who || e.Account != "" && p.accounts[[2]string{e.Backend, e.Account}] {
		return true
	}
	if kind, _, _ := strings.Cut(e.Type, "."); kind != "group" && e.Name != "" && p.values[store.Fold(e.Name)] {
		return true
	}
	for _, ids := range [][]string{e.Added, e.Removed} {
		for _, id := range ids {
			if p.ids[[2]string{e.IdP, id}] {
				return true
			}
		}
	}
	return false
}
