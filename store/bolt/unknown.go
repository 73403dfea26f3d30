package bolt

import (
	"fmt"

	"github.com/scimbridge/scimbridge/store"
)

// Existing implements store.Directory.
func (d *directory) Existing(ids ...string) ([]string, error) {
	var found []string
	for _, id := range ids {
		n, ok, err := d.number(id)
		if err != nil {
			return nil, fmt.Errorf("existing ids: %w", err)
		}
		if ok && (d.exists(userKind(), n) || d.exists(groupKind(), n)) {
			found = append(found, id)
		}
	}
	return found, nil
}

// UnknownMembers implements store.Directory. It goes through the names, and for each that is of
// nothing through its memberships: so it costs what the directory has of ids, not of memberships.
func (d *directory) UnknownMembers() ([]store.UnknownMembers, error) {
	counts, err := d.countUnknown()
	if err != nil {
		return nil, fmt.Errorf("unknown members: %w", err)
	}
	var out []store.UnknownMembers
	for g, n := range counts {
		id, err := d.name(g)
		if err != nil {
			return nil, fmt.Errorf("unknown members: %w", err)
		}
		out = append(out, store.UnknownMembers{Group: id, Count: n})
	}
	return out, nil
}

// countUnknown counts the memberships of names that are of nothing, by group.
func (d *directory) countUnknown() (map[number]int, error) {
	counts := map[number]int{}
	var s sheet
	for key, record := range d.tx.scan(d.bucket(dirNames), nil, 0) {
		if err := s.open(key, record); err != nil {
			return nil, err
		}
		first := toNumber(key)<<nameBits + 1
		for at := range s.n {
			if s.names[at].is != nameOfNothing {
				continue
			}
			for g, err := range d.groupsOf(first + number(at)) {
				if err != nil {
					return nil, err
				}
				counts[g]++
			}
		}
	}
	return counts, nil
}
