package scim_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestLifecycles plays whole lives of a user and a group as clients send them: created, found,
// changed, put into the group and taken out, deactivated and back, deleted. A file has the requests
// of one client. Below each stand the status, how many resources were found, and what is then
// stored.
func TestLifecycles(t *testing.T) {
	files, err := filepath.Glob("testdata/lifecycles/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no lives", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			recorded, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			played := playLife(t, string(recorded))
			if *update {
				if err := os.WriteFile(file, []byte(played), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			was, is := strings.Split(string(recorded), "\n"), strings.Split(played, "\n")
			for i, line := range is {
				if !*update && (i >= len(was) || line != was[i]) {
					t.Fatalf("after %s\nline %d is\n%s\nwant\n%s", is[max(i-2, 0)], i+1, line, slices.Concat(was, []string{""})[min(i, len(was))])
				}
			}
		})
	}
}

// life is one user, $ada, and one group, $group, which also has the user $other.
type life struct {
	*world
	ids map[string]string
}

// playLife sends the requests of a recorded life and returns it with what happened.
func playLife(t *testing.T, recorded string) string {
	l := &life{world: newWorld(t), ids: map[string]string{}}
	l.ids["$other"] = fmt.Sprint(l.must(201, "POST", "/Users", `{"userName":"other"}`).json(t)["id"])
	var out strings.Builder
	for line := range strings.Lines(recorded) {
		switch {
		case line == "put_without_members: clear\n":
			l.clears = true
		case line[0] == '#':
		case !regexp.MustCompile(`^[A-Z]+ /`).MatchString(line):
			continue // what happened
		default:
			out.WriteString(line + l.step(strings.TrimSpace(line)) + "\n\n")
			continue
		}
		out.WriteString(line)
	}
	return strings.TrimSuffix(out.String(), "\n")
}

// step sends one request and returns what is to be seen afterwards.
func (l *life) step(line string) string {
	l.t.Helper()
	for name, id := range l.ids {
		line = strings.ReplaceAll(line, name, id)
	}
	method, rest, _ := strings.Cut(line, " ")
	path, body, _ := strings.Cut(rest, " ")
	l.clock.Add(1)
	a := l.do(method, path, body)
	if media := a.header.Get("Content-Type"); !strings.HasPrefix(media, "application/scim+json") {
		l.t.Errorf("%s: Content-Type %q", line, media)
	}
	seen := fmt.Sprint(a.status)
	if a.status >= 400 {
		seen += " " + fmt.Sprint(a.json(l.t)["detail"])
	} else if len(a.body) > 0 {
		seen += found(a.json(l.t))
	}
	user, group := l.resource("/Users", "$ada"), l.resource("/Groups", "$group")
	if _, roles := user["groups"]; roles {
		l.t.Errorf("%s: the user is in a group that does not have it: %v", line, user)
	}
	return seen + "\n" + shownAs(user) + "\n" + shownAs(group)
}

// found returns how many resources an answer has, or the status of each operation.
func found(answer map[string]any) (text string) {
	if n, ok := answer["totalResults"]; ok {
		text = fmt.Sprintf(", %v found", n)
	}
	operations, _ := answer["Operations"].([]any)
	for _, op := range operations {
		text += fmt.Sprint(" ", op.(map[string]any)["status"])
	}
	return text
}

// resource reads what is stored, without what is the same in every life. Its version must be its
// ETag.
func (l *life) resource(endpoint, name string) map[string]any {
	l.t.Helper()
	if l.ids[name] == "" {
		l.ids[name] = l.only(endpoint)
	}
	a := l.do("GET", endpoint+"/"+l.ids[name], "")
	if l.ids[name] == "" || a.status == 404 {
		return nil
	}
	got := a.json(l.t)
	meta, _ := got["meta"].(map[string]any)
	if etag := a.header.Get("ETag"); etag == "" || meta["version"] != etag {
		l.t.Errorf("%s has the ETag %q and meta %v", name, etag, meta)
	}
	got["version"] = meta["version"]
	for _, key := range []string{"schemas", "id", "meta"} {
		delete(got, key)
	}
	l.relations(got)
	return got
}

// relations checks the groups of a user and puts names in the place of members.
func (l *life) relations(got map[string]any) {
	var names []string
	members, _ := got["members"].([]any)
	for _, m := range members {
		for name, id := range l.ids {
			if m.(map[string]any)["value"] == id {
				names = append(names, name)
			}
		}
	}
	if len(names) > 0 {
		slices.Sort(names)
		got["members"] = names
	}
	groups, isUser := got["groups"].([]any)
	if !isUser {
		return
	}
	in := l.do("GET", "/Groups?count=0&filter=members.value%20eq%20"+l.ids["$ada"], "").json(l.t)["totalResults"]
	if in == float64(len(groups)) {
		delete(got, "groups")
	}
}

// only returns the id of the only resource but $other.
func (l *life) only(endpoint string) (id string) {
	list, _ := l.must(200, "GET", endpoint+"?filter=id%20ne%20"+l.ids["$other"], "").json(l.t)["Resources"].([]any)
	for _, r := range list {
		id = fmt.Sprint(r.(map[string]any)["id"])
	}
	return id
}

func shownAs(resource map[string]any) string {
	if resource == nil {
		return "-"
	}
	text, _ := json.Marshal(resource) // it was read from JSON
	return string(text)
}
