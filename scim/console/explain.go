package console

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"slices"

	"github.com/scimbridge/scimbridge/backend"
	"github.com/scimbridge/scimbridge/mapping/access"
	"github.com/scimbridge/scimbridge/mapping/desk"
	"github.com/scimbridge/scimbridge/mapping/memory"
	"github.com/scimbridge/scimbridge/store"
	"github.com/scimbridge/scimbridge/store/nearest"
)

// The codes of why a user does not have a role, besides those of access and of blocks.
const (
	notActive    = "not_active"
	noRule       = "no_rule"       // no group of the user gives it
	notLookedUp  = "not_looked_up" // the account is not known
	notShown     = "not_shown"     // the vendor does not show who has the role
	notCompared  = "not_compared"  // the target was never compared with the vendor
	unknownUser  = "no identity provider has sent such a user; name a userName, an e-mail address, an externalId or an id"
	storeFailure = "the store cannot be read"
)

// explain says what a user has at each backend, and why.
func (c *Console) explain(w http.ResponseWriter, r *http.Request) {
	user, role := r.URL.Query().Get("user"), r.URL.Query().Get("role")
	if user == "" {
		refuse(w, http.StatusBadRequest, "name a user")
		return
	}
	all, err := c.explained(r.Context(), user, role)
	names := nearest.Names{Asked: user}
	switch {
	case err != nil:
	case len(all) == 0:
		err = c.Store.View(r.Context(), func(tx store.Tx) error {
			names = nearest.Names{Asked: user}
			return addUserNames(tx, &names)
		})
	case c.Access != nil:
		err = c.addAccess(r.Context(), all, user, role)
	}
	switch {
	case err != nil:
		refuse(w, http.StatusServiceUnavailable, storeFailure)
	case len(all) == 0:
		refuse(w, http.StatusNotFound, withNearest(unknownUser, &names))
	default:
		answer(w, http.StatusOK, all)
	}
}

// addUserNames takes the userName of every user into account.
func addUserNames(tx store.Tx, names *nearest.Names) error {
	if len(names.Asked) > longestCompared {
		return nil
	}
	for _, idp := range tx.IdPs() {
		for u, err := range tx.Directory(idp).Users(store.From{By: store.ByUserName}) {
			if err != nil {
				return err
			}
			if len(u.UserName) <= longestCompared {
				names.Add(u.UserName)
			}
		}
	}
	return nil
}

// explained asks every backend. A user of several identity providers is listed once for each.
func (c *Console) explained(ctx context.Context, user, role string) ([]desk.Why, error) {
	all := []desk.Why{}
	for _, b := range c.Backends {
		whys, err := b.Engine.Explain(ctx, user, role)
		if err != nil {
			return nil, err
		}
		var is memory.Condition
		err = c.Store.View(ctx, func(tx store.Tx) (err error) {
			is, err = b.condition(tx)
			return err
		})
		if err != nil {
			return nil, err
		}
		for _, y := range whys {
			if is.State != "ok" {
				y.Condition = is
			}
			all = append(all, y)
		}
	}
	slices.SortStableFunc(all, func(a, b desk.Why) int {
		return cmp.Or(cmp.Compare(a.IdP, b.IdP), cmp.Compare(a.UserID, b.UserID))
	})
	return all, nil
}

// whyKey is a role of a user on a target.
type whyKey struct{ backend, idp, user, target, role string }

// addAccess adds what the report of access says: whether the user has each role, since when and by
// which request, and the roles that the bridge did not grant or gave up.
func (c *Console) addAccess(ctx context.Context, all []desk.Why, user, role string) error {
	rows := map[whyKey]access.Row{}
	var order []whyKey
	from := c.Access()
	_, err := from.Report(ctx, access.Query{User: user, Role: role}, func(r access.Row) error {
		key := whyKey{r.Backend, r.IdP, r.UserID, r.Target, r.Role}
		rows[key], order = r, append(order, key)
		return nil
	})
	var unknown *nearest.UnknownError
	if err != nil && !errors.As(err, &unknown) { // the role may be one that a rule would give
		return err
	}
	return c.Store.View(ctx, func(tx store.Tx) error {
		for i := range all {
			if err := addRows(tx, &all[i], rows, order); err != nil {
				return err
			}
		}
		return nil
	})
}

// addRows adds the rows of one user at one backend.
func addRows(tx store.Tx, y *desk.Why, rows map[whyKey]access.Row, order []whyKey) error {
	listed := map[whyKey]bool{}
	for i := range y.Grants {
		g := &y.Grants[i]
		key := whyKey{y.Backend, y.IdP, y.UserID, g.Target, g.Role}
		listed[key] = true
		row, ok := rows[key]
		if !ok { // of an account that was not looked up
			key.idp, key.user = "", ""
			row, ok = rows[key]
			ok = ok && isOf(row, y)
			listed[key] = ok
		}
		if ok {
			fill(g, row)
			continue
		}
		if err := absent(tx, y, g); err != nil {
			return err
		}
	}
	for _, key := range order {
		row := rows[key]
		if listed[key] || key.backend != y.Backend || !isOf(row, y) {
			continue
		}
		g := desk.WhyGrant{Target: row.Target, Role: row.Role, From: []string{}, State: unmanagedWords(row)}
		fill(&g, row)
		y.Grants = append(y.Grants, g)
	}
	return nil
}

// isOf reports whether a row is about a user. An account that was not looked up yet has no user:
// the value by which the vendor shows it is that of the user then.
func isOf(row access.Row, y *desk.Why) bool {
	if row.UserID != "" {
		return row.IdP == y.IdP && row.UserID == y.UserID
	}
	return y.Account == "" && backend.Fold(row.User) == backend.Fold(y.User) || y.Account != "" && row.Account == y.Account
}

// fill takes what a row says of a grant.
func fill(g *desk.WhyGrant, row access.Row) {
	g.Has, g.Reason = row.Has, row.Reason
	if row.State != access.Granted && row.State != access.Adopted {
		g.Reason = cmp.Or(g.Reason, row.State)
	}
	if row.State == access.Unmanaged {
		g.State = unmanagedWords(row)
	}
	g.Past = desk.Past{Since: row.Since, Request: row.Request, RequestedBy: row.RequestedBy, Confirmed: row.Confirmed}
}

// unmanagedWords puts into words how a role stands that the bridge does not manage.
func unmanagedWords(row access.Row) string {
	switch row.Reason {
	case access.Foreign:
		return "has it, and the bridge did not grant it"
	case access.Disowned:
		return "has it, and the bridge leaves it alone: an operator rejected its removal"
	}
	return "has it: " + row.State
}

// absent says whether the user lacks a role that is neither in the ledger nor given by a rule: the
// last comparison of the target tells it, if the vendor shows the role.
func absent(tx store.Tx, y *desk.Why, g *desk.WhyGrant) error {
	shows, err := access.Shows(tx, y.Backend, g.Target, g.Role)
	if err != nil {
		return err
	}
	switch {
	case y.Account == "":
		g.Has, g.Reason = access.Dark, notLookedUp
	case shows == access.Yes:
		g.Has = access.No
		if len(g.From) > 0 && !y.Active {
			g.Reason = notActive
		}
		g.Reason = cmp.Or(g.Reason, noRule)
	case shows == access.No:
		g.Has, g.Reason = access.Dark, notShown
	default:
		g.Has, g.Reason = access.Dark, notCompared
	}
	return nil
}
