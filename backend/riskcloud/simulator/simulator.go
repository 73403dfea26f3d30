package simulator

import (
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/scimbridge/scimbridge/backend/simulation"
)

// Options of New. The zero value is the strict profile.
type Options struct {
	Profile      string // strict, lenient or partial: which of the ways the vendor's pages allow; "": strict
	ClientID     string // with ClientSecret the only ones that get a token; "": any
	ClientSecret string
	UpdateMethod string // "": PUT
	UpdatePath   string // "": /api/v1/roles/{role}
}

// Server is the simulated vendor. It may be used concurrently.
type Server struct {
	simulation.Journal // the role updates

	options Options
	mux     *http.ServeMux

	mu     sync.Mutex
	people map[string]*person
	roles  map[string]*role
	tokens map[string]bool
	made   int
}

type person struct {
	email, status   string
	autoprovisioned bool
}

type role struct {
	name  string
	users map[string]bool
	sets  map[string]bool
}

// Call is a request that the simulated vendor answered.
type Call = simulation.Call

// Fault is what a test makes the simulated vendor do wrong.
type Fault = simulation.Fault

// New makes a simulated vendor without accounts and roles.
func New(o Options) *Server {
	if o.Profile == "" {
		o.Profile = "strict"
	}
	if o.UpdateMethod == "" {
		o.UpdateMethod = http.MethodPut
	}
	if o.UpdatePath == "" {
		o.UpdatePath = "/api/v1/roles/{role}"
	}
	s := &Server{options: o, mux: http.NewServeMux(), people: map[string]*person{}, roles: map[string]*role{}, tokens: map[string]bool{}}
	s.mux.HandleFunc("POST /api/v1/account/token", s.token)
	s.mux.HandleFunc("GET /api/v1/users", s.authorized(s.listUsers))
	s.mux.HandleFunc("GET /api/v1/roles", s.authorized(s.listRoles))
	s.mux.HandleFunc("POST /api/v1/users", s.authorized(s.createUser))
	s.mux.HandleFunc("PUT /api/v1/users/disable/{user}", s.authorized(s.disableUser))
	s.mux.HandleFunc(o.UpdateMethod+" "+o.UpdatePath, s.authorized(s.update))
	return s
}

// ServeHTTP answers as the vendor does, as far as it is documented, and as the profile does where it is not.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.mux.ServeHTTP(w, r) }

// AddPerson makes an active user, if the address has none, and returns the id, which is always the same for an address.
func (s *Server) AddPerson(email string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	id := simulation.AccountID("rcUser", email)
	if s.people[id] == nil {
		s.people[id] = &person{email: email, status: "Active"}
	}
	return id
}

// Account makes an active user with a given id, or gives it another address.
func (s *Server) Account(id, email string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p := s.people[id]; p != nil {
		p.email = email
		return
	}
	s.people[id] = &person{email: email, status: "Active"}
}

// DeleteAccount ends a user, who then has no role.
func (s *Server) DeleteAccount(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.people, id)
	for _, r := range s.roles {
		delete(r.users, id)
	}
}

// RolesOf returns the roles of a user, sorted.
func (s *Server) RolesOf(id string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := []string{}
	for name, r := range s.roles {
		if r.users[id] {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}

// AddTarget makes a role if it does not exist.
func (s *Server) AddTarget(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.roles[id] == nil {
		s.roles[id] = &role{name: "Role " + id, users: map[string]bool{}, sets: map[string]bool{}}
	}
}

// AddRole makes a role.
func (s *Server) AddRole(id, name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.roles[id] = &role{name: name, users: map[string]bool{}, sets: map[string]bool{}}
}

// Grant gives a role by hand.
func (s *Server) Grant(roleID, id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.roles[roleID].users[id] = true
}

// Revoke removes a role by hand.
func (s *Server) Revoke(roleID, id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.roles[roleID].users, id)
}

// Autoprovision marks a user as managed by the vendor's own SCIM.
func (s *Server) Autoprovision(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.people[id].autoprovisioned = true
}

// ForgetTokens makes every token invalid, as a token made elsewhere may.
func (s *Server) ForgetTokens() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tokens = map[string]bool{}
}

// Roles returns the ids of the roles the address has, sorted.
func (s *Server) Roles(email string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := []string{}
	for id, r := range s.roles {
		for u := range r.users {
			if p := s.people[u]; p != nil && strings.EqualFold(p.email, email) {
				out = append(out, id)
			}
		}
	}
	slices.Sort(out)
	return out
}

// Role returns a role's name and permission sets.
func (s *Server) Role(id string) (name string, sets []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.roles[id]
	return r.name, slices.Sorted(maps.Keys(r.sets))
}

// Status returns the status of a user.
func (s *Server) Status(id string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.people[id].status
}
