package postgres

import (
	"errors"
	"fmt"
	"iter"
	"math"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/scimbridge/scimbridge/store"
	"github.com/scimbridge/scimbridge/store/postgres/pgtext"
	"github.com/scimbridge/scimbridge/store/postgres/recall"
)

type directory struct {
	*tx
	name string
}

func (d *directory) number() (int32, error) { return d.idp(d.name) }

// The kind of resource that has a name: see names.kind.
const (
	kindUser  = 1
	kindGroup = 2
)

// kind holds the differences between users and groups.
type kind struct {
	word, table string
	bit         int
	byName      store.Index
}

func userKind() kind  { return kind{"user", "users", kindUser, store.ByUserName} }
func groupKind() kind { return kind{"group", "groups", kindGroup, store.ByDisplayName} }

// row is a user or group with further columns of its row.
type row[T any] struct {
	val       T
	id, place int64
	key       string // the id as the database has it
}

// userColumns and groupColumns are read by scanUser and scanGroup, of tables u or g and n, their names.
const (
	userColumns = `u.id, u.place, n.value, coalesce(n.whole, n.value), u.user_name, u.external_id, u.active, u.attributes, u.version, u.created, u.modified, u.original,
		array(SELECT address FROM user_emails e WHERE e.user_id = u.id ORDER BY ordinal)`
	groupColumns = `g.id, g.place, n.value, coalesce(n.whole, n.value), g.display_name, g.external_id, g.attributes, g.version, g.created, g.modified`
)

func scanUser(r pgx.CollectableRow) (u row[store.User], err error) {
	var version int64
	var created, modified *int64
	v := &u.val
	err = r.Scan(&u.id, &u.place, &u.key, &v.ID, &v.UserName, &v.ExternalID, &v.Active, &v.Attributes, &version, &created, &modified, &v.Original, &v.Emails)
	v.ID, v.UserName, v.ExternalID, v.Emails = pgtext.Plain(v.ID), pgtext.Plain(v.UserName), pgtext.Plain(v.ExternalID), pgtext.Plains(v.Emails)
	v.Original = pgtext.Plains(v.Original)
	v.Version, v.Created, v.Modified = uint64(version), pgtext.Moment(created), pgtext.Moment(modified)
	return u, err
}

func scanGroup(r pgx.CollectableRow) (g row[store.Group], err error) {
	var version int64
	var created, modified *int64
	v := &g.val
	err = r.Scan(&g.id, &g.place, &g.key, &v.ID, &v.DisplayName, &v.ExternalID, &v.Attributes, &version, &created, &modified)
	v.ID, v.DisplayName, v.ExternalID = pgtext.Plain(v.ID), pgtext.Plain(v.DisplayName), pgtext.Plain(v.ExternalID)
	v.Version, v.Created, v.Modified = uint64(version), pgtext.Moment(created), pgtext.Moment(modified)
	return g, err
}

// val returns the resource of a row.
func val[T any](r row[T]) T { return r.val }

func values[T, R any](rows []R, value func(R) T) []T {
	var out []T
	for _, r := range rows {
		out = append(out, value(r))
	}
	return out
}

const userFrom = `SELECT ` + userColumns + ` FROM names n JOIN users u ON u.id = n.id `
const groupFrom = `SELECT ` + groupColumns + ` FROM names n JOIN groups g ON g.id = n.id `

// resources reads users or groups by id.
func resources[T any](d *directory, scan pgx.RowToFunc[row[T]], from string) (*recall.Source[row[T], *row[T]], error) {
	idp, err := d.number()
	if err != nil || idp == 0 {
		return nil, err
	}
	return &recall.Source[row[T], *row[T]]{SQL: from + `WHERE n.idp = $1 AND n.value = ANY ($2::text[])`, Args: []any{idp}, Scan: scan, Keep: recall.ByID(func(r row[T]) (string, *row[T]) { return r.key, &r })}, nil
}

// lookup reads a resource by id, with those that are worked on together.
func lookup[T any](d *directory, k kind, r *recall.Rows[*row[T]], scan pgx.RowToFunc[row[T]], from, id string) (*row[T], error) {
	src, err := resources(d, scan, from)
	var found *row[T]
	if err == nil {
		found, err = recall.Get(d.Tx, r, d.name, "", pgtext.Key(id), d.subjects.Of(d.name, pgtext.Key(id)), src)
	}
	if err == nil && found == nil {
		err = store.ErrNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("%s %q: %w", k.word, id, err)
	}
	return found, nil
}

func (d *directory) user(id string) (*row[store.User], error) {
	return lookup(d, userKind(), &d.users, scanUser, userFrom, id)
}

func (d *directory) group(id string) (*row[store.Group], error) {
	return lookup(d, groupKind(), &d.groups, scanGroup, groupFrom, id)
}

// ahead reads users and their groups together with the next statement.
func (d *directory) ahead(ids []string) error {
	users, err := resources(d, scanUser, userFrom)
	if err == nil {
		err = recall.Ahead(d.Tx, &d.users, d.name, "", ids, users)
	}
	if err != nil {
		return err
	}
	groups, err := d.groupsOfMembers()
	if err != nil {
		return err
	}
	return recall.Ahead(d.Tx, &d.groupsOf, d.name, "", ids, groups)
}

// forget drops what was read of a resource that changes.
func (d *directory) forget(id string) {
	k := recall.Key{d.name, "", pgtext.Key(id)}
	delete(d.users, k)
	delete(d.groups, k)
	d.groupsOf = nil
}

func (d *directory) User(id string) (store.User, error) {
	r, err := d.user(id)
	if err != nil {
		return store.User{}, err
	}
	u := r.val
	u.Emails, u.Original, u.Attributes = slices.Clone(u.Emails), slices.Clone(u.Original), slices.Clone(u.Attributes)
	return u, nil
}

func (d *directory) Group(id string) (store.Group, error) {
	r, err := d.group(id)
	if err != nil {
		return store.Group{}, err
	}
	g := r.val
	g.Attributes = slices.Clone(g.Attributes)
	return g, nil
}

func (d *directory) Place(id string) (uint64, error) {
	if u, err := d.user(id); err == nil {
		return uint64(u.place), nil
	} else if !errors.Is(err, store.ErrNotFound) {
		return 0, err
	}
	g, err := d.group(id)
	if err != nil {
		return 0, err
	}
	return uint64(g.place), nil
}

func (d *directory) count(k kind) int {
	idp, err := d.idp(d.name)
	if err != nil || idp == 0 {
		return 0
	}
	n, _, _ := one(d.tx, pgx.RowTo[int], `SELECT count(*) FROM `+k.table+` WHERE idp = $1`, idp) // the transaction ends with its error
	return n
}

func (d *directory) UserCount() int  { return d.count(userKind()) }
func (d *directory) GroupCount() int { return d.count(groupKind()) }

func (d *directory) FindUsers(by store.Index, value string) ([]store.User, error) {
	where, value := "", value
	switch by {
	case store.ByUserName:
		where, value = `u.idp = $1 AND u.folded = $2 AND u.folded <> ''`, store.Fold(value)
	case store.ByExternalID:
		where = `u.idp = $1 AND u.external_key = $2 AND u.external_key <> ''`
	case store.ByEmail:
		where, value = `u.id IN (SELECT user_id FROM user_emails WHERE idp = $1 AND folded = $2)`, store.Fold(value)
	default:
		return nil, fmt.Errorf("find users: no index %d", by)
	}
	return found(d, "users", scanUser, userFrom+`WHERE `+where+` ORDER BY u.place`, value)
}

func (d *directory) FindGroups(by store.Index, value string) ([]store.Group, error) {
	where := ""
	switch by {
	case store.ByDisplayName:
		where, value = `g.idp = $1 AND g.folded = $2 AND g.folded <> ''`, store.Fold(value)
	case store.ByExternalID:
		where = `g.idp = $1 AND g.external_key = $2 AND g.external_key <> ''`
	default:
		return nil, fmt.Errorf("find groups: no index %d", by)
	}
	return found(d, "groups", scanGroup, groupFrom+`WHERE `+where+` ORDER BY g.place`, value)
}

func found[T any](d *directory, what string, scan pgx.RowToFunc[row[T]], sql, value string) ([]T, error) {
	idp, err := d.idp(d.name)
	if err == nil && (idp == 0 || value == "") {
		return nil, nil
	}
	var rows []row[T]
	if err == nil {
		rows, err = query(d.tx, scan, sql, idp, pgtext.Key(value))
	}
	if err != nil {
		return nil, fmt.Errorf("find %s: %w", what, err)
	}
	return values(rows, val), nil
}

func (d *directory) Users(from store.From) iter.Seq2[store.User, error] {
	return listed(d, userKind(), from, scanUser, func(u store.User) string { return u.UserName }, userFrom, "u")
}

func (d *directory) Groups(from store.From) iter.Seq2[store.Group, error] {
	return listed(d, groupKind(), from, scanGroup, func(g store.Group) string { return g.DisplayName }, groupFrom, "g")
}

// listed lists in one of the two orders. Skipped resources are counted in the index alone.
func listed[T any](d *directory, k kind, from store.From, scan pgx.RowToFunc[row[T]], nameOf func(T) string, sql, alias string) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var none T
		if from.By != 0 && from.By != k.byName {
			yield(none, fmt.Errorf("list %ss: no order by index %d", k.word, from.By))
			return
		}
		order, place, name, skip := orderOf(k, from), int64(min(from.AfterPlace, math.MaxInt64)), pgtext.Key(from.AfterName), from.Skip
		if from.By == 0 && from.Descending && place == 0 {
			place = math.MaxInt64
		}
		paged("list "+k.word+"s", d.number, val[T], func(idp int32, last *row[T], limit int) ([]row[T], error) {
			if last != nil {
				place, name, skip = last.place, pgtext.Key(store.Fold(nameOf(last.val))), 0
			}
			after := any(place)
			if from.By != 0 {
				after = name
			}
			return query(d.tx, scan, fmt.Sprintf(order, sql, alias), idp, after, limit, skip)
		})(yield)
	}
}

// orderOf is the statement of a list: %[1]s reads the resources, %[2]s is their table in it.
func orderOf(k kind, from store.From) string {
	column, compare, direction := "place", ">", "ASC"
	if from.By != 0 {
		column = "folded"
	}
	after := column + ` ` + compare + ` $2`
	if from.Descending {
		direction, compare = "DESC", "<"
		after = column + ` ` + compare + ` $2`
		if from.By != 0 { // nothing comes before the empty name: it begins at the end
			after = `(` + after + ` OR $2 = '') AND folded <> ''`
		}
	} else if from.By != 0 {
		after += ` AND folded <> ''`
	}
	return `%[1]s WHERE %[2]s.id = ANY (ARRAY (SELECT id FROM ` + k.table + ` WHERE idp = $1 AND ` + after + ` ORDER BY ` + column + ` ` + direction +
		` LIMIT $3 OFFSET $4)) ORDER BY %[2]s.` + column + ` ` + direction
}
