package scim_test

import (
	"fmt"
	"strings"
	"testing"
)

func TestUserSizeLimit(t *testing.T) {
	w := newWorld(t)
	w.seed()
	big := strings.Repeat("x", 200_000)
	set := func(attribute string) answer {
		return w.do("PATCH", "/Users/"+ada, patchHead+`[{"op":"replace","path":"`+attribute+`","value":"`+big+`"}]}`)
	}
	if a := set("title"); a.status != 200 {
		t.Fatalf("%d %s", a.status, a.body)
	}
	scimError(t, set("nickName"), 413, "")
	if got := w.must(200, "GET", "/Users/"+ada, ""); len(got.body) > 300_000 {
		t.Errorf("%d bytes", len(got.body))
	}
}

func TestTooManyValues(t *testing.T) {
	w := newWorld(t)
	w.seed()
	var list []string
	for i := range 501 {
		list = append(list, fmt.Sprintf(`{"value":"a%d@example.com"}`, i))
	}
	body := func(n int) string {
		return patchHead + `[{"op":"add","path":"emails","value":[` + strings.Join(list[:n], ",") + `]}]}`
	}
	scimError(t, w.do("PATCH", "/Users/"+ada, body(501)), 400, "invalidValue")
	for _, op := range []string{ // several operations are no way around it: each value is compared with all that there are
		`{"op":"add","path":"emails","value":[` + strings.Join(list[:100], ",") + `]}`,
		`{"op":"add","value":{"emails":[` + strings.Join(list[:100], ",") + `]}}`,
		strings.TrimSuffix(strings.Repeat(`{"op":"replace","path":"emails[type eq \"home\"].value","value":"a@example.com"},`, 100), ","),
		strings.TrimSuffix(strings.Repeat(`{"op":"remove","path":"emails.display"},`, 100), ","),
	} {
		scimError(t, w.do("PATCH", "/Users/"+ada, patchHead+`[`+strings.Repeat(op+",", 5)+`{"op":"remove","path":"emails"}]}`), 400, "invalidValue")
	}
	if a := w.do("PATCH", "/Users/"+ada, body(400)); a.status != 200 {
		t.Errorf("%d %s", a.status, a.body)
	}
}

func TestTooManyRemovalsByFilter(t *testing.T) {
	w := newWorld(t)
	w.seed()
	ops := func(n int) string {
		one := `{"op":"remove","path":"members[type eq \"x\"]"}`
		return patchHead + `[` + strings.TrimSuffix(strings.Repeat(one+",", n), ",") + `]}`
	}
	scimError(t, w.do("PATCH", "/Groups/gid", ops(21)), 400, "invalidFilter")
	w.must(204, "PATCH", "/Groups/gid", ops(20))
}
