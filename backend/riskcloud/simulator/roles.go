package simulator

import (
	"encoding/json"
	"net/http"

	"github.com/scimbridge/scimbridge/backend/simulation"
)

type ref struct {
	Status *string `json:"status"`
	ID     string  `json:"id"`
}

type change struct {
	Name       *string `json:"name"`
	Add        []ref   `json:"usersToAdd"`
	Remove     []ref   `json:"usersToRemove"`
	SetsAdd    []ref   `json:"permissionSetsToAdd"`
	SetsRemove []ref   `json:"permissionSetsToRemove"`
}

func (s *Server) update(w http.ResponseWriter, r *http.Request) {
	var raw json.RawMessage
	var c change
	if json.NewDecoder(r.Body).Decode(&raw) != nil || json.Unmarshal(raw, &c) != nil {
		refuse(w, http.StatusBadRequest)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	id := r.PathValue("role")
	s.Change(w, r, simulation.Change{Body: raw,
		Find: func(w http.ResponseWriter) bool {
			if s.roles[id] == nil {
				refuse(w, http.StatusNotFound)
			}
			return s.roles[id] != nil
		},
		Apply:  func(w http.ResponseWriter) { s.answerUpdate(w, id, s.apply(s.roles[id], c)) },
		Refuse: func(w http.ResponseWriter, status int, _ string) { refuse(w, status) },
	})
}

// answerUpdate answers a role update, which was refused if there is a status.
func (s *Server) answerUpdate(w http.ResponseWriter, id string, refused int) {
	if refused != 0 {
		refuse(w, refused)
		return
	}
	status := http.StatusOK
	if s.options.Profile == "lenient" {
		status = http.StatusCreated
	}
	answer := s.roleJSON(id, false) // users stays empty even on success: the vendor's page
	if s.options.Profile == "partial" {
		answer["userCount"] = -1 // wrong until it is read again
	}
	simulation.Reply(w, status, answer)
}

// apply changes a role and returns the status of a refusal, 0 if there is none. The strict profile checks everything
// before it changes anything.
func (s *Server) apply(target *role, c change) int {
	strict, partial := s.options.Profile == "strict", s.options.Profile == "partial"
	switch {
	case c.Name == nil && strict:
		return http.StatusBadRequest
	case c.Name == nil && partial:
		target.name = ""
	case c.Name != nil:
		target.name = *c.Name
	}
	if strict {
		for _, add := range []bool{false, true} {
			for _, u := range c.refs(add) {
				if status := s.wrong(target, u, add); status != 0 {
					return status
				}
			}
		}
	}
	for _, add := range []bool{false, true} {
		for _, u := range c.refs(add) {
			p := s.people[u.ID]
			switch {
			case p == nil && partial:
				return http.StatusNotFound
			case p == nil:
				continue
			case u.Status == nil && partial:
				return http.StatusBadRequest
			case partial:
				p.status = *u.Status
			}
			if add {
				target.users[u.ID] = true
			} else {
				delete(target.users, u.ID)
			}
		}
	}
	for _, set := range c.SetsAdd {
		target.sets[set.ID] = true
	}
	for _, set := range c.SetsRemove {
		delete(target.sets, set.ID)
	}
	return 0
}

func (c change) refs(add bool) []ref {
	if add {
		return c.Add
	}
	return c.Remove
}

func (s *Server) wrong(target *role, u ref, add bool) int {
	p := s.people[u.ID]
	switch {
	case p == nil:
		return http.StatusNotFound
	case u.Status == nil || *u.Status != p.status, target.users[u.ID] == add, add && p.status != "Active":
		return http.StatusBadRequest
	case p.autoprovisioned:
		return http.StatusForbidden
	}
	return 0
}
