package postgres

import (
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/scimbridge/scimbridge/store"
	"github.com/scimbridge/scimbridge/store/postgres/pgtext"
)

// Existing implements store.Directory.
func (d *directory) Existing(ids ...string) ([]string, error) {
	idp, err := d.idp(d.name)
	if err != nil || idp == 0 || len(ids) == 0 {
		return nil, err
	}
	found, err := query(d.tx, pgx.RowTo[string], `SELECT coalesce(whole, value) FROM names
		WHERE idp = $1 AND value = ANY ($2::text[]) AND kind <> 0`, idp, keysOf(ids))
	if err != nil {
		return nil, fmt.Errorf("existing ids: %w", err)
	}
	return pgtext.Plains(found), nil
}

// UnknownMembers implements store.Directory.
func (d *directory) UnknownMembers() ([]store.UnknownMembers, error) {
	idp, err := d.idp(d.name)
	if err != nil || idp == 0 {
		return nil, err
	}
	out, err := query(d.tx, func(r pgx.CollectableRow) (u store.UnknownMembers, err error) {
		err = r.Scan(&u.Group, &u.Count)
		u.Group = pgtext.Plain(u.Group)
		return u, err
	}, unknownMembers, idp)
	if err != nil {
		return nil, fmt.Errorf("unknown members: %w", err)
	}
	return out, nil
}

// unknownMembers reads the names in the order of their numbers, which is that of the table, and the
// memberships of each name without a resource.
const unknownMembers = `SELECT coalesce(g.whole, g.value), u.members FROM (
		SELECT m.grp, count(*) AS members FROM (SELECT id FROM names WHERE idp = $1 AND kind = 0 ORDER BY id) AS n
			JOIN memberships m ON m.member = n.id GROUP BY m.grp
	) AS u JOIN names g ON g.id = u.grp`
