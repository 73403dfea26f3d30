package patch

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"testing"

	scim "github.com/elimity-com/scim/errors"
	"github.com/elimity-com/scim/schema"

	"github.com/scimbridge/scimbridge/scim/filter"
	"github.com/scimbridge/scimbridge/scim/value"
)

const enterprise = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"

func users() Resource {
	return Resource{Schema: filter.Schema{Core: schema.CoreUserSchema(), Extensions: []schema.Schema{schema.ExtensionEnterpriseUser()}}}
}

func groups() Resource {
	return Resource{Schema: filter.Schema{Core: schema.CoreGroupSchema()}, Rows: "members"}
}

// message is a PATCH body with the given operations, a list in JSON without its brackets.
func message(operations string) []byte {
	return []byte(`{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[` + operations + `]}`)
}

// parse checks a body as the server does and parses it.
func parse(body []byte, r Resource) (Change, error) {
	checked, err := value.Parse(body, value.MaxDepth)
	if err != nil {
		return Change{}, fail(scim.ScimErrorInvalidSyntax, "the body %v", err)
	}
	return Parse(checked, r)
}

// object decodes a JSON object.
func object(t testing.TB, s string) map[string]any {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal([]byte(s), &m); err != nil {
		t.Fatalf("%v in %s", err, s)
	}
	return m
}

// compact writes v as JSON with sorted keys.
func compact(t testing.TB, v any) string {
	t.Helper()
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		t.Fatal(err)
	}
	return string(bytes.TrimSpace(b.Bytes()))
}

// describeRows writes row operations as "add a b", "remove a", "clear" and so on.
func describeRows(ops []RowOp) string {
	s := ""
	for _, op := range ops {
		if s != "" {
			s += "; "
		}
		switch op.Kind {
		case AddRows:
			s += fmt.Sprint("add ", op.Values)
		case RemoveRows:
			s += fmt.Sprint("remove ", op.Values)
		case ReplaceRows:
			s += fmt.Sprint("replace ", op.Values)
		case ClearRows:
			s += "clear"
		case RemoveMatching:
			s += "remove matching"
		default:
			s += fmt.Sprint("kind ", op.Kind)
		}
	}
	return s
}

// wantError checks that err is a ScimError by value, with a status and type such as "400
// invalidPath".
func wantError(t testing.TB, err error, want string) {
	t.Helper()
	var e scim.ScimError
	if !errors.As(err, &e) {
		t.Fatalf("error %v (%T), want %s", err, err, want)
	}
	if got := fmt.Sprintf("%d %s", e.Status, e.ScimType); got != want {
		t.Errorf("error %s (%s), want %s", got, e.Detail, want)
	}
	if e.Detail == "" || len(e.Detail) > 300 {
		t.Errorf("the error's text is missing or repeats too much: %q", e.Detail)
	}
}
