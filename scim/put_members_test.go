package scim_test

import (
	"slices"
	"testing"
)

// omissions are PUTs of the group of the seed that leave its members out.
var omissions = map[string]string{"absent": `{"displayName":"VT Admins"}`, "null": `{"displayName":"VT Admins","members":null}`}

func TestPutWithoutMembers(t *testing.T) {
	for name, body := range omissions {
		t.Run(name+" keeps them", func(t *testing.T) {
			w := newWorld(t)
			w.seed()
			before := w.state()
			w.must(200, "PUT", "/Groups/gid", body)
			if after := w.state(); after.all != before.all || len(after.events) != len(before.events) {
				t.Errorf("members changed by %v", delta(before, after, "gid"))
			}
			if !slices.Equal(w.puts, []string{"acme omitted true"}) {
				t.Errorf("noted: %v", w.puts)
			}
		})
		t.Run(name+" under clear empties the group", func(t *testing.T) {
			w := newWorld(t)
			w.clears = true
			w.seed()
			before := w.state()
			w.must(200, "PUT", "/Groups/gid", body)
			after := w.state()
			if got := after.members["gid"]; len(got) > 0 || !slices.Contains(after.marks, "t-VT Admins "+grace) {
				t.Errorf("left are %v, marked %v", got, after.marks)
			}
			if len(delta(before, after, "gid")) != 5 || len(w.puts) > 0 {
				t.Errorf("noted: %v", w.puts)
			}
			w.must(200, "PUT", "/Groups/gid", body)
			if again := w.state(); again.all != after.all {
				t.Error("again changed something")
			}
		})
	}
}

// TestPutMembersRecorded holds which PUTs are noted as what: only once they are committed.
func TestPutMembersRecorded(t *testing.T) {
	w := newWorld(t)
	w.seed()
	put := func(want int, body string, noted ...string) {
		t.Helper()
		w.puts = nil
		w.must(want, "PUT", "/Groups/gid", body)
		if !slices.Equal(w.puts, noted) {
			t.Errorf("%s: noted %v", body, w.puts)
		}
	}
	put(200, `{"displayName":"VT Admins","members":[{"value":"u1"}]}`, "acme omitted false")
	put(200, `{"displayName":"Others"}`, "acme omitted true")
	put(400, `{"externalId":"x"}`)
	w.must(201, "POST", "/Groups", `{"displayName":"Taken"}`)
	put(409, `{"displayName":"Taken"}`)
	put(200, `{"displayName":"Others","members":[]}`, "acme omitted false")
	put(200, `{"displayName":"Others"}`) // the group is empty
	put(200, `{"displayName":"Others","members":[{"value":"u1"}]}`, "acme omitted false")
	w.puts = nil
	w.must(200, "POST", "/Bulk", `{"schemas":["urn:ietf:params:scim:api:messages:2.0:BulkRequest"],"Operations":[
		{"method":"PUT","path":"/Groups/gid","data":{"displayName":"Others"}},{"method":"PUT","path":"/Groups/gid","data":{"displayName":"Taken"}}]}`)
	if !slices.Equal(w.puts, []string{"acme omitted true"}) {
		t.Errorf("Bulk: noted %v", w.puts)
	}
}

// TestIgnoredAttributes holds that a PATCH tells of what it ignores, by name.
func TestIgnoredAttributes(t *testing.T) {
	w := newWorld(t)
	w.seed()
	w.must(200, "PATCH", "/Users/"+ada, patchBody(`{"op":"replace","path":"favouriteColour","value":"canary"},{"op":"replace","value":{"shoeSize":7,"title":"x"}}`))
	if !slices.Equal(w.ignored, []string{"acme User [favouriteColour shoeSize]"}) {
		t.Errorf("%v", w.ignored)
	}
}
