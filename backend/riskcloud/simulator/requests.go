package simulator

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/scimbridge/scimbridge/backend/simulation"
)

func refuse(w http.ResponseWriter, status int) {
	simulation.Reply(w, status, map[string]any{"status": fmt.Sprint(status), "message": "SECRET-message"})
}

func (s *Server) token(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	id, secret, ok := r.BasicAuth()
	if !ok || s.options.ClientID != "" && (id != s.options.ClientID || secret != s.options.ClientSecret) {
		refuse(w, http.StatusUnauthorized)
		return
	}
	switch s.options.Profile {
	case "strict": // a new token ends the old one
		s.tokens = map[string]bool{}
		s.made++
	case "partial":
		s.made++
	default: // the same one until it expires
		s.made = 1
	}
	token := fmt.Sprintf("SECRET-token-%d", s.made)
	s.tokens[token] = true
	simulation.Reply(w, http.StatusOK, map[string]any{"access_token": token, "token_type": "bearer", "expires_in": 31532918, "scope": "read write"})
}

func (s *Server) authorized(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		known := s.tokens[strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")]
		s.mu.Unlock()
		if !known {
			simulation.Reply(w, http.StatusUnauthorized, map[string]any{"error": "invalid_token"})
			return
		}
		next(w, r)
	}
}

// userJSON writes the key status twice, as the vendor does.
func (s *Server) userJSON(id string) json.RawMessage {
	p := s.people[id]
	held := []string{} // users show their roles where roles do not show their users
	for _, r := range slices.Sorted(maps.Keys(s.roles)) {
		if s.options.Profile == "partial" && s.roles[r].users[id] {
			held = append(held, r)
		}
	}
	ids, err := json.Marshal(held)
	if err != nil {
		ids = []byte("[]") // a list of strings can be written
	}
	return json.RawMessage(fmt.Sprintf(`{"status":%q,"id":%q,"active":true,"created":1698347073689,"updated":1698458359021,"valueType":"User","discriminator":%q,"email":%q,"status":%q,"autoprovisioned":%v,"roleIds":%s}`,
		p.status, id, p.status, p.email, p.status, p.autoprovisioned, ids))
}

// list writes a plain array, or pages of two in the lenient profile.
func (s *Server) list(w http.ResponseWriter, r *http.Request, items []any) {
	if s.options.Profile != "lenient" {
		simulation.Reply(w, http.StatusOK, items)
		return
	}
	const size = 2
	page := 0
	_, _ = fmt.Sscan(r.URL.Query().Get("page"), &page) // no number: the first page
	part, more := simulation.Page(items, page*size, size)
	simulation.Reply(w, http.StatusOK, map[string]any{"content": part, "number": page, "size": size, "totalElements": len(items),
		"totalPages": (len(items) + size - 1) / size, "first": page == 0, "last": !more})
}

func (s *Server) listUsers(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	items := []any{}
	for _, id := range slices.Sorted(maps.Keys(s.people)) {
		items = append(items, s.userJSON(id))
	}
	s.list(w, r, items)
}

func (s *Server) createUser(w http.ResponseWriter, r *http.Request) {
	var body struct{ Email, Status, Tier string }
	if json.NewDecoder(r.Body).Decode(&body) != nil || body.Email == "" || body.Status == "" || body.Tier == "" {
		refuse(w, http.StatusBadRequest)
		return
	}
	id := s.AddPerson(body.Email)
	s.mu.Lock()
	defer s.mu.Unlock()
	simulation.Reply(w, http.StatusCreated, s.userJSON(id))
}

func (s *Server) disableUser(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.people[r.PathValue("user")]
	if p == nil {
		refuse(w, http.StatusNotFound)
		return
	}
	p.status = "Disabled"
	simulation.Reply(w, http.StatusOK, s.userJSON(r.PathValue("user")))
}

func (s *Server) roleJSON(id string, users bool) map[string]any {
	r := s.roles[id]
	list := []any{}
	if users {
		for _, u := range slices.Sorted(maps.Keys(r.users)) {
			list = append(list, s.userJSON(u))
		}
	}
	return map[string]any{"id": id, "active": true, "name": r.name, "locked": false, "superAdmin": false, "autoprovisioned": false,
		"stepPermissionSets": []any{}, "moduleEntitlements": []any{}, "users": list, "userCount": len(r.users), "moduleCount": 0}
}

func (s *Server) listRoles(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	items := []any{}
	for _, id := range slices.Sorted(maps.Keys(s.roles)) {
		items = append(items, s.roleJSON(id, s.options.Profile != "partial"))
	}
	s.list(w, r, items)
}
