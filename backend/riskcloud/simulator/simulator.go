package simulator

import (
	"encoding/json"
	"fmt"
	"hash/fnv"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
)

// Options of New. The zero value is the strict profile.
type Options struct {
	Profile      string // strict, lenient or partial: which of the ways that the vendor leaves open; "": strict
	ClientID     string // with ClientSecret the only ones that get a token; "": any
	ClientSecret string
	UpdateMethod string // "": PUT
	UpdatePath   string // "": /api/v1/roles/{role}
}

// Server is the stand-in. It may be used concurrently.
type Server struct {
	options Options
	mux     *http.ServeMux

	mu     sync.Mutex
	people map[string]*person
	roles  map[string]*role
	tokens map[string]bool
	made   int
	faults []Fault
	calls  []Call
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

// Call is a request that changed something, or tried to.
type Call struct {
	Method, Path string
	Body         json.RawMessage
	Status       int
}

// Fault is what happens to the next role update.
type Fault struct {
	Status     int
	RetryAfter string
	HTML       bool
	Apply      bool // it takes effect all the same
	Drop       bool // the connection is cut instead of an answer
}

// New makes a stand-in without people and roles.
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
	h := fnv.New64a()
	_, _ = h.Write([]byte(strings.ToLower(email))) // a hash never fails
	id := fmt.Sprintf("rcUser%016x", h.Sum64())
	if s.people[id] == nil {
		s.people[id] = &person{email: email, status: "Active"}
	}
	return id
}

// Account makes an active user with an id of the caller's choice, or gives one another address.
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

// Revoke takes a role by hand.
func (s *Server) Revoke(roleID, id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.roles[roleID].users, id)
}

// Autoprovision marks a person as managed by the vendor's own SCIM.
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

// Fail lets the next role updates fail.
func (s *Server) Fail(faults ...Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = append(s.faults, faults...)
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

// Status returns the status of a person.
func (s *Server) Status(id string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.people[id].status
}

// Calls returns the role updates, also those that failed.
func (s *Server) Calls() []Call {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.calls)
}

func reply(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // the client went away: nobody to tell
}

func refuse(w http.ResponseWriter, status int) {
	reply(w, status, map[string]any{"status": fmt.Sprint(status), "message": "SECRET-message"})
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
	reply(w, http.StatusOK, map[string]any{"access_token": token, "token_type": "bearer", "expires_in": 31532918, "scope": "read write"})
}

func (s *Server) authorized(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		known := s.tokens[strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")]
		s.mu.Unlock()
		if !known {
			reply(w, http.StatusUnauthorized, map[string]any{"error": "invalid_token"})
			return
		}
		next(w, r)
	}
}

// userJSON writes the key status twice, as the vendor does.
func (s *Server) userJSON(id string) json.RawMessage {
	p := s.people[id]
	held := []string{} // shown with people where roles do not show their users
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
		reply(w, http.StatusOK, items)
		return
	}
	const size = 2
	page := 0
	_, _ = fmt.Sscan(r.URL.Query().Get("page"), &page) // no number: the first page
	part := items[min(page*size, len(items)):min((page+1)*size, len(items))]
	reply(w, http.StatusOK, map[string]any{"content": part, "number": page, "size": size, "totalElements": len(items),
		"totalPages": (len(items) + size - 1) / size, "first": page == 0, "last": (page+1)*size >= len(items)})
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
	reply(w, http.StatusCreated, s.userJSON(id))
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
	reply(w, http.StatusOK, s.userJSON(r.PathValue("user")))
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
	status := 0
	defer func() { s.calls = append(s.calls, Call{r.Method, r.URL.Path, raw, status}) }()
	target := s.roles[id]
	if target == nil {
		status = http.StatusNotFound
		refuse(w, status)
		return
	}
	if len(s.faults) > 0 {
		f := s.faults[0]
		s.faults = s.faults[1:]
		if f.Apply {
			s.apply(target, c)
		}
		status = f.Status
		f.answer(w)
		return
	}
	if status = s.apply(target, c); status != 0 {
		refuse(w, status)
		return
	}
	status = map[string]int{"lenient": http.StatusCreated}[s.options.Profile]
	if status == 0 {
		status = http.StatusOK
	}
	answer := s.roleJSON(id, false) // users stays empty even on success: the vendor's page
	if s.options.Profile == "partial" {
		answer["userCount"] = -1 // wrong until it is read again
	}
	reply(w, status, answer)
}

func (f Fault) answer(w http.ResponseWriter) {
	if f.Drop {
		panic(http.ErrAbortHandler)
	}
	if f.RetryAfter != "" {
		w.Header().Set("Retry-After", f.RetryAfter)
	}
	if f.HTML {
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(f.Status)
		_, _ = w.Write([]byte("<html>SECRET-body</html>")) // the client went away: nobody to tell
		return
	}
	refuse(w, f.Status)
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
