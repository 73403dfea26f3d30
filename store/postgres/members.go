package postgres

import (
	"fmt"
	"iter"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/scimbridge/scimbridge/store"
	"github.com/scimbridge/scimbridge/store/postgres/pgtext"
)

// maxValue is what the port allows for a member value.
const maxValue = 1024

// groupNumber returns the number of an existing group.
func (d *directory) groupNumber(id string) (int64, error) {
	idp, err := d.idp(d.name)
	var n int64
	found := false
	if err == nil && idp != 0 {
		n, found, err = one(d.tx, pgx.RowTo[int64], `SELECT g.id FROM names n JOIN groups g ON g.id = n.id WHERE n.idp = $1 AND n.value = $2`, idp, pgtext.Key(id))
	}
	if err == nil && !found {
		err = store.ErrNotFound
	}
	if err != nil {
		return 0, fmt.Errorf("group %q: %w", id, err)
	}
	return n, nil
}

type numbered struct {
	id    int64
	value string // as in names.value
}

func scanNumbered(r pgx.CollectableRow) (n numbered, err error) {
	err = r.Scan(&n.id, &n.value)
	return n, err
}

// numbersOf returns the numbers of values; a value without one is missing.
func (d *directory) numbersOf(idp int32, keys []string) (map[string]int64, error) {
	list, err := query(d.tx, scanNumbered, `SELECT id, value FROM names WHERE idp = $1 AND value = ANY ($2::text[])`, idp, keys)
	of := make(map[string]int64, len(keys))
	for _, n := range list {
		of[n.value] = n.id
	}
	return of, err
}

// intern numbers the values that have no number.
func (d *directory) intern(idp int32, values, keys []string) (map[string]int64, error) {
	of, err := d.numbersOf(idp, keys)
	if err != nil {
		return nil, err
	}
	var short []string
	var long []*string
	seen := map[string]bool{}
	for i, k := range keys {
		if _, known := of[k]; !known && !seen[k] {
			seen[k] = true
			short, long = append(short, k), append(long, pgtext.Whole(values[i]))
		}
	}
	if len(short) == 0 {
		return of, nil
	}
	list, err := query(d.tx, scanNumbered, `INSERT INTO names (idp, value, whole)
		SELECT $1, value, whole FROM unnest($2::text[], $3::text[]) WITH ORDINALITY AS v (value, whole, ordinal) ORDER BY ordinal RETURNING id, value`, idp, short, long)
	for _, n := range list {
		of[n.value] = n.id
	}
	return of, err
}

func keysOf(values []string) []string {
	keys := make([]string, len(values))
	for i, v := range values {
		keys[i] = pgtext.Key(v)
	}
	return keys
}

func (d *directory) AddMembers(group string, values ...string) ([]string, error) {
	d.write()
	for _, v := range values {
		if len(v) > maxValue {
			return nil, fmt.Errorf("add members: value of %d bytes, over %d", len(v), maxValue)
		}
	}
	added, err := d.change(group, values, `INSERT INTO memberships (grp, member) SELECT $1, unnest($2::int8[]) ON CONFLICT DO NOTHING RETURNING member`, d.intern, 1)
	if err != nil {
		return nil, fmt.Errorf("add members: %w", err)
	}
	return added, nil
}

func (d *directory) RemoveMembers(group string, values ...string) ([]string, error) {
	d.write()
	known := func(idp int32, _, keys []string) (map[string]int64, error) { return d.numbersOf(idp, keys) }
	removed, err := d.change(group, values, `DELETE FROM memberships WHERE grp = $1 AND member = ANY ($2::int8[]) RETURNING member`, known, -1)
	if err != nil {
		return nil, fmt.Errorf("remove members: %w", err)
	}
	return removed, nil
}

// change adds or removes memberships. The number of statements does not depend on how many they are.
func (d *directory) change(group string, values []string, sql string, numbers func(idp int32, values, keys []string) (map[string]int64, error), sign int) ([]string, error) {
	g, err := d.groupNumber(group)
	if err != nil || len(values) == 0 {
		return nil, err
	}
	idp, err := d.idp(d.name)
	if err != nil {
		return nil, err
	}
	keys := keysOf(values)
	of, err := numbers(idp, values, keys)
	if err != nil {
		return nil, err
	}
	ids := make([]int64, 0, len(of))
	for _, id := range of {
		ids = append(ids, id)
	}
	if len(ids) == 0 {
		return nil, nil
	}
	slices.Sort(ids) // transactions that lock in one order cannot deadlock
	done, err := query(d.tx, pgx.RowTo[int64], sql, g, ids)
	if err != nil || len(done) == 0 {
		return nil, err
	}
	if _, err := d.exec(`UPDATE groups SET members = members + $2 WHERE id = $1`, g, sign*len(done)); err != nil {
		return nil, err
	}
	return inOrder(values, keys, of, done), nil
}

// inOrder returns the values whose numbers are in done, each once, in the order of the arguments.
func inOrder(values, keys []string, of map[string]int64, done []int64) []string {
	did := make(map[int64]bool, len(done))
	for _, n := range done {
		did[n] = true
	}
	out := make([]string, 0, len(done))
	for i, v := range values {
		if n, ok := of[keys[i]]; ok && did[n] {
			did[n] = false
			out = append(out, v)
		}
	}
	return out
}

// leaveAll removes the member from all its groups.
func (d *directory) leaveAll(member int64) error {
	_, err := d.exec(`WITH gone AS (DELETE FROM memberships WHERE member = $1 RETURNING grp)
		UPDATE groups SET members = members - 1 WHERE id IN (SELECT grp FROM gone)`, member)
	return err
}

func (d *directory) IsMember(group, value string) (bool, error) {
	g, err := d.groupNumber(group)
	if err != nil {
		return false, fmt.Errorf("is member: %w", err)
	}
	idp, err := d.idp(d.name)
	if err != nil {
		return false, fmt.Errorf("is member: %w", err)
	}
	_, in, err := one(d.tx, pgx.RowTo[int64], `SELECT m.member FROM names n JOIN memberships m ON m.grp = $3 AND m.member = n.id WHERE n.idp = $1 AND n.value = $2`, idp, pgtext.Key(value), g)
	return in, err
}

// Members lists in the order in which the directory first had the values.
func (d *directory) Members(group string) iter.Seq2[store.Member, error] {
	type member struct {
		store.Member
		id int64
	}
	return func(yield func(store.Member, error) bool) {
		g, err := d.groupNumber(group)
		if err != nil {
			yield(store.Member{}, fmt.Errorf("members: %w", err))
			return
		}
		list := pages(func(last *member, limit int) ([]member, error) {
			after := int64(0)
			if last != nil {
				after = last.id
			}
			return query(d.tx, func(r pgx.CollectableRow) (m member, err error) {
				var kind int
				err = r.Scan(&m.id, &m.Value, &kind)
				m.Value, m.User, m.Group = pgtext.Plain(m.Value), kind&kindUser != 0, kind&kindGroup != 0
				return m, err
			}, membersPage, g, after, limit)
		})
		for m, err := range list {
			if err != nil {
				err = fmt.Errorf("members of group %q: %w", group, err)
			}
			if !yield(m.Member, err) {
				return
			}
		}
	}
}

const membersPage = `SELECT m.member, coalesce(n.whole, n.value), n.kind FROM memberships m JOIN names n ON n.id = m.member
	WHERE m.grp = $1 AND m.member > $2 ORDER BY m.member LIMIT $3`

func (d *directory) MemberCount(group string) (int, error) {
	idp, err := d.idp(d.name)
	n, found := 0, false
	if err == nil && idp != 0 {
		n, found, err = one(d.tx, pgx.RowTo[int], `SELECT g.members FROM names n JOIN groups g ON g.id = n.id WHERE n.idp = $1 AND n.value = $2`, idp, pgtext.Key(group))
	}
	if err == nil && !found {
		err = store.ErrNotFound
	}
	if err != nil {
		return 0, fmt.Errorf("member count of group %q: %w", group, err)
	}
	return n, nil
}

func (d *directory) GroupsOf(member string) iter.Seq2[store.Group, error] {
	return func(yield func(store.Group, error) bool) {
		idp, err := d.idp(d.name)
		if err != nil {
			yield(store.Group{}, fmt.Errorf("groups of %q: %w", member, err))
		}
		if err != nil || idp == 0 {
			return
		}
		list := pages(func(last *row[store.Group], limit int) ([]row[store.Group], error) {
			after := int64(0)
			if last != nil {
				after = last.id
			}
			return query(d.tx, scanGroup, groupsOfPage, idp, pgtext.Key(member), after, limit)
		})
		for g, err := range list {
			if err != nil {
				err = fmt.Errorf("groups of %q: %w", member, err)
			}
			if !yield(g.val, err) {
				return
			}
		}
	}
}

const groupsOfPage = `SELECT ` + groupColumns + ` FROM memberships m JOIN groups g ON g.id = m.grp JOIN names n ON n.id = g.id
	WHERE m.member = (SELECT id FROM names WHERE idp = $1 AND value = $2) AND m.grp > $3 ORDER BY m.grp LIMIT $4`
