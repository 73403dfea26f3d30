package bolt

import (
	"errors"
	"fmt"
	"iter"
	"slices"

	"github.com/scimbridge/scimbridge/store"
)

// splitHead separates the typed fields of a resource from its attributes: the former become strings, the latter
// are copied once.
func splitHead(key, payload []byte) (*decoder, []byte, error) {
	if len(payload) < 4 {
		return nil, nil, fmt.Errorf("record %x: %w", key, store.ErrDamaged)
	}
	n := int(uint32(toNumber(payload)))
	payload = payload[4:]
	if n < 0 || n > len(payload) {
		return nil, nil, fmt.Errorf("record %x: %w", key, store.ErrDamaged)
	}
	return &decoder{s: string(payload[:n])}, cloneRaw(payload[n:]), nil
}

// sealHead is the other direction.
func sealHead(key []byte, attributes []byte, head func(*encoder)) []byte {
	e := newRecord(256 + len(attributes))
	e.raw([]byte{0, 0, 0, 0})
	head(e)
	copy(e.b[sealSize:], number(len(e.b)-sealSize-4).key())
	e.raw(attributes)
	return e.seal(key)
}

func encodeUser(key []byte, r row[store.User]) []byte {
	u := r.val
	return sealHead(key, u.Attributes, func(e *encoder) {
		e.uint(r.order)
		e.string(u.ID)
		e.string(u.UserName)
		e.string(u.ExternalID)
		e.uint(uint64(len(u.Emails)))
		for _, m := range u.Emails {
			e.string(m)
		}
		e.bool(u.Active)
		e.uint(u.Version)
		e.time(u.Created)
		e.time(u.Modified)
		if len(u.Original) > 0 { // a record without it is as it was before there was any
			e.uint(uint64(len(u.Original)))
			for _, v := range u.Original {
				e.string(v)
			}
		}
	})
}

func decodeUser(key, payload []byte) (r row[store.User], err error) {
	d, attributes, err := splitHead(key, payload)
	if err != nil {
		return r, err
	}
	u := &r.val
	r.order = d.uint()
	u.ID, u.UserName, u.ExternalID = d.string(), d.string(), d.string()
	if n := d.length(); n > 0 {
		u.Emails = make([]string, n)
		for i := range u.Emails {
			u.Emails[i] = d.string()
		}
	}
	u.Active, u.Version = d.bool(), d.uint()
	u.Created, u.Modified = d.time(), d.time()
	if d.more() {
		u.Original = make([]string, d.length())
		for i := range u.Original {
			u.Original[i] = d.string()
		}
	}
	u.Attributes = attributes
	return r, d.end(key)
}

func encodeGroup(key []byte, r row[store.Group]) []byte {
	g := r.val
	return sealHead(key, g.Attributes, func(e *encoder) {
		e.uint(r.order)
		e.string(g.ID)
		e.string(g.DisplayName)
		e.string(g.ExternalID)
		e.uint(g.Version)
		e.time(g.Created)
		e.time(g.Modified)
	})
}

func decodeGroup(key, payload []byte) (r row[store.Group], err error) {
	d, attributes, err := splitHead(key, payload)
	if err != nil {
		return r, err
	}
	g := &r.val
	r.order = d.uint()
	g.ID, g.DisplayName, g.ExternalID = d.string(), d.string(), d.string()
	g.Version = d.uint()
	g.Created, g.Modified = d.time(), d.time()
	g.Attributes = attributes
	return r, d.end(key)
}

func (d *directory) readUser(n number) (row[store.User], error) {
	payload, err := recordOf(d.bucket(dirUsers), n.key())
	if err != nil {
		return row[store.User]{}, err
	}
	return decodeUser(n.key(), payload)
}

func (d *directory) readGroup(n number) (row[store.Group], error) {
	payload, err := recordOf(d.bucket(dirGroups), n.key())
	if err != nil {
		return row[store.Group]{}, err
	}
	return decodeGroup(n.key(), payload)
}

func userIndex(u store.User, n number) index {
	var x index
	x.unique(dirUserNames, store.Fold(u.UserName))
	x.many(dirUserExtIDs, u.ExternalID, n)
	for _, m := range u.Emails {
		x.many(dirEmails, store.Fold(m), n)
	}
	return x
}

func groupIndex(g store.Group, n number) index {
	var x index
	x.unique(dirGroupNames, store.Fold(g.DisplayName))
	x.many(dirGroupExtID, g.ExternalID, n)
	return x
}

func (d *directory) User(id string) (store.User, error) {
	_, r, err := lookup(d, userKind(), id, d.readUser)
	return r.val, err
}

func (d *directory) Users(from store.From) iter.Seq2[store.User, error] {
	return list(d, userKind(), from, d.readUser)
}

func (d *directory) Place(id string) (uint64, error) {
	_, u, err := lookup(d, userKind(), id, d.readUser)
	if !isMissing(err) {
		return u.order, err
	}
	_, g, err := lookup(d, groupKind(), id, d.readGroup)
	return g.order, err
}

func (d *directory) UserCount() int { return d.count(countUsers) }

func (d *directory) FindUsers(by store.Index, value string) ([]store.User, error) {
	var bucket string
	var has func(store.User) bool
	switch by {
	case store.ByUserName:
		bucket, value = dirUserNames, store.Fold(value)
		has = func(u store.User) bool { return store.Fold(u.UserName) == value }
	case store.ByExternalID:
		bucket = dirUserExtIDs
		has = func(u store.User) bool { return u.ExternalID == value }
	case store.ByEmail:
		bucket, value = dirEmails, store.Fold(value)
		has = func(u store.User) bool {
			return slices.ContainsFunc(u.Emails, func(m string) bool { return store.Fold(m) == value })
		}
	default:
		return nil, fmt.Errorf("find users: no index %d", by)
	}
	found, err := d.find(bucket, value, by == store.ByUserName)
	if err != nil {
		return nil, fmt.Errorf("find users: %w", err)
	}
	return resolve(bucket, found, d.readUser, has)
}

func (d *directory) PutUser(u store.User) error {
	d.tx.write()
	if u.ID == "" {
		return errors.New("put user: no id")
	}
	n, known, err := d.number(u.ID)
	if err != nil {
		return fmt.Errorf("put user: %w", err)
	}
	if err := d.free(userIndex(u, n), n, known); err != nil {
		return fmt.Errorf("put user %q: %w", u.ID, err)
	}
	if n, err = d.intern(u.ID); err != nil {
		return fmt.Errorf("put user: %w", err)
	}
	old, err := d.readUser(n)
	var before index
	switch {
	case err == nil:
		before = userIndex(old.val, n)
	case isMissing(err):
		if old.order, err = d.create(userKind(), n); err != nil {
			return fmt.Errorf("put user: %w", err)
		}
	default:
		return fmt.Errorf("put user %q: %w", u.ID, err)
	}
	b, err := d.make(dirUsers)
	if err != nil {
		return err
	}
	if err := d.tx.put(b, n.key(), encodeUser(n.key(), row[store.User]{u, old.order})); err != nil {
		return err
	}
	return d.reindex(n, before, userIndex(u, n))
}

func (d *directory) DeleteUser(id string) error {
	d.tx.write()
	n, r, err := lookup(d, userKind(), id, d.readUser)
	if err != nil {
		return fmt.Errorf("delete: %w", err)
	}
	if err := d.leaveAll(n); err != nil {
		return fmt.Errorf("delete user: %w", err)
	}
	if err := d.reindex(n, userIndex(r.val, n), nil); err != nil {
		return err
	}
	return d.forget(userKind(), n, r.order)
}

func (d *directory) Group(id string) (store.Group, error) {
	_, r, err := lookup(d, groupKind(), id, d.readGroup)
	return r.val, err
}

func (d *directory) Groups(from store.From) iter.Seq2[store.Group, error] {
	return list(d, groupKind(), from, d.readGroup)
}

func (d *directory) GroupCount() int { return d.count(countGroups) }

func (d *directory) FindGroups(by store.Index, value string) ([]store.Group, error) {
	var bucket string
	var has func(store.Group) bool
	switch by {
	case store.ByDisplayName:
		bucket, value = dirGroupNames, store.Fold(value)
		has = func(g store.Group) bool { return store.Fold(g.DisplayName) == value }
	case store.ByExternalID:
		bucket = dirGroupExtID
		has = func(g store.Group) bool { return g.ExternalID == value }
	default:
		return nil, fmt.Errorf("find groups: no index %d", by)
	}
	found, err := d.find(bucket, value, by == store.ByDisplayName)
	if err != nil {
		return nil, fmt.Errorf("find groups: %w", err)
	}
	return resolve(bucket, found, d.readGroup, has)
}

func (d *directory) PutGroup(g store.Group) error {
	d.tx.write()
	if g.ID == "" {
		return errors.New("put group: no id")
	}
	n, known, err := d.number(g.ID)
	if err != nil {
		return fmt.Errorf("put group: %w", err)
	}
	if err := d.free(groupIndex(g, n), n, known); err != nil {
		return fmt.Errorf("put group %q: %w", g.ID, err)
	}
	if n, err = d.intern(g.ID); err != nil {
		return fmt.Errorf("put group: %w", err)
	}
	old, err := d.readGroup(n)
	var before index
	switch {
	case err == nil:
		before = groupIndex(old.val, n)
	case isMissing(err):
		if old.order, err = d.create(groupKind(), n); err != nil {
			return fmt.Errorf("put group: %w", err)
		}
	default:
		return fmt.Errorf("put group %q: %w", g.ID, err)
	}
	b, err := d.make(dirGroups)
	if err != nil {
		return err
	}
	if err := d.tx.put(b, n.key(), encodeGroup(n.key(), row[store.Group]{g, old.order})); err != nil {
		return err
	}
	return d.reindex(n, before, groupIndex(g, n))
}

func (d *directory) DeleteGroup(id string) error {
	d.tx.write()
	n, r, err := lookup(d, groupKind(), id, d.readGroup)
	if err != nil {
		return fmt.Errorf("delete: %w", err)
	}
	if err := d.empty(n); err != nil {
		return fmt.Errorf("delete group: %w", err)
	}
	if err := d.leaveAll(n); err != nil {
		return fmt.Errorf("delete group: %w", err)
	}
	if err := d.reindex(n, groupIndex(r.val, n), nil); err != nil {
		return err
	}
	return d.forget(groupKind(), n, r.order)
}
