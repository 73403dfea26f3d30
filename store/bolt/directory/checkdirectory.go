package directory

import (
	"errors"

	"github.com/scimbridge/scimbridge/store"
	"github.com/scimbridge/scimbridge/store/bolt/codec"
	"github.com/scimbridge/scimbridge/store/bolt/kv"
)

// Check checks a directory.
func Check(c *kv.Checker, d *Directory) {
	where := "directory " + d.Namespace.Name
	names := 0
	for k, v := range c.Tx.Scan(d.Bucket(dirNames), nil, 0) {
		var s codec.NameBlock
		if err := s.Open(k, v); err != nil || len(k) != codec.NumberSize {
			c.Note(where, errors.Join(err, store.ErrDamaged))
			continue
		}
		for _, name := range s.Names[:s.N] {
			names++
			n, ok, err := d.Number(string(name.Id))
			if c.Note(where, err); err == nil && (!ok || n != codec.Number(names)) {
				c.Wrong(where, "number %d and its name disagree", names)
			}
			if d.exists(userKind(), n) != (name.Is == codec.NameOfUser) || d.exists(groupKind(), n) != (name.Is == codec.NameOfGroup) {
				c.Wrong(where, "number %d is not what its name says", n)
			}
		}
	}
	if ids := c.Count(d.Bucket(dirIDs)); ids != names {
		c.Wrong(where, "%d ids and %d names", ids, names)
	}
	entries := map[string]int{}
	checkResources(c, d, users(), entries)
	checkResources(c, d, groups(), entries)
	for _, b := range []string{dirUserNames, dirUserExtIDs, dirEmails, dirGroupNames, dirGroupExtID} {
		if n := c.Count(d.Bucket(b)); n != entries[b] {
			c.Wrong(where, "%s has %d entries for %d values", b, n, entries[b])
		}
	}
	checkMembers(c, where, d)
}

// checkResources checks that every index entry exists, and counts into entries how many each index must have.
func checkResources[T any](c *kv.Checker, d *Directory, k kindOf[T], entries map[string]int) {
	where := "directory " + d.Namespace.Name
	for key := range c.Tx.Scan(d.Bucket(k.records), nil, 0) {
		if len(key) != codec.NumberSize {
			c.Wrong(where, "%s with a key of %d bytes", k.word, len(key))
			continue
		}
		n := codec.ToNumber(key)
		r, err := read(d, k, n)
		if err != nil {
			c.Note(where, err)
			continue
		}
		if name, err := d.Name(n); err != nil || name != k.id(r.Val) {
			c.Wrong(where, "%s number %d has another's id", k.word, n)
		}
		if v := d.Get(k.order, codec.SeqKey(r.Order)); len(v) != codec.NumberSize || codec.ToNumber(v) != n {
			c.Wrong(where, "%s number %d has no place in the order", k.word, n)
		}
		for _, e := range k.index(r.Val, n) {
			entries[e.bucket]++
			if v := d.Get(e.bucket, e.key); v == nil || e.unique && (len(v) != codec.NumberSize || codec.ToNumber(v) != n) {
				c.Wrong(where, "%s number %d is not in %s", k.word, n, e.bucket)
			}
		}
	}
	records, order, kept := c.Count(d.Bucket(k.records)), c.Count(d.Bucket(k.order)), d.count(k.counter)
	if records != order || records != kept {
		c.Wrong(where, "%d %ss, %d in order, %d by the count", records, k.word, order, kept)
	}
}

func checkMembers(c *kv.Checker, where string, d *Directory) {
	sizes := map[codec.Number]int{}
	forth := 0
	for k, v := range c.Tx.Scan(d.Bucket(dirMembers), nil, 0) {
		b, err := codec.OpenBlock(k, v)
		if err != nil {
			c.Note(where, err)
			continue
		}
		g := codec.ToNumber(k)
		if sizes[g] == 0 && !d.exists(groupKind(), g) {
			c.Wrong(where, "members of group number %d, which is not there", g)
		}
		for m := range b.All(codec.ToNumber(k[codec.NumberSize:]) << codec.BlockBits) {
			forth++
			sizes[g]++
			_, err := d.Name(m)
			c.Note(where, err)
			key := codec.BlockKey(m, g)
			if of, err := codec.OpenBlock(key, d.Get(dirMemberOf, key)); err != nil || !of.Has(g) {
				c.Wrong(where, "member number %d does not know of group number %d", m, g)
			}
		}
	}
	loose := checkLoose(c, where, d)
	back := 0
	for k, v := range c.Tx.Scan(d.Bucket(dirMemberOf), nil, 0) {
		b, err := codec.OpenBlock(k, v)
		c.Note(where, err)
		for range b.All(0) {
			back++
		}
	}
	if back != forth+loose {
		c.Wrong(where, "%d memberships and %d loose rows one way, %d the other", forth, loose, back)
	}
	for g, n := range sizes {
		kept, err := membershipsOf(d).size(g)
		if c.Note(where, err); err == nil && kept != n {
			c.Wrong(where, "group number %d has %d members, %d by the count", g, n, kept)
		}
	}
	if n := c.Count(d.Bucket(dirSizes)); n != len(sizes) {
		c.Wrong(where, "%d groups with members, %d by the counts", len(sizes), n)
	}
}

// checkLoose counts the loose rows of member.of, and checks that each exists and stands for no membership.
func checkLoose(c *kv.Checker, where string, d *Directory) (rows int) {
	for k, v := range c.Tx.Scan(d.Bucket(dirLoose), nil, 0) {
		l, err := codec.OpenBlock(k, v)
		if err != nil {
			c.Note(where, err)
			continue
		}
		members, err := codec.OpenBlock(k, d.Get(dirMembers, k))
		c.Note(where, err)
		g := codec.ToNumber(k)
		for m := range l.All(codec.ToNumber(k[codec.NumberSize:]) << codec.BlockBits) {
			rows++
			key := codec.BlockKey(m, g)
			if of, err := codec.OpenBlock(key, d.Get(dirMemberOf, key)); err != nil || !of.Has(g) || members.Has(m) {
				c.Wrong(where, "the row of member number %d of group number %d is not loose", m, g)
			}
		}
	}
	return rows
}
