package postgres

import (
	"fmt"
	"iter"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/scimbridge/scimbridge/store"
	"github.com/scimbridge/scimbridge/store/postgres/pgtext"
	"github.com/scimbridge/scimbridge/store/postgres/pgtx"
	"github.com/scimbridge/scimbridge/store/postgres/recall"
)

// maxValue is what the port allows for a member value.
const maxValue = 1024

// groupNumber returns the number of an existing group.
func (d *directory) groupNumber(id string) (int64, error) {
	if g := d.groups[recall.Key{d.name, "", pgtext.Key(id)}]; g != nil {
		return g.id, nil
	}
	n, err := ofGroup[int64](d, `g.id`, id)
	if err != nil {
		return 0, fmt.Errorf("group %q: %w", id, err)
	}
	return n, nil
}

// ofGroup reads a column of a group.
func ofGroup[T any](d *directory, column, id string) (value T, err error) {
	idp, err := d.number()
	found := false
	if err == nil && idp != 0 {
		value, found, err = one(d.tx, pgx.RowTo[T], `SELECT `+column+` FROM names n JOIN groups g ON g.id = n.id WHERE n.idp = $1 AND n.value = $2`, idp, pgtext.Key(id))
	}
	if err == nil && !found {
		err = store.ErrNotFound
	}
	return value, err
}

func keysOf(values []string) []string {
	keys := make([]string, len(values))
	for i, v := range values {
		keys[i] = pgtext.Key(v)
	}
	return keys
}

const (
	// addMembers numbers the values without a number in their order. It returns the numbers of all values,
	// and those that became members. A join would compare each value with each name.
	addMembers = `WITH given AS (SELECT value, whole, ordinal, (SELECT id FROM names WHERE idp = $2 AND names.value = v.value) AS id
			FROM unnest($3::text[], $4::text[]) WITH ORDINALITY AS v (value, whole, ordinal)),
		known AS (SELECT id, value FROM given WHERE id IS NOT NULL),
		fresh AS (INSERT INTO names (idp, value, whole) SELECT $2, value, whole FROM given WHERE id IS NULL ORDER BY ordinal RETURNING id, value),
		done AS (INSERT INTO memberships (grp, member) SELECT $1, id FROM (SELECT id FROM known UNION ALL SELECT id FROM fresh) AS m ORDER BY id
			ON CONFLICT DO NOTHING RETURNING member),
		counted AS (UPDATE groups SET members = members + (SELECT count(*) FROM done) WHERE id = $1 AND EXISTS (SELECT FROM done))
		SELECT id, value, false FROM known UNION ALL SELECT id, value, false FROM fresh UNION ALL SELECT member, '', true FROM done`
	// removeMembers returns the numbers of the values, and those that were members.
	removeMembers = `WITH known AS (SELECT id, value FROM names WHERE idp = $2 AND value = ANY ($3::text[])),
		done AS (DELETE FROM memberships WHERE grp = $1 AND member = ANY (ARRAY (SELECT id FROM known ORDER BY id)) RETURNING member),
		counted AS (UPDATE groups SET members = members - (SELECT count(*) FROM done) WHERE id = $1 AND EXISTS (SELECT FROM done))
		SELECT id, value, false FROM known UNION ALL SELECT member, '', true FROM done`
)

func (d *directory) AddMembers(group string, values ...string) ([]string, error) {
	for _, v := range values {
		if len(v) > maxValue {
			return nil, fmt.Errorf("add members: value of %d bytes, over %d", len(v), maxValue)
		}
	}
	added, err := d.change(group, values, func(g int64, idp int32, values, keys []string) ([]numbered, error) {
		wholes := make([]*string, len(values))
		for i, v := range values {
			wholes[i] = pgtext.Whole(v)
		}
		return query(d.tx, scanNumbered, addMembers, g, idp, keys, wholes)
	})
	if err != nil {
		return nil, fmt.Errorf("add members: %w", err)
	}
	return added, nil
}

func (d *directory) RemoveMembers(group string, values ...string) ([]string, error) {
	removed, err := d.change(group, values, func(g int64, idp int32, _, keys []string) ([]numbered, error) {
		return query(d.tx, scanNumbered, removeMembers, g, idp, keys)
	})
	if err != nil {
		return nil, fmt.Errorf("remove members: %w", err)
	}
	return removed, nil
}

// numbered is the number of a value, or of a membership that was added or removed.
type numbered struct {
	id    int64
	value string // as in names.value
	done  bool
}

func scanNumbered(r pgx.CollectableRow) (n numbered, err error) {
	err = r.Scan(&n.id, &n.value, &n.done)
	return n, err
}

// change adds or removes memberships in one statement, and returns the values of those that it changed.
// Rows are locked in the order of their numbers: transactions that lock in one order cannot deadlock.
func (d *directory) change(group string, values []string, do func(g int64, idp int32, values, keys []string) ([]numbered, error)) ([]string, error) {
	d.MustWrite()
	g, err := d.groupNumber(group)
	if err != nil || len(values) == 0 {
		return nil, err
	}
	idp, err := d.number()
	if err != nil {
		return nil, err
	}
	d.groupsOf = nil
	seen := map[string]bool{}
	values = slices.DeleteFunc(slices.Clone(values), func(v string) bool {
		again := seen[v]
		seen[v] = true
		return again
	})
	keys := keysOf(values)
	list, err := do(g, idp, values, keys)
	number, done := map[string]int64{}, map[int64]bool{}
	for _, n := range list {
		if n.done {
			done[n.id] = true
		} else {
			number[n.value] = n.id
		}
	}
	var changed []string
	for i, v := range values {
		if done[number[keys[i]]] {
			changed = append(changed, v)
		}
	}
	return changed, err
}

// leaveAll removes the member from all its groups.
func (d *directory) leaveAll(member int64) error {
	return d.Later(`WITH gone AS (DELETE FROM memberships WHERE member = $1 RETURNING grp)
		UPDATE groups SET members = members - 1 WHERE id IN (SELECT grp FROM gone)`, member)
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
		pgtx.Pages(fmt.Sprintf("members of group %q", group), func(m member) store.Member { return m.Member }, func(last *member, limit int) ([]member, error) {
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
		})(yield)
	}
}

const membersPage = `SELECT m.member, coalesce(n.whole, n.value), n.kind FROM memberships m JOIN names n ON n.id = m.member
	WHERE m.grp = $1 AND m.member > $2 ORDER BY m.member LIMIT $3`

func (d *directory) MemberCount(group string) (int, error) {
	n, err := ofGroup[int](d, `g.members`, group)
	if err != nil {
		return 0, fmt.Errorf("member count of group %q: %w", group, err)
	}
	return n, nil
}

// GroupsOf reads the groups of the users that are worked on together.
func (d *directory) GroupsOf(member string) iter.Seq2[store.Group, error] {
	return func(yield func(store.Group, error) bool) {
		k, doing := pgtext.Key(member), fmt.Sprintf("groups of %q", member)
		src, err := d.groupsOfMembers()
		var groups *[]store.Group
		if err == nil {
			groups, err = recall.Get(d.Tx, &d.groupsOf, d.name, "", k, d.subjects.Of(d.name, k), src)
		}
		if err != nil {
			yield(store.Group{}, fmt.Errorf("%s: %w", doing, err))
			return
		}
		if groups == nil {
			paged(doing, d.number, val, func(idp int32, last *row[store.Group], limit int) ([]row[store.Group], error) {
				after := int64(0)
				if last != nil {
					after = last.id
				}
				return query(d.tx, scanGroup, groupsOfPage, idp, k, after, limit)
			})(yield)
			return
		}
		for _, g := range *groups {
			g.Attributes = slices.Clone(g.Attributes)
			if !yield(g, nil) {
				return
			}
		}
	}
}

// membership is a group of a member.
type membership struct {
	group  row[store.Group]
	member string
}

// groupsOfMembers reads the groups of members; nil for one that has many.
func (d *directory) groupsOfMembers() (*recall.Source[membership, *[]store.Group], error) {
	idp, err := d.number()
	if err != nil || idp == 0 {
		return nil, err
	}
	scan := func(r pgx.CollectableRow) (m membership, err error) {
		m.group, err = scanGroup(prefixed{r, &m.member})
		return m, err
	}
	return &recall.Source[membership, *[]store.Group]{SQL: groupsOfEach, Args: []any{idp}, Scan: scan, Keep: func(ids []string, list []membership) map[string]*[]store.Group {
		found := map[string]*[]store.Group{}
		for _, id := range ids {
			found[id] = &[]store.Group{}
		}
		for _, m := range list {
			*found[m.member] = append(*found[m.member], m.group.val)
		}
		for id, groups := range found {
			if len(*groups) == manyGroups {
				found[id] = nil
			}
		}
		return found
	}}, nil
}

// prefixed is a row with a column before those that a function scans.
type prefixed struct {
	pgx.CollectableRow
	first any
}

// Scan implements pgx.CollectableRow.
func (p prefixed) Scan(rest ...any) error {
	return p.CollectableRow.Scan(append([]any{p.first}, rest...)...)
}

// manyGroups is the number of groups of a member that are read page by page: see groupsOfEach.
const manyGroups = 101

const (
	groupsOfPage = `SELECT ` + groupColumns + ` FROM memberships m JOIN groups g ON g.id = m.grp JOIN names n ON n.id = g.id
		WHERE m.member = (SELECT id FROM names WHERE idp = $1 AND value = $2) AND m.grp > $3 ORDER BY m.grp LIMIT $4`
	groupsOfEach = `SELECT v.value, g.* FROM unnest($2::text[]) AS v (value) CROSS JOIN LATERAL (SELECT ` + groupColumns + `
		FROM memberships m JOIN groups g ON g.id = m.grp JOIN names n ON n.id = g.id
		WHERE m.member = (SELECT id FROM names WHERE idp = $1 AND value = v.value) ORDER BY m.grp LIMIT 101) AS g`
)
