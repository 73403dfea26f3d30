package console

import (
	"sync"
	"time"

	"github.com/scimbridge/scimbridge/store"
	"github.com/scimbridge/scimbridge/store/record"
)

// omissionsEvery is how often PUTs that omit members are stored and logged, for each identity
// provider.
const omissionsEvery = time.Hour

// Omissions counts PUTs of groups that omit `members`, from identity providers that also send PUTs
// with members: such a client may mean an empty list. It stores the first and the last at most once
// an hour, in the transaction of the PUT. The zero value is ready once Keeps is set; its methods
// may be called concurrently.
type Omissions struct {
	Keeps   func(idp string) bool               // reports whether such a PUT leaves the members
	Counted func(idp string)                    // counts each; may be nil
	Warn    func(idp, key string, counts int64) // logs at most once an hour for an identity provider; may be nil

	mu      sync.Mutex
	sends   map[string]bool  // identity providers that are stored as sending members
	pending map[string]int64 // counted since the last write
}

// OmissionStatus counts the omissions of one identity provider: those stored, and those that this
// process has counted since.
type OmissionStatus struct {
	Count int64     `json:"count"`
	First time.Time `json:"first"`
	Last  time.Time `json:"last"` // up to an hour behind
	Key   string    `json:"key"`  // of the configuration, to be set to `clear` if an empty group is meant
}

// omissionKey names the key of the configuration.
func omissionKey(idp string) string { return "identity_providers." + idp + ".put_without_members" }

func readOmitted(tx store.Tx, idp string) record.PutOmission {
	o, _, err := record.Get(tx, record.PutOmission{IdP: idp})
	if err != nil {
		o = record.PutOmission{} // a record that cannot be read is as good as none
	}
	o.IdP = idp
	return o
}

// Put records, in its transaction, a PUT that gives members of a group, or omits them although the
// group has some. committed, unless nil, must run after the commit.
func (o *Omissions) Put(tx store.Tx, idp string, leftOut bool, at time.Time) (committed func(), err error) {
	if leftOut {
		return o.countOmission(tx, idp, at)
	}
	o.mu.Lock()
	known := o.sends[idp]
	o.mu.Unlock()
	if known {
		return nil, nil
	}
	if row := readOmitted(tx, idp); row.Sends.IsZero() {
		row.Sends = at
		err = record.Put(tx, row)
	}
	return func() { o.learn(idp) }, err
}

func (o *Omissions) learn(idp string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.sends == nil {
		o.sends = map[string]bool{}
	}
	o.sends[idp] = true
}

func (o *Omissions) countOmission(tx store.Tx, idp string, at time.Time) (committed func(), err error) {
	row := readOmitted(tx, idp)
	if row.Sends.IsZero() {
		return nil, nil
	}
	if since := at.Sub(row.Last); since >= 0 && since < omissionsEvery {
		return func() { o.count(idp, 1) }, nil
	}
	if row.First.IsZero() {
		row.First = at
	}
	pending := o.counted(idp)
	row.Last = at
	row.Count += pending + 1
	return func() {
		o.count(idp, -pending)
		if o.Warn != nil {
			o.Warn(idp, omissionKey(idp), row.Count)
		}
	}, record.Put(tx, row)
}

// count counts one PUT, and changes how far the stored count is behind.
func (o *Omissions) count(idp string, behind int64) {
	o.mu.Lock()
	if o.pending == nil {
		o.pending = map[string]int64{}
	}
	o.pending[idp] += behind
	o.mu.Unlock()
	if o.Counted != nil {
		o.Counted(idp)
	}
}

func (o *Omissions) counted(idp string) int64 {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.pending[idp]
}

// status returns nil for an identity provider without omissions.
func (o *Omissions) status(tx store.Tx, idp string) *OmissionStatus {
	if o == nil || o.Keeps == nil || !o.Keeps(idp) {
		return nil
	}
	row := readOmitted(tx, idp)
	if row.Count == 0 {
		return nil
	}
	return &OmissionStatus{Count: row.Count + o.counted(idp), First: row.First, Last: row.Last, Key: omissionKey(idp)}
}
