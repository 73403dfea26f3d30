package bridge_test

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

// asked sends a PATCH as Entra and returns the id of the request.
func (s *setup) asked(path, operations string) string {
	s.t.Helper()
	body := `{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[` + operations + `]}`
	req, err := http.NewRequestWithContext(context.Background(), http.MethodPatch, s.scim+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+entraToken)
	req.Header.Set("Content-Type", "application/scim+json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer res.Body.Close()
	got, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode >= 300 {
		s.t.Fatalf("PATCH %s: %d %v %s", path, res.StatusCode, err, got)
	}
	return res.Header.Get("X-Request-Id")
}

// caused waits until the trail has exactly so many events of each kind about a request, and no
// more.
func (s *setup) caused(request string, want map[string]int) {
	s.t.Helper()
	got := map[string]int{}
	look := time.NewTicker(20 * time.Millisecond)
	defer look.Stop()
	for limit := time.Now().Add(patience); time.Now().Before(limit); <-look.C {
		quiet := s.metric(`scimbridge_pending_changes{backend="vt"}`) == "0"
		clear(got)
		for _, line := range s.trail("type actor initiator", "--request", request) {
			got[line]++
		}
		if quiet && maps.Equal(got, want) {
			return
		}
	}
	s.t.Fatalf("of request %s the trail has %v, want %v", request, got, want)
}

// TestRequestOfAGrant finds the request behind a grant or a revocation, and the grants and
// revocations behind a request.
func TestRequestOfAGrant(t *testing.T) {
	t.Parallel()
	s := newSetup(t, "strict", "batch: {size: 25, wait: 20ms}")
	s.fixConsole()
	s.start()
	const people = 120 // a change of so many members is one mark
	var ids, list []string
	for i := range people {
		email := fmt.Sprintf("p%03d@example.com", i)
		s.person(email)
		ids = append(ids, s.user(email))
		list = append(list, fmt.Sprintf(`{"value":%q}`, ids[i]))
	}
	admins, analysts := s.group("VT Admins"), s.group("team-1")

	joined := s.asked("/Groups/"+admins, `{"op":"add","path":"members","value":[`+strings.Join(list, ",")+`]}`)
	s.caused(joined, map[string]int{"group.members entra -": 1, "grant bridge entra": people})
	few := s.asked("/Groups/"+analysts, `{"op":"add","path":"members","value":[`+strings.Join(list[:2], ",")+`]}`)
	s.caused(few, map[string]int{"group.members entra -": 1, "grant bridge entra": 2})
	left := s.asked("/Users/"+ids[0], `{"op":"replace","path":"active","value":false}`)
	s.caused(left, map[string]int{"user.deactivate entra -": 1, "revoke bridge entra": 2})
	back := s.asked("/Users/"+ids[0], `{"op":"replace","path":"active","value":true}`)
	s.caused(back, map[string]int{"user.activate entra -": 1, "grant bridge entra": 2})
	title := s.asked("/Users/"+ids[0], `{"op":"replace","path":"title","value":"Analyst"}`)
	s.caused(title, map[string]int{"user.patch entra -": 1})
	alone := s.asked("/Groups/"+analysts, `{"op":"remove","path":"members","value":[`+list[1]+`]}`)
	s.caused(alone, map[string]int{"group.members entra -": 1, "revoke bridge entra": 1})

	emptied := s.asked("/Groups/"+admins, `{"op":"remove","path":"members"}`)
	s.caused(emptied, map[string]int{"group.members entra -": 1, "hold bridge entra": people})
	held := strings.Fields(s.trail("detail", "--request", emptied)[1])[0]
	if code, out := s.command("hold", "approve", held); code != 0 {
		t.Fatalf("%d %s", code, out)
	}
	s.caused(emptied, map[string]int{"group.members entra -": 1, "hold bridge entra": people})
	approved := ""
	for _, line := range s.trail("type request detail") {
		if rest, ok := strings.CutPrefix(line, "hold.approve "); ok && strings.Contains(rest, " "+held+" ") {
			approved, _, _ = strings.Cut(rest, " ")
		}
	}
	s.caused(approved, map[string]int{"hold.approve operator -": people, "revoke bridge operator": people})

	credential := strings.Fields(s.trail("token", "--request", joined)[0])[0]
	var want []string
	for _, e := range []struct{ request, token, types string }{{joined, credential, "group.members grant"}, {few, credential, "group.members grant"}, {left, credential, "user.deactivate revoke revoke"},
		{back, credential, "user.activate grant grant"}, {title, credential, "user.patch"}, {emptied, credential, "group.members hold"}, {approved, "key_file:local", "hold.approve revoke"}} {
		for kind := range strings.FieldsSeq(e.types) {
			want = append(want, kind+" "+e.request+" "+e.token)
		}
	}
	got := s.trail("type request token", "--person", "p000@example.com")
	got = slices.DeleteFunc(got, func(line string) bool { return strings.HasPrefix(line, "user.create ") })
	if !slices.Equal(got, want) {
		t.Errorf("of one user the trail has\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}
