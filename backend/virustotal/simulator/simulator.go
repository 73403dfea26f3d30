package simulator

import (
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/scimbridge/scimbridge/backend/simulation"
)

// Options of New. The zero value is the strict profile.
type Options struct {
	Profile string           // strict, lenient or partial: which of the ways the vendor's pages allow; "": strict
	APIKey  string           // the only key that is accepted; "": any
	Now     func() time.Time // nil: time.Now
	// AnyGroup makes every group exist with every account in it, as `url: simulated` needs.
	AnyGroup bool
}

// adminRole administers a group.
const adminRole = "USER_ROLE_GROUP_ADMIN"

// lag is how long reads are behind writes in the lenient and partial profiles.
const lag = 2 * time.Second

// Server is the simulated vendor. It may be used concurrently.
type Server struct {
	simulation.Journal // the calls that change something

	options Options
	mux     *http.ServeMux

	mu     sync.Mutex
	people map[string]string // id -> e-mail
	order  []string
	groups map[string]map[string]*member

	invited [][2]string // group, e-mail
}

type member struct {
	roles map[string]bool
	shown map[string]bool // what reads return until `from`
	from  time.Time
}

// Call is a request that the simulated vendor answered.
type Call = simulation.Call

// Fault is what a test makes the simulated vendor do wrong.
type Fault = simulation.Fault

// New makes a simulated vendor without accounts and groups.
func New(o Options) *Server {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Profile == "" {
		o.Profile = "strict"
	}
	s := &Server{options: o, mux: http.NewServeMux(), people: map[string]string{}, groups: map[string]map[string]*member{}}
	s.mux.HandleFunc("GET /groups/{group}/users", s.listUsers)
	s.mux.HandleFunc("GET /groups/{group}/relationships/users", s.listRoles)
	s.mux.HandleFunc("GET /groups/{group}/relationships/administrators", s.listAdmins)
	s.mux.HandleFunc("PATCH /groups/{group}/relationships/users", s.change)
	s.mux.HandleFunc("POST /groups/{group}/relationships/users", s.invite)
	s.mux.HandleFunc("DELETE /groups/{group}/relationships/users/{user}", s.removeMember)
	return s
}

// AddPerson makes an account, if the address has none, and returns its id, which is always the same for an address.
func (s *Server) AddPerson(email string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	id := simulation.AccountID("vtuser", email)
	if _, ok := s.people[id]; !ok {
		s.people[id] = email
		s.order = append(s.order, id)
	}
	return id
}

// Account makes an account with a given id, or gives it another address.
func (s *Server) Account(id, email string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.people[id]; !ok {
		s.order = append(s.order, id)
	}
	s.people[id] = email
}

// DeleteAccount ends an account and all its memberships.
func (s *Server) DeleteAccount(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.people, id)
	s.order = slices.DeleteFunc(s.order, func(o string) bool { return o == id })
	for _, g := range s.groups {
		delete(g, id)
	}
}

// RolesOf returns "group role" for every role an account holds, sorted.
func (s *Server) RolesOf(id string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := []string{}
	for group, members := range s.groups {
		if m := members[id]; m != nil {
			for role := range m.roles {
				out = append(out, group+" "+role)
			}
		}
	}
	slices.Sort(out)
	return out
}

// AddTarget makes a group if it does not exist.
func (s *Server) AddTarget(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.groups[id] == nil {
		s.groups[id] = map[string]*member{}
	}
}

// Join makes an account a member of a group.
func (s *Server) Join(group, id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.member(group, id, true)
}

// Grant gives a role by hand.
func (s *Server) Grant(group, id, role string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.member(group, id, true).roles[role] = true
}

// Revoke removes a role by hand.
func (s *Server) Revoke(group, id, role string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.member(group, id, true).roles, role)
}

// Roles returns "group role" for every role the address holds, sorted.
func (s *Server) Roles(email string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := []string{}
	for group, members := range s.groups {
		for id, m := range members {
			if strings.EqualFold(s.people[id], email) {
				for role := range m.roles {
					out = append(out, group+" "+role)
				}
			}
		}
	}
	slices.Sort(out)
	return out
}

// member returns a member. With join, or where any group exists, it adds an account that is not
// one.
func (s *Server) member(group, id string, join bool) *member {
	g := s.groups[group]
	if g == nil && (join || s.options.AnyGroup) {
		g = map[string]*member{}
		s.groups[group] = g
	}
	m := g[id]
	if _, known := s.people[id]; m == nil && known && (join || s.options.AnyGroup) {
		m = &member{roles: map[string]bool{}}
		g[id] = m
	}
	return m
}

// Accept makes an account and a membership of every invitation.
func (s *Server) Accept() {
	s.mu.Lock()
	invited := s.invited
	s.invited = nil
	s.mu.Unlock()
	for _, i := range invited {
		s.Join(i[0], s.AddPerson(i[1]))
	}
}

// Member reports whether an account is a member of a group.
func (s *Server) Member(group, id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.groups[group][id] != nil
}
