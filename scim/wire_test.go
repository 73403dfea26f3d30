package scim_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the golden exchanges")

// exchange is one line of testdata/wire.jsonl: a request as an identity provider sends it, and what
// it must do.
type exchange struct {
	ID            string
	Client        string
	NotApplicable string `json:"not_applicable"`
	Method        string
	Path          string
	Body          json.RawMessage
	Want          int
	Members       []string // what the group gains and loses; absent: not looked at
	Active        *bool    // of the user addressed, afterwards
	Then          []exchange
}

func corpus(t *testing.T) []exchange {
	t.Helper()
	f, err := os.Open("testdata/wire.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var out []exchange
	for lines := bufio.NewScanner(f); lines.Scan(); {
		var x exchange
		if err := json.Unmarshal(lines.Bytes(), &x); err != nil {
			t.Fatal(err)
		}
		out = append(out, x)
	}
	if len(out) != 94 {
		t.Fatalf("%d lines; the corpus has 94", len(out))
	}
	return out
}

// TestWire replays every recorded request from a fresh seed, with both media types, and compares
// the whole exchange with testdata/wire/: request as sent, answer, resource afterwards, members
// gained and lost, marks, events.
func TestWire(t *testing.T) {
	absent := map[string]bool{"E46": true, "O21": true, "O22": true}
	for _, x := range corpus(t) {
		if absent[x.ID] != (x.NotApplicable != "") {
			t.Errorf("%s: applicable, or not? %q", x.ID, x.NotApplicable)
		}
		if x.NotApplicable != "" {
			t.Logf("%s is not applicable: %s", x.ID, x.NotApplicable)
			continue
		}
		t.Run(x.ID, func(t *testing.T) {
			got := x.play(t, "application/scim+json")
			if other := x.play(t, "application/json"); other != got {
				t.Errorf("sent as application/json it is another exchange:\n%s", other)
			}
			path := filepath.Join("testdata", "wire", x.ID+".txt")
			if *update {
				if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
		})
	}
}

// play makes the exchange in a world of its own, checks what the line states, and returns the
// transcript.
func (x exchange) play(t *testing.T, media string) string {
	t.Helper()
	w := newWorld(t)
	w.seed()
	before := w.state()
	var b strings.Builder
	for _, step := range append([]exchange{x}, x.Then...) {
		a := w.do(step.Method, step.Path, string(step.Body), "Content-Type", media)
		if a.status != step.Want {
			t.Fatalf("%s %s: %d, want %d: %s", step.Method, step.Path, a.status, step.Want, a.body)
		}
		if a.status != 204 && a.header.Get("Content-Type") != "application/scim+json" {
			t.Errorf("the answer is %q", a.header.Get("Content-Type"))
		}
		fmt.Fprintf(&b, "> %s %s\n%s\n< %d %s\n%s\n", step.Method, step.Path, step.Body, a.status, a.header.Get("ETag"), pretty(t, a.body))
		if step.Method == "POST" || step.Method == "PUT" || step.Method == "PATCH" {
			readBack(t, w, &b, step, a)
		}
	}
	after := w.state()
	if x.Members != nil {
		slices.Sort(x.Members)
		if got := delta(before, after, "gid"); !slices.Equal(got, x.Members) {
			t.Errorf("the group changed by %v, want %v", got, x.Members)
		}
	}
	user, _, _ := strings.Cut(strings.TrimPrefix(x.Path, "/Users/"), "?")
	if x.Active != nil && after.active[user] != *x.Active {
		t.Errorf("active is %t", after.active[user])
	}
	fmt.Fprintf(&b, "= members %v\n= marks %q\n= events %q\n", delta(before, after, "gid"), after.marks, after.events)
	return b.String()
}

func readBack(t *testing.T, w *world, b *strings.Builder, step exchange, a answer) {
	t.Helper()
	path, _, _ := strings.Cut(step.Path, "?")
	if step.Method == "POST" {
		if a.status != 201 {
			return
		}
		id, _ := a.json(t)["id"].(string)
		if got, want := a.header.Get("Location"), "https://scim.example.com/scim/v2"+path+"/"+id; got != want {
			t.Errorf("Location %q, want %q", got, want)
		}
		path += "/" + id
	}
	again := w.must(200, "GET", path, "")
	if a.status < 204 && !bytes.Equal(canonical(t, again.body), canonical(t, a.body)) {
		t.Errorf("answered\n%s\nread back\n%s", a.body, again.body)
	}
	if a.status == 204 || a.status >= 400 {
		fmt.Fprintf(b, "= %s\n", pretty(t, again.body))
	}
	if a.status < 300 && again.header.Get("ETag") != a.header.Get("ETag") {
		t.Errorf("ETag %q, read back %q", a.header.Get("ETag"), again.header.Get("ETag"))
	}
}

func pretty(t *testing.T, body []byte) string {
	t.Helper()
	if len(body) == 0 {
		return ""
	}
	var b bytes.Buffer
	if err := json.Indent(&b, canonical(t, body), "", " "); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func canonical(t *testing.T, body []byte) []byte {
	t.Helper()
	var v any
	if err := json.Unmarshal(body, &v); err != nil {
		t.Fatalf("%s: %v", body, err)
	}
	out, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return out
}
