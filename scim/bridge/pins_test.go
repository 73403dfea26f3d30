package bridge_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/scimbridge/scimbridge/mapping/desk"
)

// A rename would grant an administrator's role: it is held, every command shows it, and other changes go on.
func TestPinRename(t *testing.T) {
	s := newSetup(t, "strict", "batch: {size: 25, wait: 20ms}")
	s.fixConsole()
	s.edit("{group: VT Admins, backend", "{group: VT Admins, pin: true, backend")
	s.start()
	for _, p := range []string{"ada@example.com", "mallory@example.com"} {
		s.person(p)
	}
	ada, mallory := s.user("ada@example.com"), s.user("mallory@example.com")
	admins, canteen := s.group("VT Admins", ada), s.group("Canteen", mallory)
	rename := func(id, name string) {
		s.patch("/Groups/"+id, `{"op":"replace","path":"displayName","value":"`+name+`"}`)
	}
	s.eventually("bound", map[string]string{"ada@example.com": "acme GROUP_ADMIN", "mallory@example.com": ""})
	for _, name := range []string{"VT\u00a0Admins 2", "VT \u0410dmins", "VT Admins\u200b"} {
		rename(canteen, name)
	}
	rename(admins, "VT Admins (old)")
	rename(canteen, "vt admins")
	nobody := map[string]string{"ada@example.com": "", "mallory@example.com": ""}
	s.eventually("held", nobody)
	if n := s.metric(`scimbridge_held_changes{backend="vt"}`); n != "1" {
		t.Errorf("%s held", n)
	}
	s.stop()
	s.start()
	s.newcomer()
	s.eventually("held after a restart", nobody)
	code, out := s.command("hold", "list", "--json")
	var holds []desk.Hold
	if err := json.Unmarshal([]byte(out), &holds); err != nil || code != 0 || len(holds) != 1 || holds[0].Why != "pin" {
		t.Fatalf("%d %v %s", code, err, out)
	}
	id := strings.TrimSuffix(holds[0].ID, "."+holds[0].Digest)
	led := ""
	for _, line := range s.trail("type initiator detail request") {
		if request, ok := strings.CutPrefix(line, "hold entra "+id+" pin "); ok {
			led = strings.Join(s.trail("type name", "--request", request), ", ")
		}
	}
	if !strings.HasPrefix(led, "hold vt admins, group.replace vt admins") {
		t.Errorf("the request that led to the hold: %q", led)
	}
	for _, c := range []struct {
		args string
		code int
		want string
	}{
		{"hold list", 0, holds[0].ID + `: the group "vt admins" (` + canteen + `) of entra has a name that is bound to the group ` + admins + `, which is called "VT Admins (old)" now.`},
		{"hold list", 0, "its 1 member(s) would get USER_ROLE_GROUP_ADMIN on acme"},
		{"status --exit-code", 3, "vt: 1 hold(s) wait for a decision"},
		{"plan --exit-code", 3, "held on acme: USER_ROLE_GROUP_ADMIN for the 1 member(s) of vt admins: the name is bound to another group"},
		{"explain mallory@example.com USER_ROLE_GROUP_ADMIN", 0, "not given by group vt admins, by the rule on line 12: the name is bound to another group; `scimbridge hold approve " + id + "` accepts this one"},
		{"hold reject " + id, 0, "rejected; the group gives nothing until it takes the name again"},
		{"hold approve " + id, 1, "no such hold"},
		{"status --exit-code", 0, ""},
	} {
		if code, out := s.command(strings.Fields(c.args)...); code != c.code || !strings.Contains(out, c.want) {
			t.Errorf("%s: %d, without %q: %s", c.args, code, c.want, out)
		}
	}
	s.eventually("rejected", nobody)
	rename(canteen, "Canteen")
	rename(canteen, "VT Admins")
	s.eventually("held once more", nobody)
	_, out = s.command("hold", "list", "--json")
	if err := json.Unmarshal([]byte(out), &holds); err != nil || len(holds) != 1 || holds[0].Is(id) {
		t.Fatalf("%v %s", err, out)
	}
	if code, out := s.command("hold", "approve", holds[0].ID); code != 0 || !strings.Contains(out, "the name is bound to this group") {
		t.Errorf("%d %s", code, out)
	}
	s.eventually("approved", map[string]string{"ada@example.com": "", "mallory@example.com": "acme GROUP_ADMIN"})
	rename(canteen, "Canteen")
	rename(admins, "VT Admins")
	s.eventually("the binding that ended is over", nobody)
}

// A reload binds a pinned name to the group that has it then. Without pin, a group that is pushed again gets its grants.
func TestPinByReload(t *testing.T) {
	s := newSetup(t, "lenient", "batch: {size: 25, wait: 20ms}")
	s.fixConsole()
	s.start()
	s.person("ada@example.com")
	ada := s.user("ada@example.com")
	admin := map[string]string{"ada@example.com": "acme GROUP_ADMIN"}
	first := s.group("VT Admins", ada)
	s.eventually("granted", admin)
	s.must(204, "DELETE", "/Groups/"+first, "")
	second := s.group("VT Admins", ada)
	s.eventually("pushed again", admin)
	s.edit("{group: VT Admins, backend", "{group: VT Admins, pin: true, backend")
	if code, out := s.command("plan", "--proposed", s.path, "--exit-code"); code != 0 {
		t.Errorf("%d %s", code, out)
	}
	if code, out := s.command("reload"); code != 0 {
		t.Errorf("%d %s", code, out)
	}
	s.person("bob@example.com")
	s.patch("/Groups/"+second, `{"op":"add","path":"members","value":[{"value":"`+s.user("bob@example.com")+`"}]}`)
	s.eventually("pinned", map[string]string{"ada@example.com": "acme GROUP_ADMIN", "bob@example.com": "acme GROUP_ADMIN"})
	s.must(204, "DELETE", "/Groups/"+second, "")
	s.group("VT Admins", ada)
	s.eventually("pushed again", map[string]string{"ada@example.com": "", "bob@example.com": ""})
	if code, out := s.command("hold", "list"); code != 0 || !strings.Contains(out, "which is deleted") {
		t.Errorf("%d %s", code, out)
	}
}
