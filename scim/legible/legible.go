// Package legible escapes characters of foreign text that would act on a terminal, a log viewer or
// a page: control characters (C1 included), line separators, and the formatting characters that
// change the direction of text.
//
// Packages that refuse such text (resource) or print it (the commands, the log, the console) decide
// what to do with it.
package legible

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// Unsafe reports whether a character acts instead of showing.
func Unsafe(r rune) bool {
	switch {
	case r < ' ', r >= 0x7f && r <= 0x9f: // C0, DEL, C1
	case r == 0x061c, r == 0x200e, r == 0x200f: // marks of direction
	case r >= 0x2028 && r <= 0x202e: // line and paragraph separators, embeddings, overrides
	case r >= 0x2066 && r <= 0x2069: // isolates
	default:
		return false
	}
	return true
}

// Text returns s with every unsafe character written as its number.
func Text(s string) string { return escape(s, func(rune) bool { return false }) }

// Cell is Text for a cell of a spreadsheet, which takes it for text and never for a formula: an
// apostrophe precedes one that begins like a formula, with or without blanks and quotes before that.
func Cell(s string) string {
	s = Text(s)
	begin := strings.TrimLeft(s, " \u00a0\u3000\ufeff'\"")
	if first, _ := utf8.DecodeRuneInString(begin); begin != "" && strings.ContainsRune("=+-@|%＝＋－＠\\", first) {
		return "'" + s
	}
	return s
}

// Lines is Text for a text of several lines, with tabs.
func Lines(s string) string { return escape(s, layout) }

func layout(r rune) bool { return r == '\n' || r == '\t' }

func escape(s string, keep func(rune) bool) string {
	acts := func(r rune) bool { return Unsafe(r) && !keep(r) }
	if strings.IndexFunc(s, acts) < 0 {
		return s
	}
	var b strings.Builder
	for len(s) > 0 {
		r, n := utf8.DecodeRuneInString(s)
		if acts(r) {
			fmt.Fprintf(&b, `\u%04x`, r) // as JSON writes it: in JSON it is the same text
		} else {
			b.WriteString(s[:n])
		}
		s = s[n:]
	}
	return b.String()
}

// Value returns v with every string in its JSON form as Text returns it.
func Value[T any](v T) (safe T, err error) {
	raw, err := json.Marshal(v)
	if err != nil {
		return v, err
	}
	var all any
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	if err := d.Decode(&all); err != nil {
		return v, err
	}
	if raw, err = json.Marshal(texts(all)); err != nil {
		return v, err
	}
	return safe, json.Unmarshal(raw, &safe)
}

func texts(v any) any {
	switch v := v.(type) {
	case string:
		return Text(v)
	case []any:
		for i := range v {
			v[i] = texts(v[i])
		}
	case map[string]any:
		safe := make(map[string]any, len(v))
		for key, of := range v {
			safe[Text(key)] = texts(of)
		}
		return safe
	}
	return v
}

// NewWriter returns a writer that passes text on to w as Lines returns it. JSON stays JSON, with
// the same values. A character may be split over two writes.
func NewWriter(w io.Writer) io.Writer { return &writer{to: w} }

// Raw returns the writer below one of NewWriter, for control characters of a command itself.
func Raw(w io.Writer) io.Writer {
	if safe, ok := w.(*writer); ok {
		return safe.to
	}
	return w
}

type writer struct {
	to   io.Writer
	rest []byte // the beginning of a character
}

func (w *writer) Write(p []byte) (int, error) {
	all := append(w.rest, p...)
	end := len(all)
	for n := 1; n < utf8.UTFMax && n <= len(all); n++ {
		if at := len(all) - n; utf8.RuneStart(all[at]) {
			if !utf8.FullRune(all[at:]) {
				end = at
			}
			break
		}
	}
	w.rest = append([]byte(nil), all[end:]...)
	if _, err := io.WriteString(w.to, Lines(string(all[:end]))); err != nil {
		return 0, err
	}
	return len(p), nil
}

// Clip returns the beginning of a text that a message repeats: at most 64 bytes.
func Clip(s string) string {
	if len(s) > 64 {
		return s[:64] + "…"
	}
	return s
}
