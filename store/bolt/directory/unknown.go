package directory

import (
	"fmt"

	"github.com/scimbridge/scimbridge/store"
	"github.com/scimbridge/scimbridge/store/bolt/codec"
)

// Existing implements store.Directory.
func (d *Directory) Existing(ids ...string) ([]string, error) {
	var found []string
	for _, id := range ids {
		n, ok, err := d.Number(id)
		if err != nil {
			return nil, fmt.Errorf("existing ids: %w", err)
		}
		if ok && (d.exists(userKind(), n) || d.exists(groupKind(), n)) {
			found = append(found, id)
		}
	}
	return found, nil
}

// UnknownMembers implements store.Directory. It reads all names, and the memberships of each name without a
// resource: its cost grows with the ids of the directory, not with the memberships.
func (d *Directory) UnknownMembers() ([]store.UnknownMembers, error) {
	counts, err := d.countUnknown()
	if err != nil {
		return nil, fmt.Errorf("unknown members: %w", err)
	}
	var out []store.UnknownMembers
	for g, n := range counts {
		id, err := d.Name(g)
		if err != nil {
			return nil, fmt.Errorf("unknown members: %w", err)
		}
		out = append(out, store.UnknownMembers{Group: id, Count: n})
	}
	return out, nil
}

// countUnknown counts the memberships of names without a resource, by group.
func (d *Directory) countUnknown() (map[codec.Number]int, error) {
	counts := map[codec.Number]int{}
	var s codec.NameBlock
	for key, record := range d.Tx.Scan(d.Bucket(dirNames), nil, 0) {
		if err := s.Open(key, record); err != nil {
			return nil, err
		}
		first := codec.ToNumber(key)<<codec.NameBits + 1
		for at := range s.N {
			if s.Names[at].Is != codec.NameOfNothing {
				continue
			}
			for g, err := range membershipsOf(d).groupsOf(first + codec.Number(at)) {
				if err != nil {
					return nil, err
				}
				counts[g]++
			}
		}
	}
	return counts, nil
}
