package access

import (
	"context"
	"maps"
	"slices"

	"github.com/scimbridge/scimbridge/mapping"
	"github.com/scimbridge/scimbridge/store"
	"github.com/scimbridge/scimbridge/store/nearest"
	"github.com/scimbridge/scimbridge/store/record"
)

// checkNames refuses a backend or an identity provider that does not exist.
func (r *report) checkNames(ctx context.Context) error {
	if q := r.query.Backend; q != "" && r.people.backend(q) < 0 {
		if stays, err := r.unconfigured(ctx); err != nil || len(stays) > 0 {
			return err
		}
		names := nearest.Names{Asked: q}
		for _, b := range r.src.Backends {
			names.Add(b.Name)
		}
		return names.Unknown("backend", true)
	}
	q := r.query.IdP
	if q == "" || slices.Contains(r.src.IdPs, q) {
		return nil
	}
	var idps []string
	err := r.src.Store.View(ctx, func(tx store.Tx) error {
		idps = tx.IdPs()
		return nil
	})
	if err != nil || slices.Contains(idps, q) {
		return err
	}
	names := nearest.Names{Asked: q}
	for _, name := range slices.Compact(slices.Sorted(slices.Values(slices.Concat(idps, r.src.IdPs)))) {
		names.Add(name)
	}
	return names.Unknown("identity provider", true)
}

// explainNothing refuses a report without rows if it was about a name that is not known.
func (r *report) explainNothing(ctx context.Context) error {
	if r.query.User != "" && len(r.people.chosen) == 0 {
		return r.unknownUser(ctx)
	}
	if r.query.Role == "" && r.query.Target == "" {
		return nil
	}
	targets, roles, err := r.known(ctx)
	if err != nil {
		return err
	}
	if q := r.query.Target; q != "" && !targets[q] {
		return unknown("target", q, targets)
	}
	if q := r.query.Role; q != "" && !targets[q] && !contains(roles, q) {
		maps.Copy(roles, targets)
		return unknown("role", q, roles)
	}
	return nil
}

func contains(all map[string]bool, name string) bool {
	for known := range all {
		if store.Fold(known) == store.Fold(name) {
			return true
		}
	}
	return false
}

func unknown(what, name string, all map[string]bool) error {
	names := nearest.Names{Asked: name}
	for _, known := range slices.Sorted(maps.Keys(all)) {
		names.Add(known)
	}
	return names.Unknown(what, true)
}

// unknownUser returns the error of a user that nothing knows.
func (r *report) unknownUser(ctx context.Context) error {
	var names nearest.Names
	err := r.src.Store.View(ctx, func(tx store.Tx) error {
		names = nearest.Names{Asked: r.query.User}
		for _, idp := range tx.IdPs() {
			for u, err := range tx.Directory(idp).Users(store.From{By: store.ByUserName}) {
				if err != nil {
					return err
				}
				names.Add(u.UserName)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return names.Unknown("user", false)
}

// known collects the targets and roles of the rules, the ledgers and the comparisons.
func (r *report) known(ctx context.Context) (targets, roles map[string]bool, err error) {
	targets, roles = map[string]bool{}, map[string]bool{}
	err = r.src.Store.View(ctx, func(tx store.Tx) error {
		rules := r.src.Rules(tx)
		for _, b := range r.src.Backends {
			for _, t := range rules.FixedTargets(b.Name) {
				targets[t] = true
				for role := range rules.Roles(mapping.Target{Backend: b.Name, Target: t}) {
					roles[role] = true
				}
			}
			for e, err := range tx.Ledger(b.Name).EntriesAfter(nil) {
				if err != nil {
					return err
				}
				if targets[e.Target] = true; e.Account != store.TargetSettings {
					roles[e.Role] = true
				}
			}
			for s, err := range record.List(tx, record.ForeignGrant{Backend: b.Name}) {
				if err != nil {
					return err
				}
				targets[s.Target], roles[s.Role] = true, true
			}
		}
		for _, idp := range tx.IdPs() {
			for g, err := range tx.Directory(idp).Groups(store.From{}) {
				if err != nil {
					return err
				}
				for _, a := range rules.Apply(idp, g) {
					targets[a.Target.Target] = true
					for _, role := range a.Roles {
						roles[role] = true
					}
				}
			}
		}
		return nil
	})
	return targets, roles, err
}
