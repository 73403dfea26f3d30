package mapping

import (
	"testing"

	"github.com/scimbridge/scimbridge/store"
)

func TestOpen(t *testing.T) {
	for match, want := range map[string]bool{
		`^risk-(?P<role>[A-Za-z0-9]+)$`: false, `risk-.*-x`: false, `a|b`: false, `(?i)vt-[a-z]{2,5}`: false, `x\d*`: false, `(`: false, `\bteam-\w+`: false,
		`^risk-(?P<role>.*)$`: true, `(?P<role>.*)`: true, `(?i)risk-(?P<role>.+)`: true, `^risk-(?P<role>[A-Za-z0-9]+).*$`: true, `risk-x[\s\S]*`: true,
		`(.|x)+risk-(?P<role>\w+)`: true, `.*risk-x`: true, `a|b.?`: true, `x[^-]+`: true, `a.{0,3}b?`: true,
	} {
		if got := Open(match); got != want {
			t.Errorf("%s: %t", match, got)
		}
	}
}

// A group's name cannot make a target that is another place in a vendor's address.
func TestTargetsOfDots(t *testing.T) {
	r, err := Compile([]Rule{{Match: `x-(?P<g>(?s:.*))`, Backend: "vt", Target: "${g}", Roles: []string{"R"}}})
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]int{"x-a": 1, "x-..": 0, "x-.": 0, "x-": 0, "x-a\nb": 0, "x-a/../b": 0} {
		if got := r.Targets("idp", store.Group{DisplayName: name}); len(got) != want {
			t.Errorf("%q: %v", name, got)
		}
	}
}
