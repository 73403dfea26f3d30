package scim_test

import (
	"encoding/json"
	"net/url"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

// FuzzResource creates any resource: a GET returns it, or the POST got a clear error.
func FuzzResource(f *testing.F) {
	f.Add("/Users", `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"x","emails":[{"value":"a@b","primary":true}],"active":"False"}`)
	f.Add("/Users", `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User","urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"],"userName":"x","urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"manager":"y"}}`)
	f.Add("/Groups", `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group"],"displayName":"g","members":[{"value":"u1"},"u2"]}`)
	f.Add("/Groups", `{"displayName":null,"members":{"value":"[]"}}`)
	w := newWorld(f)
	f.Fuzz(func(t *testing.T, path, body string) {
		w.t = t
		if path != "/Users" {
			path = "/Groups"
		}
		a := w.do("POST", path, body)
		switch {
		case a.status == 201:
			id, _ := a.json(t)["id"].(string)
			w.must(200, "GET", path+"/"+id, "")
		case a.status < 400 || a.status >= 500 || !json.Valid(a.body):
			t.Fatalf("%d %s", a.status, a.body)
		}
	})
}

// FuzzCursor requests a page after any cursor.
func FuzzCursor(f *testing.F) {
	for _, s := range []string{"", "x", "AVz0", strings.Repeat("A", 100), "AQAAAAAAAAAAeyJjIjoxfQAAAAA"} {
		f.Add(s)
	}
	w := newWorld(f)
	w.people()
	f.Fuzz(func(t *testing.T, cursor string) {
		w.t = t
		a := w.do("GET", "/Users?count=2&cursor="+url.QueryEscape(cursor), "")
		if a.status != 200 && a.status != 400 {
			t.Fatalf("%d %s", a.status, a.body)
		}
	})
}

// TestConformancePage holds docs/conformance.md to the tests that it names.
func TestConformancePage(t *testing.T) {
	page, err := os.ReadFile("../docs/conformance.md")
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("go", "test", "-list", ".", "./...").CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	known := map[string]bool{}
	for _, line := range strings.Fields(string(out)) {
		known[line] = true
	}
	named := regexp.MustCompile("`((?:Test|Fuzz)[A-Za-z0-9]+)").FindAllStringSubmatch(string(page), -1)
	if len(named) < 50 {
		t.Errorf("the page names %d tests", len(named))
	}
	for _, m := range named {
		if !known[m[1]] {
			t.Errorf("there is no %s", m[1])
		}
	}
}
