package simulator

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/mail"
	"slices"
	"strings"

	"github.com/scimbridge/scimbridge/backend/simulation"
)

type entry struct {
	Type    string              `json:"type"`
	ID      string              `json:"id"`
	Context map[string][]string `json:"context_attributes"`
}

func (s *Server) change(w http.ResponseWriter, r *http.Request) {
	var body struct {
		Data []entry `json:"data"`
	}
	var raw json.RawMessage
	if json.NewDecoder(r.Body).Decode(&raw) != nil || json.Unmarshal(raw, &body) != nil || len(body.Data) == 0 {
		fail(w, http.StatusBadRequest, "BadRequestError", "Bad request")
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	group := r.PathValue("group")
	s.Change(w, r, simulation.Change{Body: raw,
		Find: func(w http.ResponseWriter) bool {
			_, ok := s.group(w, group)
			return ok
		},
		Apply:  func(w http.ResponseWriter) { s.apply(w, group, body.Data) },
		Refuse: func(w http.ResponseWriter, status int, code string) { fail(w, status, code, "SECRET-message") },
	})
}

// apply changes roles entry by entry. The strict profile checks everything before it changes anything.
func (s *Server) apply(w http.ResponseWriter, group string, data []entry) {
	if s.options.Profile == "strict" {
		for i, e := range data {
			again := slices.ContainsFunc(data[:i], func(o entry) bool { return o.ID == e.ID })
			if status, code := s.wrong(group, e, again); status != 0 {
				fail(w, status, code, "refused")
				return
			}
		}
	}
	for _, e := range data {
		if status, code := s.wrong(group, e, false); status != 0 {
			if s.options.Profile == "lenient" && status == http.StatusNotFound {
				continue
			}
			fail(w, status, code, "refused") // partial: what came before stays applied
			return
		}
		s.set(s.member(group, e.ID, false), e)
	}
	switch s.options.Profile {
	case "lenient":
		w.WriteHeader(http.StatusOK)
	case "partial":
		list := []any{}
		for _, e := range data {
			list = append(list, map[string]any{"type": "user", "id": e.ID, "context_attributes": map[string]any{
				"roles": slices.Sorted(maps.Keys(s.member(group, e.ID, false).roles))}})
		}
		simulation.Reply(w, http.StatusOK, map[string]any{"data": list})
	default:
		simulation.Reply(w, http.StatusOK, map[string]any{})
	}
}

// wrong returns how the profile refuses an entry; 0 if it accepts it.
func (s *Server) wrong(group string, e entry, again bool) (int, string) {
	strict := s.options.Profile == "strict"
	if _, err := mail.ParseAddress(e.ID); err == nil && strict {
		return http.StatusBadRequest, "InvalidArgumentError"
	}
	m := s.member(group, e.ID, false)
	if m == nil {
		return http.StatusNotFound, "NotFoundError"
	}
	if strict && (again || len(e.Context) != 1) {
		return http.StatusBadRequest, "InvalidArgumentError"
	}
	for op, roles := range e.Context {
		for _, role := range roles {
			if !strings.HasPrefix(role, "USER_ROLE_") && s.options.Profile != "partial" {
				return http.StatusBadRequest, "InvalidArgumentError"
			}
			switch {
			case op != "remove_roles":
			case strict && !m.roles[role]:
				return http.StatusBadRequest, "InvalidArgumentError"
			case role == adminRole && strict && s.last(group, e.ID):
				return http.StatusBadRequest, "InvalidArgumentError"
			case role == adminRole && s.options.Profile == "partial" && s.last(group, e.ID):
				return http.StatusForbidden, "ForbiddenError"
			}
		}
	}
	return 0, ""
}

// last reports whether an account is the only administrator of a group.
func (s *Server) last(group, id string) bool {
	for other, m := range s.groups[group] {
		if other != id && m.roles[adminRole] {
			return false
		}
	}
	return s.groups[group][id].roles[adminRole]
}

func (s *Server) set(m *member, e entry) {
	if s.options.Profile != "strict" {
		m.shown, m.from = maps.Clone(m.roles), s.options.Now().Add(lag)
	}
	if roles, ok := e.Context["roles"]; ok {
		m.roles = map[string]bool{}
		for _, r := range roles {
			m.roles[r] = true
		}
	}
	for _, r := range e.Context["add_roles"] {
		m.roles[r] = true
	}
	for _, r := range e.Context["remove_roles"] {
		delete(m.roles, r)
	}
}
