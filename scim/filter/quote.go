package filter

import (
	"html"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// checkWord refuses a word that begins or ends with a character that its client meant as a quote:
// as a part of the value it would select nothing, or with ne and not everything. An apostrophe
// inside is a part of the word (O'Neil).
func checkWord(word string) error {
	seen := strings.TrimFunc(word, invisible)
	meant := strings.TrimFunc(decoded(seen), invisible)
	if r, _ := utf8.DecodeRuneInString(meant); isQuote(r) {
		if !strings.HasPrefix(word, seen) {
			return errorf("a value begins with a hidden character before a quote: remove it")
		}
		r, _ = utf8.DecodeRuneInString(seen)
		return errorf(`a value begins with %s: use " or '`, kindOfQuote(r))
	}
	if r, _ := utf8.DecodeLastRuneInString(meant); isQuote(r) {
		r, _ = utf8.DecodeLastRuneInString(seen)
		return errorf(`a value ends with %s and does not begin with " or '`, kindOfQuote(r))
	}
	return nil
}

// kindOfQuote names the kind of a quote.
func kindOfQuote(seen rune) string {
	switch {
	case seen == '\'':
		return "a single quote"
	case seen == '`':
		return "a backtick"
	case seen == '&' || seen == ';':
		return "a quote written as an HTML entity"
	case seen == '\\':
		return "a quote after a backslash"
	case seen == '%':
		return "a quote that is still percent-encoded"
	case seen < utf8.RuneSelf:
		return "an encoded quote"
	}
	return "a typographic quote"
}

// likeQuotes are accents, primes and ornaments that look like a quote and that Unicode does not
// call one: acute accents, modifier letters, Greek accents, primes, ornaments, the ditto mark, the
// full-width grave accent.
const likeQuotes = "\u00b4\u02b9\u02ba\u02bb\u02bc\u02bd\u02ca\u02cb\u02dd\u02ee\u02f4\u02f5\u02f6" +
	"\u0384\u1fef\u1ffd\u1ffe\u2032\u2033\u2034\u2035\u2036\u2037\u2057" +
	"\u275b\u275c\u275d\u275e\u275f\u2760\u3003\uff40\U0001f676\U0001f677\U0001f678"

// isQuote reports whether a client may mean r as a quote.
func isQuote(r rune) bool {
	if r < utf8.RuneSelf {
		return r == '"' || r == '\'' || r == '`'
	}
	return unicode.In(r, unicode.Quotation_Mark, unicode.Pi, unicode.Pf) || strings.ContainsRune(likeQuotes, r)
}

// invisible reports whether r cannot be seen next to a quote: spaces, formatting characters, marks.
func invisible(r rune) bool {
	return unicode.IsSpace(r) || r >= utf8.RuneSelf && unicode.In(r, unicode.Cf, unicode.Mn)
}

// maxEncodings is how many encodings of a value, one upon the other, are recognized.
const maxEncodings = 3

// decoded removes backslashes at the beginning, HTML entities and escapes from word, up to
// maxEncodings times. The result serves only to find quotes.
func decoded(word string) string {
	for range maxEncodings {
		if !strings.ContainsAny(word, `&%\`) {
			break
		}
		word = html.UnescapeString(unescaped(strings.TrimLeft(unescaped(word), `\`)))
	}
	return word
}

// unescaped decodes %22, %u0022, \u0022 and \x22 and leaves the rest.
func unescaped(s string) string {
	if !strings.ContainsAny(s, `%\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); {
		if c := s[i]; c == '%' || c == '\\' {
			if n, code, ok := escapeAt(s[i:]); ok {
				if c == '%' && n == 3 {
					b.WriteByte(byte(code))
				} else {
					b.WriteRune(rune(code))
				}
				i += n
				continue
			}
		}
		b.WriteByte(s[i])
		i++
	}
	return b.String()
}

// escapeAt reads the escape at the beginning of s, which is n bytes long.
func escapeAt(s string) (n int, code uint64, ok bool) {
	at, digits := 1, 2
	switch {
	case len(s) > 1 && s[1]|0x20 == 'u':
		at, digits = 2, 4
	case len(s) > 1 && s[0] == '\\' && s[1]|0x20 == 'x':
		at = 2
	case s[0] == '\\':
		return 0, 0, false
	}
	if len(s) < at+digits {
		return 0, 0, false
	}
	code, err := strconv.ParseUint(s[at:at+digits], 16, 16)
	return at + digits, code, err == nil
}
