package directory

import (
	"errors"
	"fmt"
	"iter"
	"slices"

	"github.com/scimbridge/scimbridge/store"
	"github.com/scimbridge/scimbridge/store/bolt/codec"
	"github.com/scimbridge/scimbridge/store/bolt/kv"
)

// splitHead separates the typed fields of a resource from its attributes: the former become strings, the latter
// are copied once.
func splitHead(key, payload []byte) (*codec.Decoder, []byte, error) {
	if len(payload) < 4 {
		return nil, nil, fmt.Errorf("record %x: %w", key, store.ErrDamaged)
	}
	n := int(uint32(codec.ToNumber(payload)))
	payload = payload[4:]
	if n < 0 || n > len(payload) {
		return nil, nil, fmt.Errorf("record %x: %w", key, store.ErrDamaged)
	}
	return &codec.Decoder{S: string(payload[:n])}, codec.CloneRaw(payload[n:]), nil
}

// sealHead is the other direction.
func sealHead(key []byte, attributes []byte, head func(*codec.Encoder)) []byte {
	e := codec.NewRecord(256 + len(attributes))
	e.Raw([]byte{0, 0, 0, 0})
	head(e)
	copy(e.B[codec.SealSize:], codec.Number(len(e.B)-codec.SealSize-4).Key())
	e.Raw(attributes)
	return e.Seal(key)
}

func EncodeUser(key []byte, r Row[store.User]) []byte {
	u := r.Val
	return sealHead(key, u.Attributes, func(e *codec.Encoder) {
		e.Uint(r.Order)
		e.String(u.ID)
		e.String(u.UserName)
		e.String(u.ExternalID)
		e.Uint(uint64(len(u.Emails)))
		for _, m := range u.Emails {
			e.String(m)
		}
		e.Bool(u.Active)
		e.Uint(u.Version)
		e.Time(u.Created)
		e.Time(u.Modified)
		if len(u.Original) > 0 { // a record without it is as it was before there was any
			e.Uint(uint64(len(u.Original)))
			for _, v := range u.Original {
				e.String(v)
			}
		}
	})
}

func DecodeUser(key, payload []byte) (r Row[store.User], err error) {
	d, attributes, err := splitHead(key, payload)
	if err != nil {
		return r, err
	}
	u := &r.Val
	r.Order = d.Uint()
	u.ID, u.UserName, u.ExternalID = d.String(), d.String(), d.String()
	if n := d.Length(); n > 0 {
		u.Emails = make([]string, n)
		for i := range u.Emails {
			u.Emails[i] = d.String()
		}
	}
	u.Active, u.Version = d.Bool(), d.Uint()
	u.Created, u.Modified = d.Time(), d.Time()
	if d.More() {
		u.Original = make([]string, d.Length())
		for i := range u.Original {
			u.Original[i] = d.String()
		}
	}
	u.Attributes = attributes
	return r, d.End(key)
}

func EncodeGroup(key []byte, r Row[store.Group]) []byte {
	g := r.Val
	return sealHead(key, g.Attributes, func(e *codec.Encoder) {
		e.Uint(r.Order)
		e.String(g.ID)
		e.String(g.DisplayName)
		e.String(g.ExternalID)
		e.Uint(g.Version)
		e.Time(g.Created)
		e.Time(g.Modified)
	})
}

func DecodeGroup(key, payload []byte) (r Row[store.Group], err error) {
	d, attributes, err := splitHead(key, payload)
	if err != nil {
		return r, err
	}
	g := &r.Val
	r.Order = d.Uint()
	g.ID, g.DisplayName, g.ExternalID = d.String(), d.String(), d.String()
	g.Version = d.Uint()
	g.Created, g.Modified = d.Time(), d.Time()
	g.Attributes = attributes
	return r, d.End(key)
}

func (d *Directory) readUser(n codec.Number) (Row[store.User], error) {
	payload, err := recordOf(d.Bucket(dirUsers), n.Key())
	if err != nil {
		return Row[store.User]{}, err
	}
	return DecodeUser(n.Key(), payload)
}

func (d *Directory) readGroup(n codec.Number) (Row[store.Group], error) {
	payload, err := recordOf(d.Bucket(dirGroups), n.Key())
	if err != nil {
		return Row[store.Group]{}, err
	}
	return DecodeGroup(n.Key(), payload)
}

func userIndex(u store.User, n codec.Number) index {
	var x index
	x.unique(dirUserNames, store.Fold(u.UserName))
	x.many(dirUserExtIDs, u.ExternalID, n)
	for _, m := range u.Emails {
		x.many(dirEmails, store.Fold(m), n)
	}
	return x
}

func groupIndex(g store.Group, n codec.Number) index {
	var x index
	x.unique(dirGroupNames, store.Fold(g.DisplayName))
	x.many(dirGroupExtID, g.ExternalID, n)
	return x
}

func (d *Directory) User(id string) (store.User, error) {
	_, r, err := lookup(d, userKind(), id, d.readUser)
	return r.Val, err
}

func (d *Directory) Users(from store.From) iter.Seq2[store.User, error] {
	return list(d, userKind(), from, d.readUser)
}

func (d *Directory) Place(id string) (uint64, error) {
	_, u, err := lookup(d, userKind(), id, d.readUser)
	if !kv.IsMissing(err) {
		return u.Order, err
	}
	_, g, err := lookup(d, groupKind(), id, d.readGroup)
	return g.Order, err
}

func (d *Directory) UserCount() int { return d.count(countUsers) }

func (d *Directory) FindUsers(by store.Index, value string) ([]store.User, error) {
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

func (d *Directory) PutUser(u store.User) error {
	d.Tx.Write()
	if u.ID == "" {
		return errors.New("put user: no id")
	}
	n, known, err := d.Number(u.ID)
	if err != nil {
		return fmt.Errorf("put user: %w", err)
	}
	if err := d.free(userIndex(u, n), n, known); err != nil {
		return fmt.Errorf("put user %q: %w", u.ID, err)
	}
	if n, err = d.Intern(u.ID); err != nil {
		return fmt.Errorf("put user: %w", err)
	}
	old, err := d.readUser(n)
	var before index
	switch {
	case err == nil:
		before = userIndex(old.Val, n)
	case kv.IsMissing(err):
		if old.Order, err = d.create(userKind(), n); err != nil {
			return fmt.Errorf("put user: %w", err)
		}
	default:
		return fmt.Errorf("put user %q: %w", u.ID, err)
	}
	b, err := d.Make(dirUsers)
	if err != nil {
		return err
	}
	if err := d.Tx.Put(b, n.Key(), EncodeUser(n.Key(), Row[store.User]{u, old.Order})); err != nil {
		return err
	}
	return d.reindex(n, before, userIndex(u, n))
}

func (d *Directory) DeleteUser(id string) error {
	d.Tx.Write()
	n, r, err := lookup(d, userKind(), id, d.readUser)
	if err != nil {
		return fmt.Errorf("delete: %w", err)
	}
	if err := d.leaveAll(n); err != nil {
		return fmt.Errorf("delete user: %w", err)
	}
	if err := d.reindex(n, userIndex(r.Val, n), nil); err != nil {
		return err
	}
	return d.forget(userKind(), n, r.Order)
}

func (d *Directory) Group(id string) (store.Group, error) {
	_, r, err := lookup(d, groupKind(), id, d.readGroup)
	return r.Val, err
}

func (d *Directory) Groups(from store.From) iter.Seq2[store.Group, error] {
	return list(d, groupKind(), from, d.readGroup)
}

func (d *Directory) GroupCount() int { return d.count(countGroups) }

func (d *Directory) FindGroups(by store.Index, value string) ([]store.Group, error) {
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

func (d *Directory) PutGroup(g store.Group) error {
	d.Tx.Write()
	if g.ID == "" {
		return errors.New("put group: no id")
	}
	n, known, err := d.Number(g.ID)
	if err != nil {
		return fmt.Errorf("put group: %w", err)
	}
	if err := d.free(groupIndex(g, n), n, known); err != nil {
		return fmt.Errorf("put group %q: %w", g.ID, err)
	}
	if n, err = d.Intern(g.ID); err != nil {
		return fmt.Errorf("put group: %w", err)
	}
	old, err := d.readGroup(n)
	var before index
	switch {
	case err == nil:
		before = groupIndex(old.Val, n)
	case kv.IsMissing(err):
		if old.Order, err = d.create(groupKind(), n); err != nil {
			return fmt.Errorf("put group: %w", err)
		}
	default:
		return fmt.Errorf("put group %q: %w", g.ID, err)
	}
	b, err := d.Make(dirGroups)
	if err != nil {
		return err
	}
	if err := d.Tx.Put(b, n.Key(), EncodeGroup(n.Key(), Row[store.Group]{g, old.Order})); err != nil {
		return err
	}
	return d.reindex(n, before, groupIndex(g, n))
}

func (d *Directory) DeleteGroup(id string) error {
	d.Tx.Write()
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
	if err := d.reindex(n, groupIndex(r.Val, n), nil); err != nil {
		return err
	}
	return d.forget(groupKind(), n, r.Order)
}
