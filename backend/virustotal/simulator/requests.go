package simulator

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/scimbridge/scimbridge/backend/simulation"
)

// ServeHTTP answers as the vendor does, as far as it is documented, and as the profile does where it is not.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	key := r.Header.Get("x-apikey")
	switch {
	case key == "":
		fail(w, http.StatusUnauthorized, "AuthenticationRequiredError", "X-Apikey header is missing")
	case s.options.APIKey != "" && key != s.options.APIKey:
		fail(w, http.StatusUnauthorized, "WrongCredentialsError", "Wrong API key")
	default:
		s.mux.ServeHTTP(w, r)
	}
}

func fail(w http.ResponseWriter, status int, code, message string) {
	simulation.Reply(w, status, map[string]any{"error": map[string]string{"code": code, "message": message}})
}

// group returns a group, or answers that it does not exist.
func (s *Server) group(w http.ResponseWriter, name string) (map[string]*member, bool) {
	if s.options.AnyGroup {
		for id := range s.people {
			s.member(name, id, true)
		}
	}
	g, ok := s.groups[name]
	switch {
	case ok || s.options.AnyGroup:
		return g, true
	case s.options.Profile == "partial":
		fail(w, http.StatusForbidden, "ForbiddenError", "You are not authorized to perform the requested operation")
	default:
		fail(w, http.StatusNotFound, "NotFoundError", fmt.Sprintf("Group %q not found", name))
	}
	return nil, false
}

func (s *Server) listUsers(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	g, ok := s.group(w, r.PathValue("group"))
	if !ok {
		return
	}
	full := r.URL.Query().Get("attributes") == ""
	s.page(w, r, g, func(id string, _ *member) map[string]any {
		attributes := map[string]any{"email": s.people[id], "first_name": "First", "last_name": "Last"}
		if full { // the reason why a client must ask for attributes
			attributes["apikey"] = "SECRET-apikey-of-" + id
		}
		return map[string]any{"type": "user", "id": id, "attributes": attributes}
	})
}

func (s *Server) listRoles(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	g, ok := s.group(w, r.PathValue("group"))
	if !ok {
		return
	}
	now := s.options.Now()
	s.page(w, r, g, func(id string, m *member) map[string]any {
		out := map[string]any{"type": "user", "id": id}
		held := m.roles
		if now.Before(m.from) {
			held = m.shown
		}
		names := slices.Sorted(maps.Keys(held))
		switch s.options.Profile {
		case "lenient":
			out["context_attributes"] = map[string]any{"roles": append([]string{}, names...)}
		case "partial":
			list := []any{}
			for _, n := range names {
				list = append(list, map[string]any{"role": n, "granted": true})
			}
			out["context_attributes"] = map[string]any{"roles": list}
		}
		return out
	})
}

// listAdmins is documented for every tenant.
func (s *Server) listAdmins(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	g, ok := s.group(w, r.PathValue("group"))
	if !ok {
		return
	}
	admins := map[string]*member{}
	for id, m := range g {
		if m.roles[adminRole] {
			admins[id] = m
		}
	}
	s.page(w, r, admins, func(id string, _ *member) map[string]any { return map[string]any{"type": "user", "id": id} })
}

// invite invites addresses. They become members once the invitation is accepted: Accept.
func (s *Server) invite(w http.ResponseWriter, r *http.Request) {
	var body struct {
		Data []struct{ Type, ID string }
	}
	var raw json.RawMessage
	if json.NewDecoder(r.Body).Decode(&raw) != nil || json.Unmarshal(raw, &body) != nil {
		fail(w, http.StatusBadRequest, "BadRequestError", "SECRET")
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	group := r.PathValue("group")
	s.Record(Call{Method: r.Method, Path: r.URL.Path, Body: raw, Status: http.StatusOK})
	for _, d := range body.Data {
		if !strings.Contains(d.ID, "@") {
			fail(w, http.StatusBadRequest, "InvalidArgumentError", "SECRET")
			return
		}
		if s.options.Profile == "strict" && s.lists(group, d.ID) {
			fail(w, http.StatusConflict, "AlreadyExistsError", "SECRET")
			return
		}
		s.invited = append(s.invited, [2]string{group, d.ID})
	}
	simulation.Reply(w, http.StatusOK, map[string]any{})
}

// lists reports whether an address is already a member's.
func (s *Server) lists(group, email string) bool {
	for id := range s.groups[group] {
		if strings.EqualFold(s.people[id], email) {
			return true
		}
	}
	return false
}

func (s *Server) removeMember(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	group, id := r.PathValue("group"), r.PathValue("user")
	s.Record(Call{Method: r.Method, Path: r.URL.Path, Status: http.StatusOK})
	if s.groups[group][id] == nil {
		fail(w, map[string]int{"strict": 404, "lenient": 200, "partial": 400}[s.options.Profile], "NotFoundError", "SECRET")
		return
	}
	delete(s.groups[group], id)
	w.Header().Set("Content-Type", "text/plain")
	w.WriteHeader(map[string]int{"strict": 200, "lenient": 200, "partial": 204}[s.options.Profile])
}

// page writes one page of a collection, ten items unless asked otherwise.
func (s *Server) page(w http.ResponseWriter, r *http.Request, g map[string]*member, render func(string, *member) map[string]any) {
	limit, start := 10, 0
	if n, err := strconv.Atoi(r.URL.Query().Get("limit")); err == nil && n > 0 {
		limit = min(n, 40)
	}
	if n, err := strconv.Atoi(strings.TrimPrefix(r.URL.Query().Get("cursor"), "c")); err == nil {
		start = n
	}
	ids := slices.Sorted(maps.Keys(g))
	data := []any{}
	page, more := simulation.Page(ids, start, limit)
	for _, id := range page {
		data = append(data, render(id, g[id]))
	}
	meta, links := map[string]any{"count": len(ids)}, map[string]any{"self": "https://vendor.invalid" + r.URL.Path}
	if more {
		cursor := fmt.Sprintf("c%d", start+limit)
		meta["cursor"], links["next"] = cursor, "https://vendor.invalid"+r.URL.Path+"?cursor="+cursor
	}
	simulation.Reply(w, http.StatusOK, map[string]any{"data": data, "meta": meta, "links": links})
}
