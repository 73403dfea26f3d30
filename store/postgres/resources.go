package postgres

import (
	"errors"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/scimbridge/scimbridge/store"
	"github.com/scimbridge/scimbridge/store/postgres/pgtext"
	"github.com/scimbridge/scimbridge/store/postgres/recall"
)

func (d *directory) PutUser(u store.User) error {
	d.MustWrite()
	if u.ID == "" {
		return errors.New("put user: no id")
	}
	folded := pgtext.Key(store.Fold(u.UserName))
	idp, id, emails, err := d.placeUser(u.ID, folded)
	if err != nil {
		return fmt.Errorf("put user %q: %w", u.ID, err)
	}
	d.forget(u.ID)
	args := []any{id, idp, u.Active, int64(u.Version), pgtext.Nanos(u.Created), pgtext.Nanos(u.Modified), pgtext.Text(u.UserName), folded, pgtext.Text(u.ExternalID), pgtext.Key(u.ExternalID), attributes(u.Attributes), pgtext.Texts(u.Original)}
	err = d.Later(`INSERT INTO users (id, idp, active, version, created, modified, user_name, folded, external_id, external_key, attributes, original)
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

// placeUser is place, from what was read of a user who keeps the name.
func (d *directory) placeUser(id, folded string) (idp int32, number int64, emails []string, err error) {
	if u := d.users[recall.Key{d.name, "", pgtext.Key(id)}]; u != nil && pgtext.Key(store.Fold(u.val.UserName)) == folded {
		idp, err = d.number()
		return idp, u.id, pgtext.Texts(u.val.Emails), err
	}
	return d.place(userKind(), id, folded, `array(SELECT address FROM user_emails e WHERE e.user_id = o.id ORDER BY ordinal)`)
}

// placeGroup is place, from what was read of a group that keeps the name.
func (d *directory) placeGroup(id, folded string) (idp int32, number int64, err error) {
	if g := d.groups[recall.Key{d.name, "", pgtext.Key(id)}]; g != nil && pgtext.Key(store.Fold(g.val.DisplayName)) == folded {
		idp, err = d.number()
		return idp, g.id, err
	}
	idp, number, _, err = d.place(groupKind(), id, folded, `'{}'::text[]`)
	return idp, number, err
}

func (d *directory) putEmails(idp int32, id int64, before int, emails []string) error {
	if before > 0 {
		if err := d.Later(`DELETE FROM user_emails WHERE user_id = $1`, id); err != nil {
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
	return d.Later(`INSERT INTO user_emails (user_id, idp, ordinal, address, folded)
		SELECT $1, $2, ordinal, address, folded FROM unnest($3::text[], $4::text[]) WITH ORDINALITY AS e (address, folded, ordinal)`, id, idp, pgtext.Texts(emails), folded)
}

func (d *directory) PutGroup(g store.Group) error {
	d.MustWrite()
	if g.ID == "" {
		return errors.New("put group: no id")
	}
	folded := pgtext.Key(store.Fold(g.DisplayName))
	idp, id, err := d.placeGroup(g.ID, folded)
	if err == nil {
		d.forget(g.ID)
		err = d.Later(`INSERT INTO groups (id, idp, version, created, modified, display_name, folded, external_id, external_key, attributes)
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
	d.MustWrite()
	u, err := d.user(id)
	if err == nil {
		d.forget(id)
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
	d.MustWrite()
	g, err := d.group(id)
	if err == nil {
		d.forget(id)
		err = d.Later(`DELETE FROM memberships WHERE grp = $1`, g.id)
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
	if err := d.Later(`DELETE FROM `+k.table+` WHERE id = $1`, id); err != nil {
		return err
	}
	return d.Later(`UPDATE names SET kind = kind & ~$2::int2 WHERE id = $1`, id, k.bit)
}
