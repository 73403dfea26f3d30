package simulator

import (
	"encoding/json"
	"fmt"
	"hash/fnv"
	"maps"
	"net/http"
	"net/mail"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Options of New. The zero value is the strict profile.
type Options struct {
	Profile string           // strict, lenient or partial: which of the ways that the vendor leaves open; "": strict
	APIKey  string           // the only key that is accepted; "": any
	Now     func() time.Time // nil: time.Now
	// AnyGroup lets every group exist, with everybody in it, as `url: simulated` needs it.
	AnyGroup bool
}

// adminRole administers a group.
const adminRole = "USER_ROLE_GROUP_ADMIN"

// lag is how long reads are behind writes in the profiles that have it.
const lag = 2 * time.Second

// Server is the stand-in. It may be used concurrently.
type Server struct {
	options Options
	mux     *http.ServeMux

	mu     sync.Mutex
	people map[string]string // id -> e-mail
	order  []string
	groups map[string]map[string]*member
	faults []Fault
	calls  []Call

	invited [][2]string // group, e-mail
}

type member struct {
	roles map[string]bool
	shown map[string]bool // what reads return until `from`
	from  time.Time
}

// Call is a request that changed something, or tried to.
type Call struct {
	Method, Path string
	Body         json.RawMessage
	Status       int
}

// Fault is what happens to the next call that changes something.
type Fault struct {
	Status     int
	Code       string
	RetryAfter string
	HTML       bool
	Apply      bool // it takes effect all the same
	Drop       bool // the connection is cut instead of an answer
}

// New makes a stand-in without people and groups.
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
	h := fnv.New64a()
	_, _ = h.Write([]byte(strings.ToLower(email))) // a hash never fails
	id := fmt.Sprintf("vtuser%016x", h.Sum64())
	if _, ok := s.people[id]; !ok {
		s.people[id] = email
		s.order = append(s.order, id)
	}
	return id
}

// Account makes an account with an id of the caller's choice, or gives one another address.
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

// Join makes a person a member of a group.
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

// Revoke takes a role by hand.
func (s *Server) Revoke(group, id, role string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.member(group, id, true).roles, role)
}

// Fail lets the next changing calls fail.
func (s *Server) Fail(faults ...Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = append(s.faults, faults...)
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

// Calls returns the calls that changed something, or tried to.
func (s *Server) Calls() []Call {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.calls)
}

// member finds a member; make adds a known person.
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
	reply(w, status, map[string]any{"error": map[string]string{"code": code, "message": message}})
}

func reply(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // the client went away: nobody to tell
}

// group finds a group or answers that there is none.
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
		if full { // what makes asking for attributes a duty
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

// invite adds members by e-mail; who has no account is a member once they have accepted: Accept.
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
	s.calls = append(s.calls, Call{r.Method, r.URL.Path, raw, http.StatusOK})
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
	reply(w, http.StatusOK, map[string]any{})
}

// lists says whether the address is a member's already.
func (s *Server) lists(group, email string) bool {
	for id := range s.groups[group] {
		if strings.EqualFold(s.people[id], email) {
			return true
		}
	}
	return false
}

// Accept lets everybody who was invited have an account and be a member.
func (s *Server) Accept() {
	s.mu.Lock()
	invited := s.invited
	s.invited = nil
	s.mu.Unlock()
	for _, i := range invited {
		s.Join(i[0], s.AddPerson(i[1]))
	}
}

func (s *Server) removeMember(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	group, id := r.PathValue("group"), r.PathValue("user")
	s.calls = append(s.calls, Call{r.Method, r.URL.Path, nil, http.StatusOK})
	if s.groups[group][id] == nil {
		fail(w, map[string]int{"strict": 404, "lenient": 200, "partial": 400}[s.options.Profile], "NotFoundError", "SECRET")
		return
	}
	delete(s.groups[group], id)
	w.Header().Set("Content-Type", "text/plain")
	w.WriteHeader(map[string]int{"strict": 200, "lenient": 200, "partial": 204}[s.options.Profile])
}

// Member says whether somebody is a member of a group.
func (s *Server) Member(group, id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.groups[group][id] != nil
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
	for _, id := range ids[min(start, len(ids)):min(start+limit, len(ids))] {
		data = append(data, render(id, g[id]))
	}
	meta, links := map[string]any{"count": len(ids)}, map[string]any{"self": "https://vendor.invalid" + r.URL.Path}
	if start+limit < len(ids) {
		cursor := fmt.Sprintf("c%d", start+limit)
		meta["cursor"], links["next"] = cursor, "https://vendor.invalid"+r.URL.Path+"?cursor="+cursor
	}
	reply(w, http.StatusOK, map[string]any{"data": data, "meta": meta, "links": links})
}

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
	rec := &statusRecorder{ResponseWriter: w}
	defer func() {
		s.calls = append(s.calls, Call{r.Method, r.URL.Path, raw, rec.status})
	}()
	if _, ok := s.group(rec, r.PathValue("group")); !ok {
		return
	}
	if len(s.faults) > 0 {
		f := s.faults[0]
		s.faults = s.faults[1:]
		if f.Apply {
			s.apply(&statusRecorder{ResponseWriter: discard{}}, r.PathValue("group"), body.Data)
		}
		f.answer(rec)
		return
	}
	s.apply(rec, r.PathValue("group"), body.Data)
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
	fail(w, f.Status, f.Code, "SECRET-message")
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
		reply(w, http.StatusOK, map[string]any{"data": list})
	default:
		reply(w, http.StatusOK, map[string]any{})
	}
}

// wrong says how the profile refuses an entry; 0 if it does not.
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

// last says whether somebody is the only administrator of a group.
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

type statusRecorder struct {
	http.ResponseWriter
	status int
}

func (r *statusRecorder) WriteHeader(status int) {
	r.status = status
	r.ResponseWriter.WriteHeader(status)
}

// discard is an answer that nobody reads.
type discard struct{}

func (discard) Header() http.Header         { return http.Header{} }
func (discard) Write(b []byte) (int, error) { return len(b), nil }
func (discard) WriteHeader(int)             {}
