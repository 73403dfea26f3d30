package query

import (
	"net/url"
	"strings"
	"testing"

	"github.com/scimbridge/scimbridge/scim/message"
	"github.com/scimbridge/scimbridge/scim/resource"
)

func values(t *testing.T, raw string) url.Values {
	t.Helper()
	u := &url.URL{RawQuery: raw}
	if err := Normalize(u); err != nil {
		t.Fatal(err)
	}
	return u.Query()
}

func TestFromURL(t *testing.T) {
	t.Run("names in any letter case", func(t *testing.T) {
		q, err := FromURL("okta", values(t, `STARTINDEX=3&Count=7&Filter=userName%20eq%20"x"`), resource.Kinds()[:1])
		if err != nil || q.Start != 3 || q.Count != 7 || q.Filter == nil {
			t.Errorf("%+v, %v", q, err)
		}
	})
	t.Run("a page has at most MaxPage resources", func(t *testing.T) {
		q, err := FromURL("okta", values(t, "count=100000"), resource.Kinds())
		if err != nil || q.Count != MaxPage {
			t.Errorf("%d, %v", q.Count, err)
		}
	})
	t.Run("a filter under another name is refused", func(t *testing.T) {
		_, err := FromURL("okta", values(t, "$filter=x"), resource.Kinds())
		if e := message.ErrorFor(err); e.Status != 400 || e.ScimType != "invalidFilter" {
			t.Errorf("%+v", e)
		}
	})
}

func TestCursor(t *testing.T) {
	first, err := FromURL("okta", values(t, "cursor&count=5"), resource.Kinds()[:1])
	if err != nil {
		t.Fatal(err)
	}
	cursor, err := first.Cursor(Position{Place: 42})
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ idp, query, scimType string }{
		"the same query":            {"okta", "count=5&cursor=" + cursor, ""},
		"another identity provider": {"entra", "count=5&cursor=" + cursor, "invalidCursor"},
		"another filter":            {"okta", "count=5&filter=id%20pr&cursor=" + cursor, "invalidCursor"},
		"another count":             {"okta", "count=6&cursor=" + cursor, "invalidCount"},
		"a changed character":       {"okta", "count=5&cursor=" + flip(cursor), "invalidCursor"},
		"a cursor of no server":     {"okta", "count=5&cursor=%21", "invalidCursor"},
		"a cut cursor":              {"okta", "count=5&cursor=" + cursor[:8], "invalidCursor"},
	} {
		t.Run(name, func(t *testing.T) {
			q, err := FromURL(c.idp, values(t, c.query), resource.Kinds()[:1])
			if c.scimType == "" {
				if err != nil || q.After == nil || q.After.Place != 42 {
					t.Errorf("%+v, %v", q.After, err)
				}
				return
			}
			if e := message.ErrorFor(err); err == nil || string(e.ScimType) != c.scimType {
				t.Errorf("%v", err)
			}
		})
	}
}

// flip exchanges a letter in the middle of a cursor.
func flip(cursor string) string {
	at := len(cursor) / 2
	other := "A"
	if strings.HasPrefix(cursor[at:], other) {
		other = "B"
	}
	return cursor[:at] + other + cursor[at+1:]
}
