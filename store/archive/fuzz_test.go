package archive_test

import (
	"bytes"
	"context"
	"errors"
	"testing"

	"github.com/scimbridge/scimbridge/store"
	"github.com/scimbridge/scimbridge/store/archive"
)

// errUndone rolls back a transaction.
var errUndone = errors.New("undone")

// within is a store inside a transaction of another one, so that a fuzz target writes nothing to the disk.
type within struct {
	store.Store
	tx store.Tx
}

func (w within) View(_ context.Context, fn func(store.Tx) error) error   { return fn(w.tx) }
func (w within) Update(_ context.Context, fn func(store.Tx) error) error { return fn(w.tx) }

// undone runs a function on an empty store, and rolls it back.
func undone(t *testing.T, s store.Store, fn func(s store.Store)) {
	err := s.Update(context.Background(), func(tx store.Tx) error {
		fn(within{s, tx})
		return errUndone
	})
	if !errors.Is(err, errUndone) {
		t.Fatal(err)
	}
}

// FuzzRead imports any lines after the first one of an export. They are refused, or the store can be exported
// and imported again, and both exports are the same.
func FuzzRead(f *testing.F) {
	const head = `{"kind":"scimbridge","format":1}` + "\n"
	for _, s := range []string{
		`{"kind":"end"}`, `{"kind":"end","lines":{"user":1}}`, `{"kind":"user","idp":"okta","user":{"ID":"u","UserName":"a","Emails":["a@b"],"Attributes":{}}}`,
		`{"kind":"user","user":{"ID":"","Attributes":null}}`, `{"kind":"group","idp":"okta","group":{"ID":"g","DisplayName":"g"}}` + "\n" + `{"kind":"members","idp":"okta","name":"g","members":["u","g","u"]}`,
		`{"kind":"members","idp":"okta","name":"absent","members":["u"]}`, `{"kind":"entry","backend":"vt","entry":{"Target":"t","Account":"a","Role":"r","State":7,"Attempt":18446744073709551615}}`,
		`{"kind":"entry","backend":"","entry":{"Target":"*","Attempt":3,"Doubt":"9999-12-31T23:59:59Z"}}`, `{"kind":"link","backend":"vt","link":{"IdP":"okta","User":"u"}}`,
		`{"kind":"setting","name":"x","value":"AAE="}`, `{"kind":"setting","name":"mapping/x"}`, `{"kind":"event","event":{"Seq":9,"IdP":"okta","Added":["u",""],"At":"0001-01-01T00:00:00Z"}}`,
		`{"kind":"scimbridge","format":1}`, `{"kind":"nonsense"}`, `[]`, `5`, `{`,
	} {
		f.Add([]byte(s + "\n" + `{"kind":"end"}`))
	}
	first, second := open(f), open(f)
	f.Fuzz(func(t *testing.T, lines []byte) {
		undone(t, first, func(s store.Store) {
			err := archive.Read(context.Background(), bytes.NewReader(append([]byte(head), lines...)), s)
			if err != nil {
				return
			}
			var was, again bytes.Buffer
			if err := archive.Write(context.Background(), s, &was); err != nil {
				t.Fatalf("what was read cannot be written: %v", err)
			}
			undone(t, second, func(s store.Store) {
				if err := archive.Read(context.Background(), bytes.NewReader(was.Bytes()), s); err != nil {
					t.Fatalf("what was written cannot be read: %v\n%s", err, &was)
				}
				if err := archive.Write(context.Background(), s, &again); err != nil || !bytes.Equal(was.Bytes(), again.Bytes()) {
					t.Errorf("%v: it was\n%s and is\n%s", err, &was, &again)
				}
			})
		})
	})
}
