package legible_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/scimbridge/scimbridge/scim/legible"
)

func TestText(t *testing.T) {
	for in, want := range map[string]string{
		"Ada Lovelace, Łódź, 山田, 👩‍🔬": "Ada Lovelace, Łódź, 山田, 👩‍🔬",
		"red\x1b[31m":               `red\u001b[31m`,
		"csi\u009b31m":              `csi\u009b31m`,
		"a\u202eb\u2066c\u200fd":    `a\u202eb\u2066c\u200fd`,
		"one\ntwo\tthree\u2028four": `one\u000atwo\u0009three\u2028four`,
		"\x7f\u061c":                `\u007f\u061c`,
	} {
		if got := legible.Text(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
	if got := legible.Lines("one\ntwo\tthree\r"); got != "one\ntwo\tthree"+`\u000d` {
		t.Errorf("%q", got)
	}
}

func TestWriter(t *testing.T) {
	text := "a\u202eb Łódź \u009b山\xff"
	whole := legible.Lines(text)
	for at := range len(text) {
		var b strings.Builder
		w := legible.NewWriter(&b)
		for _, part := range []string{text[:at], text[at:]} {
			if n, err := w.Write([]byte(part)); n != len(part) || err != nil {
				t.Fatal(n, err)
			}
		}
		if b.String() != whole {
			t.Errorf("split at %d: %q, want %q", at, b.String(), whole)
		}
	}
	raw, err := json.Marshal("x\u202e\u009b")
	var back string
	if err == nil {
		err = json.Unmarshal([]byte(legible.Lines(string(raw))), &back)
	}
	if err != nil || back != "x\u202e\u009b" {
		t.Errorf("JSON is another value: %q %v", back, err)
	}
}

// TestCell: only cells that begin like a formula are changed.
func TestCell(t *testing.T) {
	for cell, want := range map[string]string{"": "", "ada@example.com": "ada@example.com", "a=b": "a=b", "=1": "'=1", "+1": "'+1", "-1": "'-1", "@x": "'@x",
		"\t=1": `'\u0009=1`, "'=1": "''=1", "\u00a0=1": "'\u00a0=1", "it's": "it's", "  =1": "'  =1", "＝1": "'＝1"} {
		if got := legible.Cell(cell); got != want {
			t.Errorf("%q: %q, want %q", cell, got, want)
		}
	}
}
