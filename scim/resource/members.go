package resource

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/scimbridge/scimbridge/store"
)

// Member returns a membership as a client sees it. A member that is neither a user nor a group
// (yet) has only its value.
func (r Renderer) Member(m store.Member) map[string]any {
	k := kindOf(m)
	if k == nil {
		return map[string]any{"value": m.Value}
	}
	return map[string]any{"value": m.Value, "type": k.Name, "$ref": r.Location(k, m.Value)}
}

func kindOf(m store.Member) *Kind {
	switch {
	case m.User:
		return Users
	case m.Group:
		return Groups
	}
	return nil
}

// writeMembers writes the members of a group row by row: a group can have a million.
func (r Renderer) writeMembers(b *bytes.Buffer, d store.Directory, group string) error {
	n, err := d.MemberCount(group)
	if err != nil {
		return err
	}
	tail := func(k *Kind) string { return `","type":"` + k.Name + `","$ref":"` + r.PublicURL + k.Endpoint + "/" }
	tails := map[*Kind]string{Users: tail(Users), Groups: tail(Groups)}
	const perMember = len(`{"value":"","type":"User","$ref":"/Users/"},`) + 2*36 // most ids are UUIDs
	b.Grow(n * (perMember + len(r.PublicURL)))
	b.WriteByte('[')
	first := true
	for m, err := range d.Members(group) {
		if err != nil {
			return err
		}
		out := b.AvailableBuffer()
		if !first {
			out = append(out, ',')
		}
		first = false
		if out, err = appendMember(out, m.Value, tails[kindOf(m)]); err != nil {
			return err
		}
		b.Write(out)
	}
	b.WriteByte(']')
	return nil
}

// writeMemberParts writes of each member the sub-attributes that the projection wants.
func (r Renderer) writeMemberParts(b *bytes.Buffer, d store.Directory, group string, p Projection) error {
	list := []any{}
	for m, err := range d.Members(group) {
		if err != nil {
			return err
		}
		if part := p.part("members", r.Member(m)); part != nil {
			list = append(list, part)
		}
	}
	out, err := json.Marshal(list)
	if err != nil {
		return fmt.Errorf("writing members: %w", err)
	}
	b.Write(out)
	return nil
}

// appendMember appends one member. tail is what a reference to its kind begins with. The id of a
// resource was made by this server and needs no escaping; any other value does.
func appendMember(out []byte, value, tail string) ([]byte, error) {
	if tail == "" {
		quoted, err := json.Marshal(value)
		out = append(out, `{"value":`...)
		return append(append(out, quoted...), '}'), err
	}
	out = append(out, `{"value":"`...)
	out = append(out, value...)
	out = append(out, tail...)
	out = append(out, value...)
	return append(out, `"}`...), nil
}
