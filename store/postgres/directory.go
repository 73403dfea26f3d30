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
)

type directory struct {
	*tx
	name string
}

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
}

// userColumns and groupColumns are read by scanUser and scanGroup, of tables u or g and n, their names.
const (
	userColumns = `u.id, u.place, coalesce(n.whole, n.value), u.user_name, u.external_id, u.active, u.attributes, u.version, u.created, u.modified, u.original,
		array(SELECT address FROM user_emails e WHERE e.user_id = u.id ORDER BY ordinal)`
	groupColumns = `g.id, g.place, coalesce(n.whole, n.value), g.display_name, g.external_id, g.attributes, g.version, g.created, g.modified`
)

func scanUser(r pgx.CollectableRow) (u row[store.User], err error) {
	var version int64
	var created, modified *int64
	v := &u.val
	err = r.Scan(&u.id, &u.place, &v.ID, &v.UserName, &v.ExternalID, &v.Active, &v.Attributes, &version, &created, &modified, &v.Original, &v.Emails)
	v.ID, v.UserName, v.ExternalID, v.Emails = pgtext.Plain(v.ID), pgtext.Plain(v.UserName), pgtext.Plain(v.ExternalID), pgtext.Plains(v.Emails)
	v.Original = pgtext.Plains(v.Original)
	v.Version, v.Created, v.Modified = uint64(version), pgtext.Moment(created), pgtext.Moment(modified)
	return u, err
}

func scanGroup(r pgx.CollectableRow) (g row[store.Group], err error) {
	var version int64
	var created, modified *int64
	v := &g.val
	err = r.Scan(&g.id, &g.place, &v.ID, &v.DisplayName, &v.ExternalID, &v.Attributes, &version, &created, &modified)
	v.ID, v.DisplayName, v.ExternalID = pgtext.Plain(v.ID), pgtext.Plain(v.DisplayName), pgtext.Plain(v.ExternalID)
	v.Version, v.Created, v.Modified = uint64(version), pgtext.Moment(created), pgtext.Moment(modified)
	return g, err
}

func values[T any](rows []row[T]) []T {
	var out []T
	for _, r := range rows {
		out = append(out, r.val)
	}
	return out
}

const userFrom = `SELECT ` + userColumns + ` FROM names n JOIN users u ON u.id = n.id `
const groupFrom = `SELECT ` + groupColumns + ` FROM names n JOIN groups g ON g.id = n.id `

// lookup reads a resource by id.
func lookup[T any](d *directory, k kind, scan pgx.RowToFunc[row[T]], sql, id string) (row[T], error) {
	idp, err := d.idp(d.name)
	var r row[T]
	found := false
	if err == nil && idp != 0 {
		r, found, err = one(d.tx, scan, sql, idp, pgtext.Key(id))
	}
	if err == nil && !found {
		err = store.ErrNotFound
	}
	if err != nil {
		return row[T]{}, fmt.Errorf("%s %q: %w", k.word, id, err)
	}
	return r, nil
}

func (d *directory) user(id string) (row[store.User], error) {
	return lookup(d, userKind(), scanUser, userFrom+`WHERE n.idp = $1 AND n.value = $2`, id)
}

func (d *directory) group(id string) (row[store.Group], error) {
	return lookup(d, groupKind(), scanGroup, groupFrom+`WHERE n.idp = $1 AND n.value = $2`, id)
}

func (d *directory) User(id string) (store.User, error) {
	r, err := d.user(id)
	return r.val, err
}

func (d *directory) Group(id string) (store.Group, error) {
	r, err := d.group(id)
	return r.val, err
}

func (d *directory) Place(id string) (uint64, error) {
	u, err := d.user(id)
	if !errors.Is(err, store.ErrNotFound) {
		return uint64(u.place), err
	}
	g, err := d.group(id)
	return uint64(g.place), err
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
	return values(rows), nil
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
		idp, err := d.idp(d.name)
		if err != nil {
			yield(none, fmt.Errorf("list %ss: %w", k.word, err))
		}
		if err != nil || idp == 0 {
			return
		}
		order, place, name, skip := orderOf(k, from), int64(min(from.AfterPlace, math.MaxInt64)), pgtext.Key(from.AfterName), from.Skip
		if from.By == 0 && from.Descending && place == 0 {
			place = math.MaxInt64
		}
		list := pages(func(last *row[T], limit int) ([]row[T], error) {
			if last != nil {
				place, name, skip = last.place, pgtext.Key(store.Fold(nameOf(last.val))), 0
			}
			after := any(place)
			if from.By != 0 {
				after = name
			}
			return query(d.tx, scan, fmt.Sprintf(order, sql, alias), idp, after, limit, skip)
		})
		for r, err := range list {
			if err != nil {
				err = fmt.Errorf("list %ss: %w", k.word, err)
			}
			if !yield(r.val, err) {
				return
			}
		}
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

func (d *directory) PutUser(u store.User) error {
	d.write()
	if u.ID == "" {
		return errors.New("put user: no id")
	}
	folded := pgtext.Key(store.Fold(u.UserName))
	idp, id, emails, err := d.place(userKind(), u.ID, folded, `array(SELECT address FROM user_emails e WHERE e.user_id = o.id ORDER BY ordinal)`)
	if err != nil {
		return fmt.Errorf("put user %q: %w", u.ID, err)
	}
	args := []any{id, idp, u.Active, int64(u.Version), pgtext.Nanos(u.Created), pgtext.Nanos(u.Modified), pgtext.Text(u.UserName), folded, pgtext.Text(u.ExternalID), pgtext.Key(u.ExternalID), attributes(u.Attributes), pgtext.Texts(u.Original)}
	_, err = d.exec(`INSERT INTO users (id, idp, active, version, created, modified, user_name, folded, external_id, external_key, attributes, original)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
		ON CONFLICT (id) DO UPDATE SET active = $3, version = $4, created = $5, modified = $6, user_name = $7, folded = $8, external_id = $9, external_key = $10, attributes = $11, original = $12`, args...)
	if err == nil && !slices.Equal(emails, pgtext.Texts(u.Emails)) {
		err = d.putEmails(idp, id, len(emails), u.Emails)
	}
	if err != nil {
		return fmt.Errorf("put user %q: %w", u.ID, err)
	}
	return nil
}

func (d *directory) putEmails(idp int32, id int64, before int, emails []string) error {
	if before > 0 {
		if _, err := d.exec(`DELETE FROM user_emails WHERE user_id = $1`, id); err != nil {
			return err
		}
	}
	if len(emails) == 0 {
		return nil
	}
	folded := make([]string, len(emails))
	for i, m := range emails {
		folded[i] = pgtext.Key(store.Fold(m))
	}
	_, err := d.exec(`INSERT INTO user_emails (user_id, idp, ordinal, address, folded)
		SELECT $1, $2, ordinal, address, folded FROM unnest($3::text[], $4::text[]) WITH ORDINALITY AS e (address, folded, ordinal)`, id, idp, pgtext.Texts(emails), folded)
	return err
}

func (d *directory) PutGroup(g store.Group) error {
	d.write()
	if g.ID == "" {
		return errors.New("put group: no id")
	}
	folded := pgtext.Key(store.Fold(g.DisplayName))
	idp, id, _, err := d.place(groupKind(), g.ID, folded, `'{}'::text[]`)
	if err == nil {
		_, err = d.exec(`INSERT INTO groups (id, idp, version, created, modified, display_name, folded, external_id, external_key, attributes)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
			ON CONFLICT (id) DO UPDATE SET version = $3, created = $4, modified = $5, display_name = $6, folded = $7, external_id = $8, external_key = $9, attributes = $10`,
			id, idp, int64(g.Version), pgtext.Nanos(g.Created), pgtext.Nanos(g.Modified), pgtext.Text(g.DisplayName), folded, pgtext.Text(g.ExternalID), pgtext.Key(g.ExternalID), attributes(g.Attributes))
	}
	if err != nil {
		return fmt.Errorf("put group %q: %w", g.ID, err)
	}
	return nil
}

// attributes keeps the text as it is: the type json does.
func attributes(a []byte) *string {
	if len(a) == 0 {
		return nil
	}
	s := string(a)
	return &s
}

// place numbers a resource before it is put, if its folded name is free, and reads a column of the existing row.
func (d *directory) place(k kind, id, folded, column string) (idp int32, number int64, before []string, err error) {
	if idp, err = d.makeIdP(d.name); err != nil {
		return 0, 0, nil, err
	}
	type state struct {
		id, other *int64
		kind      int
		before    []string
	}
	s, _, err := one(d.tx, func(r pgx.CollectableRow) (s state, err error) {
		err = r.Scan(&s.id, &s.kind, &s.other, &s.before)
		return s, err
	}, `SELECT n.id, coalesce(n.kind, 0), (SELECT id FROM `+k.table+` WHERE idp = $1 AND folded = $3 AND folded <> ''), `+column+`
		FROM (SELECT 1) AS always LEFT JOIN names n ON n.idp = $1 AND n.value = $2 LEFT JOIN `+k.table+` o ON o.id = n.id`, idp, pgtext.Key(id), folded)
	switch {
	case err != nil:
		return 0, 0, nil, err
	case s.other != nil && (s.id == nil || *s.other != *s.id):
		return 0, 0, nil, store.ErrConflict
	case s.id != nil && s.kind&k.bit != 0:
		return idp, *s.id, s.before, nil
	}
	number, _, err = one(d.tx, pgx.RowTo[int64], `INSERT INTO names (idp, value, whole, kind) VALUES ($1, $2, $3, $4)
		ON CONFLICT (idp, value) DO UPDATE SET kind = names.kind | excluded.kind RETURNING id`, idp, pgtext.Key(id), pgtext.Whole(id), k.bit)
	return idp, number, s.before, err
}

func (d *directory) DeleteUser(id string) error {
	d.write()
	u, err := d.user(id)
	if err == nil {
		err = d.leaveAll(u.id)
	}
	if err == nil {
		err = d.remove(userKind(), u.id)
	}
	if err != nil {
		return fmt.Errorf("delete: %w", err)
	}
	return nil
}

func (d *directory) DeleteGroup(id string) error {
	d.write()
	g, err := d.group(id)
	if err == nil {
		_, err = d.exec(`DELETE FROM memberships WHERE grp = $1`, g.id)
	}
	if err == nil {
		err = d.leaveAll(g.id)
	}
	if err == nil {
		err = d.remove(groupKind(), g.id)
	}
	if err != nil {
		return fmt.Errorf("delete: %w", err)
	}
	return nil
}

// remove deletes the resource and keeps its name: the audit trail refers to it, and it may become a member again.
func (d *directory) remove(k kind, id int64) error {
	if _, err := d.exec(`DELETE FROM `+k.table+` WHERE id = $1`, id); err != nil {
		return err
	}
	_, err := d.exec(`UPDATE names SET kind = kind & ~$2::int2 WHERE id = $1`, id, k.bit)
	return err
}
