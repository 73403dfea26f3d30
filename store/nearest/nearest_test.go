package nearest

import (
	"strings"
	"testing"
)

func TestWord(t *testing.T) {
	known := []string{"tokens", "token", "id"}
	for word, want := range map[string]string{
		"tokens": "tokens", "TOKEN": "token", "tokns": "tokens", "tokin": "token", "ix": "id", "xy": "", "nothing": "", "": "", strings.Repeat("t", 1<<20): "",
	} {
		if got := Word(word, known, 2); got != want {
			t.Errorf("%.20q: %q, want %q", word, got, want)
		}
	}
}

func TestNames(t *testing.T) {
	for asked, want := range map[string]string{"ada": "Ada adam bob", "BOB": "bob Ada adam"} {
		n := Names{Asked: asked}
		for _, known := range []string{"bob", "zacharias", "adam", "Ada"} {
			n.Add(known)
		}
		if got := strings.Join(n.List(true), " "); got != want {
			t.Errorf("%s: %s, want %s", asked, got, want)
		}
		if got := n.List(false); len(got) == 0 || got[0] != strings.Fields(want)[0] {
			t.Errorf("%s: the nearest of a long list are %v", asked, got)
		}
	}
}
