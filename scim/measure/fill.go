package measure

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/scimbridge/scimbridge/scim/bridge"
	"github.com/scimbridge/scimbridge/store"
	"github.com/scimbridge/scimbridge/store/bolt"
)

// The directory that is measured. The small groups, to which single users are added, come first,
// then the group of all users, the large groups, and groups that are chosen at random.
const (
	measuredIdP = "measured"
	smallGroups = 64
	largeGroups = 10
	allGroups   = smallGroups + 1 + largeGroups
	ofAll       = smallGroups // the number of the group of all
	smallSize   = 10
)

// usersPerCommit is large, because an incomplete store is useless.
const usersPerCommit = 50_000

// mix returns a number that looks random and is always the same for two numbers.
func mix(a, b uint64) uint64 {
	z := a*0x9e3779b97f4a7c15 + b*0xd1b54a32d192ed03 + 1
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// measuredID returns the id of a user (kind 1) or group (kind 2): a UUID like those of the server,
// but the same every time.
func measuredID(kind uint64, n int) string {
	var id uuid.UUID
	binary.BigEndian.PutUint64(id[:8], mix(kind, uint64(n)))
	binary.BigEndian.PutUint64(id[8:], mix(kind+2, uint64(n)))
	id[6], id[8] = id[6]&0x0f|0x40, id[8]&0x3f|0x80
	return id.String()
}

func userID(n int) string { return measuredID(1, n) }

func groupID(n int) string { return measuredID(2, n) }

// measuredName returns a name that does not sort by its number.
func measuredName(n int) string {
	return fmt.Sprintf("%05x.user%07d@example.com", mix(9, uint64(n))>>44, n)
}

func measuredUser(n int, at time.Time) store.User {
	name := measuredName(n)
	return store.User{ID: userID(n), UserName: name, ExternalID: fmt.Sprintf("ext-%07d", n), Emails: []string{name}, Active: true, Version: 1, Created: at, Modified: at,
		Attributes: fmt.Appendf(nil, `{"userName":%q,"externalId":"ext-%07d","name":{"givenName":"Given%d","familyName":"Family%d"},"displayName":"Given%d Family%d","emails":[{"value":%q,"type":"work","primary":true}],"active":true}`,
			name, n, n, n, n, n, name)}
}

func measuredGroup(n int, at time.Time) store.Group {
	name := fmt.Sprintf("group %06d", n)
	return store.Group{ID: groupID(n), DisplayName: name, ExternalID: fmt.Sprintf("group-%06d", n), Version: 1, Created: at, Modified: at, Attributes: fmt.Appendf(nil, `{"displayName":%q}`, name)}
}

// groupsOf returns the groups of a user.
func (m *Scale) groupsOf(user int) []int {
	groups := []int{ofAll, ofAll + 1 + user%largeGroups}
	for i := 2; i < m.Memberships/m.Users; i++ {
		g := int(mix(uint64(user), uint64(i)) % uint64(m.Groups-allGroups))
		for slices.Contains(groups, allGroups+g) {
			g = (g + 1) % (m.Groups - allGroups)
		}
		groups = append(groups, allGroups+g)
	}
	if user < smallGroups*smallSize && user < m.Users/2 { // half of the users are in no small group and can be added
		groups = append(groups, user%smallGroups)
	}
	return groups
}

// fill makes the directory. The store must be empty.
func (m *Scale) fill(ctx context.Context, found *Result) (err error) {
	s, err := bridge.OpenStore(ctx, m.Store)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	err = s.View(ctx, func(tx store.Tx) error {
		if len(tx.IdPs())+len(tx.Backends()) > 0 {
			return errors.New("the store is not empty: name a new one")
		}
		return nil
	})
	if err != nil {
		return err
	}
	empty, err := size(ctx, s)
	if err != nil {
		return err
	}
	begin, at := time.Now(), time.Now().UTC().Truncate(time.Second)
	if err := m.makeUsers(ctx, s, at); err != nil {
		return err
	}
	found.Groups, found.Fill.Users = m.Groups, time.Since(begin).Seconds()
	before, err := size(ctx, s)
	if err != nil {
		return err
	}
	begin = time.Now()
	if found.Memberships, err = m.makeMembers(ctx, s); err != nil {
		return err
	}
	found.Fill.Memberships = time.Since(begin).Seconds()
	found.Size.Store, err = size(ctx, s)
	found.Size.PerUser = float64(before-empty) / float64(m.Users)
	found.Size.PerMembership = float64(found.Size.Store-before) / float64(found.Memberships)
	return err
}

// makeUsers makes users and groups.
func (m *Scale) makeUsers(ctx context.Context, s store.Store, at time.Time) error {
	_, err := m.batches(ctx, s, "users", func(tx store.Tx, from, to int) (int, error) {
		d := tx.Directory(measuredIdP)
		for u := from; u < to; u++ {
			if err := d.PutUser(measuredUser(u, at)); err != nil {
				return 0, err
			}
		}
		for g := 0; to == m.Users && g < m.Groups; g++ {
			if err := d.PutGroup(measuredGroup(g, at)); err != nil {
				return 0, err
			}
		}
		return to - from, nil
	})
	return err
}

// makeMembers makes memberships and counts them. A file is faster in the order of users, a database
// with few statements.
func (m *Scale) makeMembers(ctx context.Context, s store.Store) (int, error) {
	_, byUser := s.(*bolt.Store)
	return m.batches(ctx, s, "users in their groups", func(tx store.Tx, from, to int) (count int, err error) {
		d, of := tx.Directory(measuredIdP), make([][]string, m.Groups)
		add := func(g int, ids ...string) error {
			added, err := d.AddMembers(groupID(g), ids...)
			count += len(added)
			return err
		}
		for u := from; u < to; u++ {
			id := userID(u)
			for _, g := range m.groupsOf(u) {
				if !byUser {
					of[g] = append(of[g], id)
				} else if err := add(g, id); err != nil {
					return 0, err
				}
			}
		}
		for g, ids := range of {
			if len(ids) > 0 {
				if err := add(g, ids...); err != nil {
					return 0, err
				}
			}
		}
		return count, nil
	})
}

// batches runs a function over all users in several transactions, adds up its results, and reports
// progress.
func (m *Scale) batches(ctx context.Context, s store.Store, what string, do func(tx store.Tx, from, to int) (int, error)) (total int, err error) {
	said := time.Now()
	for from := 0; from < m.Users; from += usersPerCommit {
		to, n := min(m.Users, from+usersPerCommit), 0
		err := s.Update(ctx, func(tx store.Tx) (err error) {
			n, err = do(tx, from, to)
			return err
		})
		if err != nil {
			return 0, err
		}
		if total += n; time.Since(said) > 2*time.Second || to == m.Users {
			said = time.Now()
			fmt.Fprintf(m.Progress, "%d of %d %s\n", to, m.Users, what)
		}
	}
	return total, nil
}
