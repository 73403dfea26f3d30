package filter

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

// TestQuotes reads every kind of quote with every operator: the two that are understood, and the
// rest, with what the error says.
func TestQuotes(t *testing.T) {
	refused := map[string]string{"'x": "not closed", `"x`: "not closed", "x'": "ends with a single quote", `x"`: "double quote", "'O'Neil'": "directly after", `"a"b`: "directly after", `"a""b"`: "directly after",
		"N'x'": "ends with a single quote", `N"x"`: "double quote", `\"x\"`: "double quote", `\'x\'`: "backslash", "'x\"": "not closed", "”x": "typographic", "x’": "typographic", "\u200b'x'": "hidden", `'\q'`: "escape", "'a\x01'": "control"}
	for _, q := range []string{"“ ”", "‘ ’", "« »", "‹ ›", "„ “", "‚ ‘", "´ ´", "′ ′", "″ ″", "＂ ＂", "＇ ＇", "｀ ｀", "「 」", "〝 〟", "❛ ❜", "\u02bb \u02bc", "‟ ”"} {
		opening, closing, _ := strings.Cut(q, " ")
		refused[opening+"x"+closing], refused[opening+"x"], refused["x"+closing] = "typographic", "typographic", "ends with a typographic"
	}
	refused["`x`"] = "backtick"
	for _, q := range []string{"&quot;", "&#34;", "&#39;", "&#X27;", "&apos;", "&amp;quot;", "&rdquo;", "&#8220;", "&laquo;"} {
		refused[q+"x"+q], refused["x"+q] = "HTML", "HTML"
	}
	for _, q := range []string{"%22", "%27", "%2522", "%E2%80%9C", "%60", "%u201c"} {
		refused[q+"x"+q], refused["x"+q] = "percent", "ends with an encoded quote"
	}
	conditions := []string{"not (a eq %s)", "a eq %s and b pr", "b pr or a ne %s", "a[b eq %s].c eq 1", "a[b eq 1].c eq %s"}
	for _, op := range strings.Fields("eq ne co sw ew gt ge lt le") {
		conditions = append(conditions, "a "+op+" %s")
	}
	for _, condition := range conditions {
		for literal, kind := range refused {
			e, err := Parse(fmt.Sprintf(condition, literal))
			var wrong *Error
			if !errors.As(err, &wrong) {
				t.Errorf(condition+" is read as %s", literal, show(e))
			} else if !strings.Contains(wrong.Detail, kind) && condition[:2] == "a " && !strings.Contains(condition, " and ") {
				t.Errorf(condition+": %s", literal, wrong.Detail)
			}
		}
		for literal, want := range map[string]string{`'x y'`: `"x y"`, `"it's"`: `"it's"`, `'say "x"'`: `"say \"x\""`, `'O\'Neil\\\u00e9'`: `"O'Neil\\é"`, `''`: `""`, `'“x”&quot;%22'`: `"“x”&quot;%22"`, `"'x'"`: `"'x'"`,
			"O'Neil": "O'Neil", "d’Arc": "d’Arc", "N'Golo": "N'Golo", "a&b;c": "a&b;c", `C:\x`: `C:\x`, "100%": "100%", "%20x%zz": "%20x%zz", "é\u0301": "é\u0301", "'([)]'": `"([)]"`} {
			e, err := Parse(fmt.Sprintf(condition, literal))
			if err != nil || !strings.Contains(show(e), " "+want) {
				t.Errorf(condition+" is %v, %v", literal, e, err)
			}
		}
	}
}

// TestDepth nests parentheses around strings and words of every kind.
func TestDepth(t *testing.T) {
	for _, literal := range []string{"'x'", "O'Neil", `"'"`, `'"'`, `'\''`} {
		for depth, good := range map[int]bool{MaxDepth: true, MaxDepth + 1: false} {
			in := "b eq " + literal + " and " + strings.Repeat("(", depth) + "a eq " + literal + strings.Repeat(")", depth)
			if _, err := Parse(in); (err == nil) != good {
				t.Errorf("%s: %v", in, err)
			}
		}
	}
	if _, err := Parse(strings.TrimSuffix(strings.Repeat("(((a pr))) or ", 200), " or ")); err != nil {
		t.Error(err) // one after the other is no nesting
	}
}

// TestWordsByType compares words with attributes that are no texts: the type says what they mean.
func TestWordsByType(t *testing.T) {
	for filter, want := range map[string]bool{
		`level eq 7`: true, `level eq 7.0`: true, `level ge 1e0`: true, `level eq '7'`: true, `ratio eq 5e-1`: true, `active eq TRUE`: true, `active ne False`: true, `hired gt 2020-01-01T00:00:00Z`: true,
		`level eq null`: false, `level ne null`: true, `active eq null`: false, `hired ne NULL`: true, `x509Certificates.value ne null`: true,
		`userName eq null`: false, `nickName eq null`: true, `nickName ne null`: false, `title eq null`: true, `name eq null`: false, `addresses eq null`: true, `addresses ne null`: false, `tags ne null`: true,
	} {
		e, err := Parse(filter)
		if err != nil {
			t.Fatal(err)
		}
		if err := userSchema().Validate(e); err != nil {
			t.Errorf("%s: %v", filter, err)
		}
		if got, err := Match(e, ada(), userSchema()); err != nil || got != want {
			t.Errorf("%s: %v, %v", filter, got, err)
		}
	}
	for _, filter := range []string{`level ne NaN`, `level ne Inf`, `level ne 0x10`, `level ne "x"`, `active ne 1`, `active ne 'yes'`, `hired ne 2020`, `hired co null`, `level gt null`, `title lt null`, `x509Certificates.value co null`, `name co null`} {
		e, err := Parse(filter)
		if err != nil {
			t.Fatal(err)
		}
		if err := userSchema().Validate(e); err == nil {
			t.Errorf("%s is accepted", filter)
		}
	}
}

// TestDottedURN reads a dot in the place of the last colon of a URN of the IETF.
func TestDottedURN(t *testing.T) {
	const user, extension = "urn:ietf:params:scim:schemas:core:2.0:User", "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
	for in, want := range map[string]string{
		user + ".name": user + ":name", user + ".name.givenName": user + ":name.givenName", extension + ".manager.value": extension + ":manager.value", user + ":name.givenName": user + ":name.givenName",
		strings.ToUpper(extension) + ".DEPARTMENT": strings.ToUpper(extension) + ":DEPARTMENT", "urn:x:2.0:Y.z": "urn:x:2.0:Y.z", "urn:x:2.0:Y:z.a": "urn:x:2.0:Y:z.a",
	} {
		path, err := ParsePath(in)
		if err != nil || pathOf(path.AttributePath) != want {
			t.Errorf("%s: %v, %v", in, path, err)
		}
	}
	for _, in := range []string{user + ".", user + "..name", user + ".name.givenName.x", user + ".1x"} {
		if path, err := ParsePath(in); err == nil {
			t.Errorf("%s is read as %v", in, path)
		}
	}
}
