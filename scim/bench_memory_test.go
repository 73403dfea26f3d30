package scim_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"

	elimity "github.com/elimity-com/scim"
	scimerrors "github.com/elimity-com/scim/errors"
	"github.com/elimity-com/scim/optional"
	"github.com/elimity-com/scim/schema"
	fp "github.com/scim2/filter-parser/v2"
)

// memory is the most that the library alone gives: its server over maps with the indexes that the
// requests need, and no durability. It applies PATCH to members, answers 204, and returns members
// as structs, the form that it writes fastest.
type memory struct {
	mu     sync.RWMutex
	users  map[string]elimity.Resource
	byName map[string]string
	groups map[string]*memoryGroup
}

type memoryGroup struct {
	name    string
	members map[string]int // place in order
	order   []memoryMember
	version int
}

type memoryMember struct {
	Value string `json:"value"`
	Type  string `json:"type"`
	Ref   string `json:"$ref"`
}

func (g *memoryGroup) add(id string) {
	if _, in := g.members[id]; !in {
		g.members[id] = len(g.order)
		g.order = append(g.order, memoryMember{id, "User", "https://scim.example.com/scim/v2/Users/" + id})
	}
}

func (g *memoryGroup) remove(id string) {
	i, in := g.members[id]
	if !in {
		return
	}
	last := len(g.order) - 1
	g.order[i] = g.order[last]
	g.members[g.order[i].Value] = i
	g.order = g.order[:last]
	delete(g.members, id)
}

type memoryUsers struct{ *memory }

func (m memoryUsers) Create(*http.Request, elimity.ResourceAttributes) (elimity.Resource, error) {
	return elimity.Resource{}, scimerrors.ScimErrorInternal
}

func (m memoryUsers) Get(_ *http.Request, id string) (elimity.Resource, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.users[id], nil
}

func (m memoryUsers) GetAll(_ *http.Request, p elimity.ListRequestParams) (elimity.Page, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if e, ok := p.FilterValidator.GetFilter().(*fp.AttributeExpression); ok && e.AttributePath.AttributeName == "userName" {
		name, _ := e.CompareValue.(string)
		if id, ok := m.byName[strings.ToLower(name)]; ok {
			return elimity.Page{TotalResults: 1, Resources: []elimity.Resource{m.users[id]}}, nil
		}
	}
	return elimity.Page{Resources: []elimity.Resource{}}, nil
}

func (m memoryUsers) Replace(*http.Request, string, elimity.ResourceAttributes) (elimity.Resource, error) {
	return elimity.Resource{}, scimerrors.ScimErrorInternal
}

func (m memoryUsers) Delete(*http.Request, string) error { return scimerrors.ScimErrorInternal }

func (m memoryUsers) Patch(*http.Request, string, []elimity.PatchOperation) (elimity.Resource, error) {
	return elimity.Resource{}, scimerrors.ScimErrorInternal
}

type memoryGroups struct{ memoryUsers }

// Get returns all: the library knows no projection.
func (m memoryGroups) Get(_ *http.Request, id string) (elimity.Resource, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	g := m.groups[id]
	attrs := elimity.ResourceAttributes{"displayName": g.name, "members": append([]memoryMember(nil), g.order...)}
	return elimity.Resource{ID: id, Attributes: attrs, Meta: elimity.Meta{Version: fmt.Sprintf(`W/"%d"`, g.version)}}, nil
}

func (m memoryGroups) Patch(_ *http.Request, id string, ops []elimity.PatchOperation) (elimity.Resource, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	g := m.groups[id]
	g.version++
	for _, op := range ops {
		if op.Op == "remove" {
			if e, ok := op.Path.ValueExpression.(*fp.AttributeExpression); ok {
				value, _ := e.CompareValue.(string)
				g.remove(value)
			}
			continue
		}
		list, _ := op.Value.([]interface{})
		for _, v := range list {
			if one, ok := v.(map[string]interface{}); ok {
				value, _ := one["value"].(string)
				g.add(value)
			}
		}
	}
	return elimity.Resource{}, nil
}

func (m *memory) handler() (http.Handler, error) {
	s, err := elimity.NewServer(&elimity.ServerArgs{ServiceProviderConfig: &elimity.ServiceProviderConfig{MaxResults: 200, SupportFiltering: true, SupportPatch: true},
		ResourceTypes: []elimity.ResourceType{
			{ID: optional.NewString("User"), Name: "User", Endpoint: "/Users", Schema: schema.CoreUserSchema(), Handler: memoryUsers{m}},
			{ID: optional.NewString("Group"), Name: "Group", Endpoint: "/Groups", Schema: schema.CoreGroupSchema(), Handler: memoryGroups{memoryUsers{m}}},
		}}, elimity.WithBaseURL("https://scim.example.com/scim/v2"))
	return http.StripPrefix("/scim/v2", s), err
}
