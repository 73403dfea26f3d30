package bridge_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/scimbridge/scimbridge/mapping/access"
	"github.com/scimbridge/scimbridge/mapping/desk"
)

// whys returns what explain says of a user.
func (s *setup) whys(args ...string) (all []desk.Why) {
	s.t.Helper()
	code, out := s.command(append([]string{"explain", "--json"}, args...)...)
	if err := json.Unmarshal([]byte(out), &all); err != nil || code != 0 {
		s.t.Fatalf("%v: %d %v %s", args, code, err, out)
	}
	return all
}

// TestExplainHas says yes and no as the vendors do, of random directories with grants by hand.
func TestExplainHas(t *testing.T) {
	t.Parallel()
	for seed := range uint64(2) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			s := newSetup(t, "lenient", "batch: {size: 25, wait: 20ms}, resync_every: 0")
			s.fixConsole()
			s.start()
			emails, foreign := s.randomDirectory(rand.New(rand.NewPCG(seed, 16)))
			s.eventually("converged", map[string]string{})
			s.agrees(emails, foreign)
			answers := 0
			for _, email := range emails {
				code, out := s.command("explain", "--json", email)
				if code != 0 {
					continue // no user
				}
				var all []desk.Why
				if err := json.Unmarshal([]byte(out), &all); err != nil {
					t.Fatal(err)
				}
				has := strings.Split(s.roles(email), ", ")
				for _, y := range all {
					for _, g := range y.Grants {
						role := "acme " + strings.TrimPrefix(g.Role, "USER_ROLE_")
						if y.Backend == "rc" {
							role = g.Target
						}
						if at := slices.Contains(has, role); g.Has == access.Yes && !at || g.Has == access.No && at {
							t.Errorf("%s: explain says %s of %s, the vendor has %q: %+v", email, g.Has, role, has, g)
						}
						if g.Has != access.Dark {
							answers++
						}
						has = slices.DeleteFunc(has, func(one string) bool { return one == role })
					}
				}
				if left := strings.Join(has, ""); left != "" {
					t.Errorf("%s: explain says nothing of %q", email, left)
				}
			}
			if answers < 40 {
				t.Errorf("explain knows %d answers only", answers)
			}
		})
	}
}

// TestExplainReasons has a code for each role that a user lacks, and the request of each that a user has.
func TestExplainReasons(t *testing.T) {
	t.Parallel()
	s := newSetup(t, "lenient", "batch: {size: 25, wait: 20ms}, resync_every: 0")
	s.fixConsole()
	s.start()
	s.person("ada@example.com")
	s.group("VT Admins", s.user("ada@example.com"), s.user("bob@example.com"))
	var g desk.WhyGrant
	one := func(has, reason string, args ...string) {
		t.Helper()
		s.until(fmt.Sprint(args, " ", has, " ", reason), func() bool {
			g = desk.WhyGrant{}
			for _, y := range s.whys(args...) {
				for _, of := range y.Grants {
					g = of
				}
			}
			return g.Has == has && g.Reason == reason
		})
	}
	one(access.Yes, "", "ada@example.com", "USER_ROLE_GROUP_ADMIN")
	if g.Request == "" || g.RequestedBy != "entra" || time.Since(g.Since) > time.Hour || g.Confirmed.IsZero() {
		t.Errorf("%+v", g)
	}
	one(access.No, "no_account", "bob@example.com", "USER_ROLE_GROUP_ADMIN")
	if code, out := s.command("resync"); code != 0 {
		t.Fatalf("%d %s", code, out)
	}
	one(access.No, "no_rule", "ada@example.com", "USER_ROLE_INTELLIGENCE")
	code, out := s.command("explain", "ada@example.com")
	if code != 0 || !strings.Contains(out, "    yes: USER_ROLE_GROUP_ADMIN on acme: has it") || !strings.Contains(out, "requested by entra, request ") || strings.Contains(out, "  rc:") {
		t.Errorf("%d %s", code, out)
	}
}
