package store

import (
	"context"
	"encoding/json"
	"errors"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/scimbridge/scimbridge/store/record"
)

// Errors of a Store. Test with errors.Is.
var (
	ErrNotFound = errors.New("not found")
	ErrConflict = errors.New("already taken")                    // userName or displayName within one identity provider
	ErrLocked   = errors.New("in use by another process")        // Open
	ErrDamaged  = errors.New("damaged")                          // Open, and any read
	ErrNewer    = errors.New("written by a newer version")       // Open, and any read
	ErrFull     = errors.New("cannot be stored now")             // Update: no change; try again later
	ErrUnknown  = errors.New("perhaps stored")                   // Update: the answer was lost; all or nothing was changed; try again later
	ErrPoisoned = errors.New("disk sync failed; restart needed") // Update: this process accepts no more changes
	ErrClosed   = errors.New("closed")
)

// Store is the durable state. View and Update may be called concurrently.
//
// Update returns after all changes of its function have been synced to disk, or none. The function may run
// more than once and on another goroutine, so it must have no effects except on tx. Concurrent Updates may
// share a disk sync. Values from a Tx are valid after the transaction; the Tx is not. Neither function may
// make network calls.
type Store interface {
	View(ctx context.Context, fn func(tx Tx) error) error
	Update(ctx context.Context, fn func(tx Tx) error) error
	// Failed is closed when the store is poisoned: the process must stop.
	Failed() <-chan struct{}
	Close() error
}

// Private begins the names of settings that are secrets: an export or a backup leaves them out.
const Private = "private/"

// Tx is a transaction. Writing in a View is a programming error and panics.
type Tx interface {
	Directory(idp string) Directory
	IdPs() []string     // with a directory, sorted
	Backends() []string // with marks, a ledger or accounts, sorted
	Work(backend string) Work
	Ledger(backend string) Ledger
	Accounts(backend string) Accounts
	Events() Events
	Records() record.Records
	// Setting returns a small named value, such as the fingerprint of the rules; nil if absent. Values of
	// which there are many are in typed tables: see Records.
	Setting(name string) []byte
	Settings() iter.Seq2[string, []byte] // by name; names are shorter than 1 KiB
	SetSetting(name string, value []byte) error
}

// Index names a lookup of resources by value. Values are folded by the store: see Fold.
type Index uint8

// ByUserName and ByDisplayName (groups) are unique within an identity provider and ignore letter case (RFC
// 7643 section 4.1.1); ByExternalID is exact; ByEmail finds every address of a user.
const (
	ByUserName Index = iota + 1
	ByExternalID
	ByEmail
	ByDisplayName
)

// From is the order and the beginning of a list. The zero value is the order of creation, from the first.
type From struct {
	// By is 0 for the order of creation, or an index that is unique within an identity provider: ByUserName
	// for users, ByDisplayName for groups.
	By         Index
	Descending bool
	// AfterPlace (By 0) or AfterName begins after that place or folded name, which need not exist; zero: at
	// the beginning.
	AfterPlace uint64
	AfterName  string
	Skip       int // resources to skip after that; they are not read
}

// User is a user as the identity provider last left it.
type User struct {
	ID         string // a UUID made by the server
	UserName   string
	ExternalID string
	Emails     []string // the primary one first
	// Original has the first userName, primary address and externalId of the user, if any of them has
	// changed: a user may be able to choose the value that finds an account.
	Original []string `json:",omitempty"`
	Active   bool
	// Attributes is the resource as JSON without id, meta, schemas and groups.
	Attributes json.RawMessage
	Version    uint64 // grows with every change
	Created    time.Time
	Modified   time.Time
}

// Group is a group without its members: memberships are rows of their own.
type Group struct {
	ID          string
	DisplayName string
	ExternalID  string
	Attributes  json.RawMessage // as in User, without members
	Version     uint64
	Created     time.Time
	Modified    time.Time
}

// Member is one membership: the value as the identity provider sent it, also if no user has this id (yet).
type Member struct {
	Value string
	User  bool // a user of this directory has this id
	Group bool // a group of this directory has this id; nested groups grant nothing
}

// Directory is what one identity provider wants. Lists without a From are in order of creation.
type Directory interface {
	User(id string) (User, error)
	Users(from From) iter.Seq2[User, error]
	UserCount() int
	FindUsers(by Index, value string) ([]User, error)
	PutUser(u User) error       // creates or replaces; ErrConflict if another user has the userName
	DeleteUser(id string) error // with its memberships; ErrNotFound

	// Place returns the place of a user or group in the order of creation: see From.AfterPlace. It never
	// changes, and no other resource ever gets it.
	Place(id string) (uint64, error)

	Group(id string) (Group, error)
	Groups(from From) iter.Seq2[Group, error]
	GroupCount() int
	FindGroups(by Index, value string) ([]Group, error)
	PutGroup(g Group) error      // ErrConflict if another group has the displayName
	DeleteGroup(id string) error // with its members, and its memberships in other groups

	// AddMembers and RemoveMembers return the values that they added or removed, in the order given. A
	// value may be any string up to 1 KiB.
	AddMembers(group string, values ...string) (added []string, err error)
	RemoveMembers(group string, values ...string) (removed []string, err error)
	IsMember(group, value string) (bool, error)
	Members(group string) iter.Seq2[Member, error]
	MemberCount(group string) (int, error)
	GroupsOf(member string) iter.Seq2[Group, error]

	// Existing returns the ids that a user or group of this directory has, in any order.
	Existing(ids ...string) ([]string, error)
	// UnknownMembers counts, for each group that has some, the members that are neither a user nor
	// a group of this directory (yet), in any order. It may read every id of the directory: it is
	// for reports, not for requests.
	UnknownMembers() ([]UnknownMembers, error)
}

// UnknownMembers is the number of members of a group that are neither a user nor a group of its directory.
type UnknownMembers struct {
	Group string // its id
	Count int
}

// Subject is the subject of a Mark: a user of an identity provider, an account of the backend, or the users
// that an event of an identity provider added and removed. The zero Subject is every account that has or
// should have a grant on the target.
type Subject struct {
	IdP, User string
	Account   string
	Event     uint64 // Event.Seq
}

// AnyTarget is the target of a mark of all targets on which the subject has or had a grant.
const AnyTarget = "*"

// TargetSettings is the account of a target's own settings, such as permission sets, in marks and ledger.
const TargetSettings = "*"

// MarkState is the state of a Mark.
type MarkState uint8

// Pending work is due at Mark.NotBefore; Blocked work waits for an event that Reason names; Held work
// waits for an operator.
const (
	Pending MarkState = iota
	Blocked
	Held
)

// Origin is the cause of a mark: a client and its request, and when. It serves the audit trail only.
type Origin struct {
	Initiator string // identity provider, "operator", or an observation of the bridge itself
	Token     string // the credential of the initiator
	Request   string // request id
	// Groups are the groups that the request changed, or those of the user that count on the target of the mark, each as
	// "identity provider/displayName" and on a line. They name the causes of a revocation.
	Groups string
	At     time.Time
}

// Mark means "recompute this subject on this target": its grants there may be wrong. It has no payload,
// because the desired grants are computed from the directory at that moment.
type Mark struct {
	Target    string
	Subject   Subject
	Seq       uint64    // store-wide, new with every Touch
	Since     time.Time // the oldest Touch that is not settled
	State     MarkState
	NotBefore time.Time // zero: at once
	Reason    string    // Blocked: a short stable word; Held: the hold's id
	Tries     int
	Urgent    bool // an off-boarding: delivered first, without gathering
	Origin    Origin
}

// OrElse returns the newer of two, o if both have the same time, with the groups of both.
func (o Origin) OrElse(other Origin) Origin {
	if other.At.After(o.At) {
		o, other = other, o
	}
	if other.Groups != "" && other.Groups != o.Groups {
		o.Groups = JoinGroups(o.Groups, other.Groups)
	}
	return o
}

// mostGroups is how many groups an Origin names.
const mostGroups = 5

// JoinGroups joins lists of groups as they are in an Origin: each group once, the first five of them.
func JoinGroups(lists ...string) string {
	var all []string
	for _, list := range lists {
		for g := range strings.SplitSeq(list, "\n") {
			if g != "" && len(all) < mostGroups && !slices.Contains(all, g) {
				all = append(all, g)
			}
		}
	}
	return strings.Join(all, "\n")
}

// Waiting is what waits on a target.
type Waiting struct {
	Target string
	Ready  int       // marks that are ready; at most as many as were asked for, which the other fields are about
	Oldest time.Time // the earliest Since of them
	Urgent bool      // one of them is urgent and pending
	Reason string    // why the first of them that is blocked is so; "" if none is
	Next   time.Time // when the next mark will be ready; zero: none waits for a moment
}

// Add counts a mark that is ready.
func (w *Waiting) Add(m Mark) {
	if w.Ready++; w.Ready == 1 || m.Since.Before(w.Oldest) {
		w.Oldest = m.Since
	}
	w.Urgent = w.Urgent || m.Urgent && m.State == Pending
	if w.Reason == "" && m.State == Blocked {
		w.Reason = m.Reason
	}
}

// Work holds the marks of one backend.
type Work interface {
	// Touch marks the subjects, each with a new sequence number: Pending, due at once. An existing mark keeps
	// its Since, and its Origin if that is newer or this one is zero.
	Touch(target string, at time.Time, by Origin, subjects ...Subject) error
	// TouchUrgent is Touch for off-boardings, which are delivered first.
	TouchUrgent(target string, at time.Time, by Origin, subjects ...Subject) error
	// Urgent counts the pending marks that are urgent.
	Urgent() int
	// Marks lists all marks by target: of one, or ("") of all.
	Marks(target string) iter.Seq2[Mark, error]
	// Ready lists the marks of a target that may be worked on at a moment: they are not held, and
	// their NotBefore has come. The urgent ones are first, or the only ones. What waits for later is
	// not read.
	Ready(target string, at time.Time, urgent bool) iter.Seq2[Mark, error]
	// Waiting says of each target, in their order, what waits there, unless all of it is held. It
	// reads at most so many marks of a target.
	Waiting(at time.Time, most int) iter.Seq2[Waiting, error]
	Mark(target string, s Subject) (Mark, error)
	// Settle removes the mark if it still has this sequence number, and reports whether it did.
	Settle(m Mark) (bool, error)
	// Park writes State, NotBefore, Reason and Tries if the mark still has this sequence number.
	Park(m Mark) (bool, error)
	Counts() (pending, blocked, held int)
	// BlockedUsers counts the users with blocked marks: all of them, and by reason. An account counts once,
	// with any number of marks and users. A user without a known account, a target's own settings and an
	// event count once each.
	BlockedUsers() (all int, byReason map[string]int, err error)
	// OldestPending returns the Since of the oldest pending mark; zero without one.
	OldestPending() (time.Time, error)
	// Due reports whether a mark is ready at a moment. Replicas ask it every second.
	Due(at time.Time) (bool, error)
}

// EntryState is the state of a grant in the ledger.
type EntryState uint8

// Unknown: an attempt was made, and no result was ever confirmed. Present and Absent were confirmed by a
// clean answer or by a read.
const (
	Unknown EntryState = iota
	Present
	Absent
)

// Entry is a line of the ledger: a grant that Scimbridge made, is about to make, or has revoked and that may
// still exist. An entry that is Absent, not open and not in doubt is deleted.
type Entry struct {
	Target  string
	Account string
	Role    string
	Key     string     // the folded value that found the account
	State   EntryState // the last confirmed one
	Wanted  bool       // direction of the newest attempt: true add, false remove
	Open    bool       // the newest attempt has no outcome yet
	Attempt uint64     // number of the newest attempt, store-wide
	// Doubt is the moment from which reads can be trusted about attempts without a clean answer; zero without
	// such attempts.
	Doubt   time.Time
	Sent    time.Time // start of the newest attempt, later the time of its answer
	Since   time.Time // Present since
	Adopted bool      // it existed before a group gave it
	// Borrowed: adopted for a user who found the account by a changed value. Scimbridge disowns it instead of
	// revoking it.
	Borrowed bool
	Note     string // the last outcome, one short word for the operator
	Missed   int    // resyncs in a row that did not see it
	// MaybeGone: a removal without a clean answer may have been applied, or may be applied later.
	MaybeGone bool

	// Hold is the id of the hold on the removal, with its reason and its beginning; "" without one.
	// Approved: an operator approved the removal, and no brake holds or counts it.
	Hold, Why string
	HeldSince time.Time
	Approved  bool
}

// HoldSize is the size of a hold on a target: entries of the ledger, and held off-boardings that are not approved.
type HoldSize struct {
	ID, Target, Why       string
	Entries, Offboardings int
}

// Ledger holds the grants of one backend. The cost of Size and Holds does not grow with its entries.
type Ledger interface {
	Entry(target, account, role string) (Entry, error)
	Entries(target, account string) iter.Seq2[Entry, error] // "" means any; account needs target
	// EntriesAfter lists all entries in their order, beginning after the place of an entry, whether it
	// is there or not; nil: from the first. A long report reads a page in each transaction.
	EntriesAfter(last *Entry) iter.Seq2[Entry, error]
	TargetsOf(account string) ([]string, error) // targets with an entry of the account
	PutEntry(e Entry) error
	DeleteEntry(target, account, role string) error
	NextAttempt() (uint64, error)
	// Size counts the entries, and on each target the accounts with a held entry.
	Size() (entries, heldAccounts int, err error)
	// Holds lists the sizes of the holds, by id.
	Holds() ([]HoldSize, error)
}

// Link binds a user of a directory to an account of the backend.
type Link struct {
	IdP, User string
	Key       string // folded value that was looked up
	Account   string // "" while no account was found
	Seen      time.Time
	// Changed: the account was found by another value than the first one of the user. Made: Scimbridge
	// requested the account from the vendor.
	Changed bool
	Made    bool
}

// CachedAccount is an answer of the vendor: the account that a value finds.
type CachedAccount struct {
	Target string // where the listing was read; "" if the backend has one listing
	Key    string
	ID     string
	Status string
	Seen   time.Time // when the vendor first gave this answer, unless an incomplete listing repeated it
}

// Accounts maps users to the accounts of one backend.
type Accounts interface {
	Link(idp, user string) (Link, error)
	PutLink(l Link) error
	DeleteLink(idp, user string) error
	Linked(account string) ([]Link, error) // every user bound to the account
	Links() iter.Seq2[Link, error]         // by identity provider and user

	Cached(target, key string) (CachedAccount, error)
	CachedOn(target string) iter.Seq2[CachedAccount, error] // by key where the implementation can
	PutCached(c CachedAccount) error
	DeleteCached(target, key string) error
}
