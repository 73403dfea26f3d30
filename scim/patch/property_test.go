package patch

import (
	"encoding/json"
	"errors"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	scim "github.com/elimity-com/scim/errors"
)

// TestRowsAgainstModel compares the row operations with a plain reading of the same requests over a
// set of members.
func TestRowsAgainstModel(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 2))
	for range 5000 {
		want := map[string]bool{"a": true, "b": true, "c": true}
		got := maps.Clone(want)
		var operations []string
		for range 1 + rng.IntN(6) {
			ids := pickIDs(rng)
			list := spell(rng, ids)
			switch rng.IntN(5) {
			case 0:
				operations = append(operations, `{"op":"add","path":"members","value":`+list+`}`)
				for _, id := range ids {
					want[id] = true
				}
			case 1:
				operations = append(operations, `{"op":"Remove","path":"members","value":`+list+`}`)
				for _, id := range ids {
					delete(want, id)
				}
			case 2:
				operations = append(operations, `{"op":"remove","path":"`+filterOf(rng, ids)+`"}`)
				for _, id := range ids {
					delete(want, id)
				}
			case 3:
				operations = append(operations, `{"op":"replace","value":{"members":`+list+`}}`)
				clear(want)
				for _, id := range ids {
					want[id] = true
				}
			case 4:
				operations = append(operations, `{"op":"remove","path":"members[value sw \"`+ids[0]+`\"]"}`)
				delete(want, ids[0])
			}
		}
		change, err := parse(message(strings.Join(operations, ",")), groups())
		if err != nil {
			t.Fatal(err)
		}
		for _, op := range change.Rows {
			applyRows(t, got, op)
		}
		if !maps.Equal(got, want) {
			t.Fatalf("%v\n got %v\nwant %v", operations, got, want)
		}
	}
}

// spell writes members in one of the forms that clients have for them.
func spell(rng *rand.Rand, ids []string) string {
	elements := make([]string, len(ids), len(ids)+1)
	for i, id := range ids {
		elements[i] = [...]string{`"` + id + `"`, `{"value":"` + id + `"}`, `{"Value":["` + id + `"],"display":"x"}`, quoted(`{"value":"` + id + `"}`)}[rng.IntN(4)]
	}
	if rng.IntN(4) == 0 {
		elements = append(elements, [...]string{`null`, `{"value":null}`, `{"value":""}`, `{}`}[rng.IntN(4)])
	}
	list := `[` + strings.Join(elements, ",") + `]`
	if len(elements) == 1 && rng.IntN(2) == 0 {
		list = elements[0]
	}
	for range rng.IntN(2) {
		list = [...]string{`{"members":` + list + `}`, `[{"MEMBERS":` + list + `}]`}[rng.IntN(2)]
	}
	if rng.IntN(4) == 0 && list[0] != '"' {
		list = quoted(list)
	}
	return list
}

// quoted writes a JSON text as a JSON string.
func quoted(text string) string {
	b, _ := json.Marshal(text) // of a text: cannot fail
	return string(b)
}

// filterOf is a path of the members ids, in one of the forms in which a client may write it.
func filterOf(rng *rand.Rand, ids []string) string {
	conditions := make([]string, len(ids))
	for i, id := range ids {
		quote := []string{`\"`, `'`, ``}[rng.IntN(3)]
		conditions[i] = []string{"value eq ", "VALUE  EQ "}[rng.IntN(2)] + quote + id + quote
	}
	filter := strings.Join(conditions, []string{" or ", "  OR "}[rng.IntN(2)])
	if rng.IntN(4) == 0 {
		filter = "(" + filter + ")"
	} else if len(ids) == 1 && rng.IntN(4) == 0 {
		filter = `display eq \"x\" and ` + filter
	}
	return []string{"members", "Members ", "urn:ietf:params:scim:schemas:core:2.0:Group:members", "urn:ietf:params:scim:schemas:core:2.0:Group.members"}[rng.IntN(4)] + "[" + filter + "]"
}

func pickIDs(rng *rand.Rand) []string {
	ids := make([]string, 1+rng.IntN(3))
	for i := range ids {
		ids[i] = string(rune('a' + rng.IntN(6)))
	}
	return ids
}

// applyRows is what a store does with a row operation.
func applyRows(t *testing.T, rows map[string]bool, op RowOp) {
	t.Helper()
	switch op.Kind {
	case ReplaceRows, ClearRows:
		clear(rows)
		fallthrough
	case AddRows:
		for _, id := range op.Values {
			rows[id] = true
		}
	case RemoveRows:
		for _, id := range op.Values {
			delete(rows, id)
		}
	case RemoveMatching:
		for id := range rows {
			ok, err := op.Matches(map[string]any{"value": id})
			if err != nil {
				t.Fatal(err)
			}
			if ok {
				delete(rows, id)
			}
		}
	}
}

// operationPool are operations on users that repeat without effect: applied twice they leave what
// they leave applied once.
var operationPool = []string{
	`{"op":"Replace","path":"active","value":"False"}`,
	`{"op":"add","path":"title","value":"T"}`,
	`{"op":"remove","path":"title"}`,
	`{"op":"replace","value":{"name.givenName":"A","name":{"familyName":"B"}}}`,
	`{"op":"replace","path":"name","value":{"givenName":""}}`,
	`{"op":"add","path":"emails","value":[{"type":"work","value":"w@x","primary":true}]}`,
	`{"op":"add","path":"emails","value":[{"type":"home","value":"h@x","primary":true},{"type":"other","value":"o@x"}]}`,
	`{"op":"replace","path":"emails[type eq \"work\"].value","value":"n@x"}`,
	`{"op":"replace","path":"emails[type eq \"home\"].primary","value":"True"}`,
	`{"op":"remove","path":"emails[value ew \"x\" and primary eq true]"}`,
	`{"op":"remove","path":"emails","value":[{"value":"h@x"}]}`,
	`{"op":"add","path":"roles[primary eq \"True\"].value","value":"Admin"}`,
	`{"op":"replace","path":"roles","value":[{"value":"User"},{"value":"Admin","primary":"true"}]}`,
	`{"op":"add","path":"manager","value":"m"}`,
	`{"op":"replace","path":"` + enterprise + `:manager","value":""}`,
	`{"op":"add","value":{"` + enterprise + `":{"department":"R"}}}`,
	`{"op":"remove","path":"` + enterprise + `"}`,
}

// failing are valid operations that cannot be applied to what the pool makes.
var failing = []string{
	`{"op":"replace","path":"emails[value co \"nowhere\"].display","value":"x"}`,
	`{"op":"add","path":"roles[not (value pr)].value","value":"x"}`,
}

func TestApplyTwiceIsApplyOnce(t *testing.T) {
	for _, operation := range operationPool {
		for _, before := range operationPool {
			attrs := object(t, `{"userName":"ada","active":true,"emails":[{"type":"home","value":"h@x","primary":true}]}`)
			mustApply(t, attrs, before)
			mustApply(t, attrs, operation)
			once := compact(t, attrs)
			changed := mustApply(t, attrs, operation)
			if twice := compact(t, attrs); changed || twice != once {
				t.Errorf("%s after %s\nonce  %s\ntwice %s (changed %v)", operation, before, once, twice, changed)
			}
		}
	}
}

func mustApply(t *testing.T, attrs map[string]any, operations string) bool {
	t.Helper()
	change, err := parse(message(operations), users())
	if err != nil {
		t.Fatalf("%s: %v", operations, err)
	}
	changed, err := Apply(attrs, change.Attributes, users())
	if err != nil {
		t.Fatalf("%s: %v", operations, err)
	}
	return changed
}

func TestFailureLeavesAttributesAlone(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for range 1000 {
		attrs := object(t, `{"userName":"ada","roles":[{"value":"Admin"}],"emails":[{"type":"home","value":"h@x"}]}`)
		for range rng.IntN(4) {
			mustApply(t, attrs, operationPool[rng.IntN(len(operationPool))])
		}
		before := compact(t, attrs)
		var operations []string
		for range rng.IntN(5) {
			operations = append(operations, operationPool[rng.IntN(len(operationPool))])
		}
		operations = slices.Insert(operations, rng.IntN(len(operations)+1), failing[rng.IntN(len(failing))])
		change, err := parse(message(strings.Join(operations, ",")), users())
		if err != nil {
			t.Fatal(err)
		}
		changed, err := Apply(attrs, change.Attributes, users())
		if err == nil {
			t.Fatalf("%v succeed", operations)
		}
		if after := compact(t, attrs); changed || after != before {
			t.Fatalf("%v\nbefore %s\nafter  %s", operations, before, after)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, operation := range slices.Concat(operationPool, failing) {
		f.Add(message(operation))
	}
	for _, operation := range []string{
		`{"op":"Remove","path":"members","value":[{"$ref":null,"value":"f648"}]}`,
		`{"op":"remove","path":"members[value eq \"a\" or value eq \"b\"]"}`,
		`{"op":"remove","path":"members[value eq 'a' or value eq O'Neil or value eq “b”]"}`,
		`{"op":"remove","path":"members[display eq 'a' and value eq 1e3].display"}`,
		`{"op":"add","path":"phoneNumbers[type eq 1e3 and primary eq TRUE].value","value":"1"}`,
		`{"op":"replace","path":"emails[type eq &quot;work&quot;].value","value":"x"}`,
		`{"op":"replace","value":{"` + enterprise + `.department":"R","emails[type eq 'work'].value":"x","name[given` + "`" + `x]":"y"}}`,
		`{"op":"remove","path":"members[type eq \"User\"]"},{"op":"add","path":"members","value":"a"}`,
		`{"op":"replace","path":null,"value":{"id":"g","members":[],"displayName":"g"}}`,
		`{"op":"remove","path":"members"}`,
		`{"op":"add","path":"members","value":{"members":["a",{"value":null}]}}`,
		`{"op":"replace","value":"{\"members\":[{\"value\":[7]}],\"displayName\":[true]}"}`,
		`{"op":"add","path":"emails","value":{"emails":[{"value":"a@x","primary":["True"]},{"address":null}]}}`,
		`{"op":"remove","path":"memebers","value":["a"]}`,
	} {
		f.Add(message(operation))
	}
	f.Add([]byte(`{"Operations":[{"op":"add","value":{"a":{"b":[[{"c":1e9}]]}}}]} `))
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, r := range []Resource{users(), groups()} {
			change, err := parse(body, r)
			if err != nil {
				checkFuzzError(t, err)
				continue
			}
			for _, op := range change.Rows {
				if (len(op.Values) == 0) != (op.Kind == ClearRows || op.Kind == RemoveMatching) || (op.Match != nil) != (op.Kind == RemoveMatching) {
					t.Fatalf("a row operation that says nothing: %+v", op)
				}
			}
			attrs := object(t, `{"userName":"ada","displayName":"A","emails":[{"type":"work","value":"w@x"}],"`+enterprise+`":{"manager":{"value":"m"}}}`)
			before := compact(t, attrs)
			changed, err := Apply(attrs, change.Attributes, r)
			if err != nil {
				checkFuzzError(t, err)
			}
			if after := compact(t, attrs); changed != (after != before) {
				t.Fatalf("changed is %v\nbefore %s\nafter  %s", changed, before, after)
			}
		}
	})
}

func checkFuzzError(t *testing.T, err error) {
	t.Helper()
	var e scim.ScimError
	if !errors.As(err, &e) || e.Detail == "" || e.Status/100 != 4 || len(e.Detail) > 300 {
		t.Fatalf("%T: %v", err, err)
	}
}
