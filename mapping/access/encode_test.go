package access_test

import (
	"encoding/json"
	"reflect"
	"testing"
	"time"

	"github.com/scimbridge/scimbridge/mapping/access"
)

// TestAppendJSON holds the encoding of rows to that of encoding/json.
func TestAppendJSON(t *testing.T) {
	t.Parallel()
	full := access.Row{}
	v := reflect.ValueOf(&full).Elem()
	for i := range v.NumField() {
		if f := v.Field(i); f.Kind() == reflect.String {
			f.SetString(v.Type().Field(i).Name + " \"\\<&>\u2028\x00\xff ü")
		}
	}
	full.Since, full.Confirmed = time.Date(2026, 11, 26, 12, 0, 0, 123_456_789, time.UTC), time.Date(2026, 11, 27, 0, 0, 0, 0, time.UTC)
	full.From = []access.Cause{{Group: "A", IdP: "okta", Line: 12}, {Group: "B\n", IdP: "entra"}}
	for name, row := range map[string]access.Row{"full": full, "empty": {From: []access.Cause{}}, "plain": {User: "ada@example.com", Role: "R", From: []access.Cause{}}} {
		want, err := json.Marshal(row)
		if err != nil {
			t.Fatal(err)
		}
		if got := row.AppendJSON(nil); string(got) != string(want) {
			t.Errorf("%s:\n%s\nwant\n%s", name, got, want)
		}
	}
}
