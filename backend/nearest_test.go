package backend

import (
	"strings"
	"testing"
)

func TestNearest(t *testing.T) {
	known := []string{"tokens", "token", "id"}
	for word, want := range map[string]string{
		"tokens": "tokens", "TOKEN": "token", "tokns": "tokens", "tokin": "token", "ix": "id", "xy": "", "nothing": "", "": "", strings.Repeat("t", 1<<20): "",
	} {
		if got := Nearest(word, known, 2); got != want {
			t.Errorf("%.20q: %q, want %q", word, got, want)
		}
	}
}
