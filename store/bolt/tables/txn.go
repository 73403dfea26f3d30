package tables

import (
	"bytes"
	"fmt"
	"iter"
	"slices"

	"github.com/scimbridge/scimbridge/store"
	"github.com/scimbridge/scimbridge/store/bolt/codec"
	"github.com/scimbridge/scimbridge/store/bolt/directory"
	"github.com/scimbridge/scimbridge/store/bolt/kv"
)

// Tx is a transaction of the port.
type Tx struct{ *kv.Tx }

// New returns the transaction of the port over a transaction of the file.
func New(t *kv.Tx) Tx { return Tx{t} }

// IdPs implements store.Tx.
func (t Tx) IdPs() []string {
	var names []string
	for k := range t.Scan(t.Btx.Bucket([]byte(kv.TopDirectories)), nil, 0) {
		names = append(names, string(k))
	}
	return names
}

// Backends implements store.Tx.
func (t Tx) Backends() []string {
	var names []string
	for _, top := range []string{kv.TopWork, kv.TopLedgers, kv.TopAccounts} {
		for k := range t.Scan(t.Btx.Bucket([]byte(top)), nil, 0) {
			names = append(names, string(k))
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// Setting implements store.Tx.
func (t Tx) Setting(name string) []byte {
	key := codec.MakeKey(name)
	record := kv.Get(t.Btx.Bucket([]byte(kv.TopSettings)), key)
	if record == nil {
		return nil
	}
	payload, err := codec.Unseal(key, record)
	if err != nil {
		t.Fail(fmt.Errorf("read setting %q: %w", name, err))
		return nil
	}
	return bytes.Clone(payload)
}

// Settings implements store.Tx.
func (t Tx) Settings() iter.Seq2[string, []byte] {
	return func(yield func(string, []byte) bool) {
		for k, v := range t.Scan(t.Btx.Bucket([]byte(kv.TopSettings)), nil, 0) {
			payload, err := codec.Unseal(k, v)
			name, ok := codec.PartOf(k)
			if err == nil && !ok {
				err = store.ErrDamaged
			}
			if err != nil {
				t.Fail(fmt.Errorf("list settings: %w", err))
				return
			}
			if !yield(name, bytes.Clone(payload)) {
				return
			}
		}
	}
}

// SetSetting implements store.Tx.
func (t Tx) SetSetting(name string, value []byte) error {
	t.Write()
	b, err := t.Top(kv.TopSettings)
	if err != nil {
		return err
	}
	key := codec.MakeKey(name)
	if value == nil {
		return t.Del(b, key)
	}
	e := codec.NewRecord(len(value))
	e.Raw(value)
	return t.Put(b, key, e.Seal(key))
}

// Directory implements store.Tx.
func (t Tx) Directory(idp string) store.Directory {
	return directory.Open(t.Namespace(kv.TopDirectories, idp))
}

// Work implements store.Tx.
func (t Tx) Work(backend string) store.Work { return &work{t.Namespace(kv.TopWork, backend)} }

// Ledger implements store.Tx.
func (t Tx) Ledger(backend string) store.Ledger { return &ledger{t.Namespace(kv.TopLedgers, backend)} }

// Accounts implements store.Tx.
func (t Tx) Accounts(backend string) store.Accounts {
	return &accounts{t.Namespace(kv.TopAccounts, backend)}
}

// Events implements store.Tx.
func (t Tx) Events() store.Events { return &events{t.Tx} }
