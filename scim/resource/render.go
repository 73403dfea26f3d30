package resource

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/scimbridge/scimbridge/store"
)

// Renderer renders resources. PublicURL is what locations and references begin with, without a
// slash at the end.
type Renderer struct{ PublicURL string }

// metadata is the attribute meta (RFC 7643 section 3.1).
type metadata struct {
	ResourceType string `json:"resourceType"`
	Created      string `json:"created"`
	LastModified string `json:"lastModified"`
	Location     string `json:"location"`
	Version      string `json:"version"`
}

func (r Renderer) metadata(k *Kind, id string, version uint64, created, modified time.Time) metadata {
	return metadata{k.Name, created.Format(time.RFC3339Nano), modified.Format(time.RFC3339Nano), r.Location(k, id), ETag(version)}
}

func (m metadata) attribute() map[string]any {
	return map[string]any{"resourceType": m.ResourceType, "created": m.Created, "lastModified": m.LastModified,
		"location": m.Location, "version": m.Version}
}

// Location returns the URL of a resource.
func (r Renderer) Location(k *Kind, id string) string { return r.PublicURL + k.Endpoint + "/" + id }

// User returns a user as a client sees it, without groups.
func (r Renderer) User(u store.User) (map[string]any, error) {
	out, err := Attributes(u.Attributes)
	if err != nil {
		return nil, err
	}
	schemas := []any{Users.Schema.Core.ID}
	for _, e := range Users.Schema.Extensions {
		if _, ok := out[e.ID]; ok {
			schemas = append(schemas, e.ID)
		}
	}
	out["schemas"], out["id"], out["active"], out["userName"] = schemas, u.ID, u.Active, u.UserName
	out["meta"] = r.metadata(Users, u.ID, u.Version, u.Created, u.Modified).attribute()
	return out, nil
}

// Group returns a group as a client sees it, without members.
func (r Renderer) Group(g store.Group) (map[string]any, error) {
	out, err := Attributes(g.Attributes)
	if err != nil {
		return nil, err
	}
	out["schemas"], out["id"], out["displayName"] = []any{Groups.Schema.Core.ID}, g.ID, g.DisplayName
	out["meta"] = r.metadata(Groups, g.ID, g.Version, g.Created, g.Modified).attribute()
	return out, nil
}

// GroupsOf returns the groups of a user, as the read-only attribute `groups`.
func (r Renderer) GroupsOf(d store.Directory, id string) ([]any, error) {
	out := []any{}
	for g, err := range d.GroupsOf(id) {
		if err != nil {
			return nil, err
		}
		out = append(out, map[string]any{"value": g.ID, "display": g.DisplayName, "type": "direct", "$ref": r.Location(Groups, g.ID)})
	}
	return out, nil
}

// WriteUser writes a user; groups are read only if the projection wants them.
func (r Renderer) WriteUser(b *bytes.Buffer, d store.Directory, u store.User, p Projection) error {
	if p.all() {
		return r.writeStored(b, d, u)
	}
	out, err := r.User(u)
	if err != nil {
		return err
	}
	if p.wants("groups") {
		if out["groups"], err = r.GroupsOf(d, u.ID); err != nil {
			return err
		}
	}
	p.apply(out)
	return writeResource(b, out, nil)
}

// WriteGroup writes a group; members are read only if the projection wants them.
func (r Renderer) WriteGroup(b *bytes.Buffer, d store.Directory, g store.Group, p Projection) error {
	out, err := r.Group(g)
	if err != nil {
		return err
	}
	p.apply(out)
	var members func(*bytes.Buffer) error
	if p.wants("members") {
		members = func(b *bytes.Buffer) error { return r.writeMembers(b, d, g.ID) }
		if !p.whole("members") {
			members = func(b *bytes.Buffer) error { return r.writeMemberParts(b, d, g.ID, p) }
		}
	}
	return writeResource(b, out, members)
}

// writeStored writes a whole user around the stored attributes, without parsing them. They hold
// none of the attributes that it adds: see [UserFrom].
func (r Renderer) writeStored(b *bytes.Buffer, d store.Directory, u store.User) error {
	schemas := []string{Users.Schema.Core.ID}
	for _, e := range Users.Schema.Extensions {
		if bytes.Contains(u.Attributes, []byte(`"`+e.ID+`":`)) {
			schemas = append(schemas, e.ID)
		}
	}
	groups, err := r.GroupsOf(d, u.ID)
	if err != nil {
		return err
	}
	head, err := json.Marshal(struct {
		Schemas []string `json:"schemas"`
		ID      string   `json:"id"`
		Meta    metadata `json:"meta"`
		Groups  []any    `json:"groups"`
	}{schemas, u.ID, r.metadata(Users, u.ID, u.Version, u.Created, u.Modified), groups})
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

// writeResource writes a resource, with its members at the end if there is a function for them.
func writeResource(b *bytes.Buffer, resource map[string]any, members func(*bytes.Buffer) error) error {
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
