package scim

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/scimbridge/scimbridge/store"
)

// metadata is the attribute meta (RFC 7643 section 3.1).
type metadata struct {
	ResourceType string `json:"resourceType"`
	Created      string `json:"created"`
	LastModified string `json:"lastModified"`
	Location     string `json:"location"`
	Version      string `json:"version"`
}

func (s *Server) metadata(k *kind, id string, version uint64, created, modified time.Time) metadata {
	return metadata{k.name, created.Format(time.RFC3339Nano), modified.Format(time.RFC3339Nano), s.location(k, id), etag(version)}
}

func (s *Server) meta(k *kind, id string, version uint64, created, modified time.Time) map[string]any {
	m := s.metadata(k, id, version, created, modified)
	return map[string]any{"resourceType": m.ResourceType, "created": m.Created, "lastModified": m.LastModified, "location": m.Location, "version": m.Version}
}

func (s *Server) location(k *kind, id string) string { return s.PublicURL + k.endpoint + "/" + id }

func etag(version uint64) string { return fmt.Sprintf(`W/"%d"`, version) }

// userResource is the user as a client sees it. groups is filled in by the caller if asked for.
func (s *Server) userResource(u store.User) (map[string]any, error) {
	out := map[string]any{}
	if err := json.Unmarshal(u.Attributes, &out); err != nil {
		return nil, fmt.Errorf("reading a stored user: %w", err)
	}
	schemas := []any{userKind.schema.Core.ID}
	for _, e := range userKind.schema.Extensions {
		if _, ok := out[e.ID]; ok {
			schemas = append(schemas, e.ID)
		}
	}
	out["schemas"], out["id"], out["active"], out["userName"] = schemas, u.ID, u.Active, u.UserName
	out["meta"] = s.meta(userKind, u.ID, u.Version, u.Created, u.Modified)
	return out, nil
}

// groupResource is the group without its members.
func (s *Server) groupResource(g store.Group) (map[string]any, error) {
	out := map[string]any{}
	if err := json.Unmarshal(g.Attributes, &out); err != nil {
		return nil, fmt.Errorf("reading a stored group: %w", err)
	}
	out["schemas"], out["id"], out["displayName"] = []any{groupKind.schema.Core.ID}, g.ID, g.DisplayName
	out["meta"] = s.meta(groupKind, g.ID, g.Version, g.Created, g.Modified)
	return out, nil
}

// userGroups are the groups of a user, as the read-only attribute `groups`.
func (s *Server) userGroups(d store.Directory, id string) ([]any, error) {
	out := []any{}
	for g, err := range d.GroupsOf(id) {
		if err != nil {
			return nil, err
		}
		out = append(out, map[string]any{"value": g.ID, "display": g.DisplayName, "type": "direct", "$ref": s.location(groupKind, g.ID)})
	}
	return out, nil
}

// appendMembers writes the members of a group as JSON, straight from the rows: a group can have a million.
func (s *Server) appendMembers(b *bytes.Buffer, d store.Directory, group string) error {
	n, err := d.MemberCount(group)
	if err != nil {
		return err
	}
	tail := func(k *kind) string { return `","type":"` + k.name + `","$ref":"` + s.PublicURL + k.endpoint + "/" }
	ofUser, ofGroup := tail(userKind), tail(groupKind)
	const perMember = len(`{"value":"","type":"User","$ref":"/Users/"},`) + 2*36 // most ids are UUIDs
	b.Grow(n * (perMember + len(s.PublicURL)))
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
		tail := ""
		switch {
		case m.User:
			tail = ofUser
		case m.Group:
			tail = ofGroup
		}
		if out, err = appendMember(out, m.Value, tail); err != nil {
			return err
		}
		b.Write(out)
	}
	b.WriteByte(']')
	return nil
}

// appendParts writes of each member what is asked for.
func (s *Server) appendParts(b *bytes.Buffer, d store.Directory, group string, p projection) error {
	list := []any{}
	for m, err := range d.Members(group) {
		if err != nil {
			return err
		}
		if part := p.part("members", s.member(m)); part != nil {
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

// appendMember writes one; tail is what a reference to its kind begins with. The id of a resource was made by this server and is
// JSON as it is; any other value is as a client sent it.
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

// appendResource writes a resource; members, if there are any to write, at its end.
func appendResource(b *bytes.Buffer, resource map[string]any, members func(*bytes.Buffer) error) error {
	b.WriteByte('{')
	for i, name := range slices.Sorted(maps.Keys(resource)) {
		if i > 0 {
			b.WriteByte(',')
		}
		v, err := json.Marshal(map[string]any{name: resource[name]})
		if err != nil {
			return fmt.Errorf("writing a resource: %w", err)
		}
		b.Write(v[1 : len(v)-1])
	}
	if members != nil {
		b.WriteString(`,"members":`)
		if err := members(b); err != nil {
			return err
		}
	}
	b.WriteByte('}')
	return nil
}

func writeJSON(w http.ResponseWriter, status int, body []byte) {
	w.Header().Set("Content-Type", mediaType)
	w.WriteHeader(status)
	_, _ = w.Write(body) // the client went away: nobody to tell
}

// appendUser writes a whole user around the attributes as they are stored, which hold nothing that is written here: see userFrom.
func (s *Server) appendUser(b *bytes.Buffer, d store.Directory, u store.User) error {
	schemas := []string{userKind.schema.Core.ID}
	for _, e := range userKind.schema.Extensions {
		if bytes.Contains(u.Attributes, []byte(`"`+e.ID+`":`)) {
			schemas = append(schemas, e.ID)
		}
	}
	groups, err := s.userGroups(d, u.ID)
	if err != nil {
		return err
	}
	head, err := json.Marshal(struct {
		Schemas []string `json:"schemas"`
		ID      string   `json:"id"`
		Meta    metadata `json:"meta"`
		Groups  []any    `json:"groups"`
	}{schemas, u.ID, s.metadata(userKind, u.ID, u.Version, u.Created, u.Modified), groups})
	if err != nil {
		return fmt.Errorf("writing a user: %w", err)
	}
	b.Write(head[:len(head)-1])
	if len(u.Attributes) > len("{}") {
		b.WriteByte(',')
		b.Write(u.Attributes[1 : len(u.Attributes)-1])
	}
	b.WriteByte('}')
	return nil
}

// renderUser writes one user, with the groups if they are asked for.
func (s *Server) renderUser(b *bytes.Buffer, d store.Directory, u store.User, p projection) error {
	if p.all() {
		return s.appendUser(b, d, u)
	}
	out, err := s.userResource(u)
	if err != nil {
		return err
	}
	if p.wants("groups") {
		if out["groups"], err = s.userGroups(d, u.ID); err != nil {
			return err
		}
	}
	p.apply(out)
	return appendResource(b, out, nil)
}

// renderGroup writes one group. Members that are not asked for are not even read.
func (s *Server) renderGroup(b *bytes.Buffer, d store.Directory, g store.Group, p projection) error {
	out, err := s.groupResource(g)
	if err != nil {
		return err
	}
	p.apply(out)
	var members func(*bytes.Buffer) error
	if p.wants("members") {
		members = func(b *bytes.Buffer) error { return s.appendMembers(b, d, g.ID) }
		if !p.whole("members") {
			members = func(b *bytes.Buffer) error { return s.appendParts(b, d, g.ID, p) }
		}
	}
	return appendResource(b, out, members)
}
