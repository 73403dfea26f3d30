package directory

import (
	"fmt"
	"iter"

	"github.com/scimbridge/scimbridge/store"
	"github.com/scimbridge/scimbridge/store/bolt/codec"
	"github.com/scimbridge/scimbridge/store/bolt/kv"
)

// splitHead separates the typed fields of a resource from its attributes, and copies each part once.
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

// sealHead reverses splitHead.
func sealHead(key []byte, attributes []byte, head func(*codec.Encoder)) []byte {
	e := codec.NewRecord(256 + len(attributes))
	e.Raw([]byte{0, 0, 0, 0})
	head(e)
	copy(e.B[codec.SealSize:], codec.Number(len(e.B)-codec.SealSize-4).Key())
	e.Raw(attributes)
	return e.Seal(key)
}

// EncodeUser returns the record of a user.
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
		if len(u.Original) > 0 { // without it the record has the form of earlier versions
			e.Uint(uint64(len(u.Original)))
			for _, v := range u.Original {
				e.String(v)
			}
		}
	})
}

// DecodeUser reads the record of a user.
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

// EncodeGroup returns the record of a group.
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

// DecodeGroup reads the record of a group.
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

// User implements store.Directory.
func (d *Directory) User(id string) (store.User, error) {
	_, r, err := lookup(d, users(), id)
	return r.Val, err
}

// Group implements store.Directory.
func (d *Directory) Group(id string) (store.Group, error) {
	_, r, err := lookup(d, groups(), id)
	return r.Val, err
}

// Users implements store.Directory.
func (d *Directory) Users(from store.From) iter.Seq2[store.User, error] {
	return list(d, users(), from)
}

// Groups implements store.Directory.
func (d *Directory) Groups(from store.From) iter.Seq2[store.Group, error] {
	return list(d, groups(), from)
}

// UserCount implements store.Directory.
func (d *Directory) UserCount() int { return d.count(countUsers) }

// GroupCount implements store.Directory.
func (d *Directory) GroupCount() int { return d.count(countGroups) }

// FindUsers implements store.Directory.
func (d *Directory) FindUsers(by store.Index, value string) ([]store.User, error) {
	return find(d, users(), by, value)
}

// FindGroups implements store.Directory.
func (d *Directory) FindGroups(by store.Index, value string) ([]store.Group, error) {
	return find(d, groups(), by, value)
}

// PutUser implements store.Directory.
func (d *Directory) PutUser(u store.User) error { return put(d, users(), u) }

// PutGroup implements store.Directory.
func (d *Directory) PutGroup(g store.Group) error { return put(d, groups(), g) }

// DeleteUser implements store.Directory.
func (d *Directory) DeleteUser(id string) error {
	return remove(d, users(), id, membershipsOf(d).leaveAll)
}

// DeleteGroup implements store.Directory.
func (d *Directory) DeleteGroup(id string) error {
	return remove(d, groups(), id, func(n codec.Number) error {
		if err := membershipsOf(d).empty(n); err != nil {
			return err
		}
		return membershipsOf(d).leaveAll(n)
	})
}

// Place implements store.Directory.
func (d *Directory) Place(id string) (uint64, error) {
	_, u, err := lookup(d, users(), id)
	if !kv.IsMissing(err) {
		return u.Order, err
	}
	_, g, err := lookup(d, groups(), id)
	return g.Order, err
}
