package store

import (
	"context"
	"encoding/json"
	"errors"
	"iter"
	"time"
)

// What a Store can say. Test with errors.Is.
var (
	ErrNotFound = errors.New("not found")
	ErrConflict = errors.New("already taken")                    // userName or displayName within one identity provider
	ErrLocked   = errors.New("in use by another process")        // Open
	ErrDamaged  = errors.New("damaged")                          // Open, and any read
	ErrNewer    = errors.New("written by a newer version")       // Open, and any read
	ErrFull     = errors.New("cannot be stored now")             // Update: nothing was changed, try again later
	ErrUnknown  = errors.New("perhaps stored")                   // Update: the answer was lost; all of it was changed or nothing, try again later
	ErrPoisoned = errors.New("disk sync failed; restart needed") // Update: nothing more is accepted by this process
	ErrClosed   = errors.New("closed")
)

// Store is the durable state. View and Update may be called concurrently.
//
// Update answers after everything its function did has been synced to disk, all of it or nothing. The function
// may run more than once and on another goroutine, so it has no effects besides those on tx. Updates of
// concurrent callers may share a disk sync. What a Tx returns is valid after the transaction; the Tx is not.
// No network call belongs inside either.
type Store interface {
	View(ctx context.Context, fn func(tx Tx) error) error
	Update(ctx context.Context, fn func(tx Tx) error) error
	// Failed is closed when the store is poisoned: the process must stop.
	Failed() <-chan struct{}
	Close() error
}

// Private begins the names of settings that are secrets: they do not leave the store by an export or a backup.
const Private = "private/"

// Tx is a transaction. Writing in a View is a programming error and panics.
type Tx interface {
	Directory(idp string) Directory
	IdPs() []string     // those with a directory, sorted
	Backends() []string // those with marks, a ledger or accounts, sorted
	Work(backend string) Work
	Ledger(backend string) Ledger
	Accounts(backend string) Accounts
	Events() Events
	Records() Records
	// Setting is a small named value of which there is one, such as the fingerprint of the mapping; nil if absent. Where there are
	// many of a kind, a typed table holds them: see Records.
	Setting(name string) []byte
	Settings() iter.Seq2[string, []byte] // by name; names are shorter than 1 KiB
	SetSetting(name string, value []byte) error
}

// Index names a lookup of resources by value. Values are folded by the store: see Fold.
type Index uint8

// ByUserName and ByDisplayName (groups) are unique within an identity provider and compare without regard to
// case (RFC 7643 section 4.1.1); ByExternalID is exact; ByEmail finds every address of a user.
const (
	ByUserName Index = iota + 1
	ByExternalID
	ByEmail
	ByDisplayName
)

// From is where a list begins and how it is ordered. The zero value is the order of creation, from the first.
type From struct {
	// By is 0 for the order of creation, else an index that is unique within an identity provider: ByUserName for
	// users, ByDisplayName for groups.
	By         Index
	Descending bool
	// AfterPlace (By 0) or AfterName begins after that place or folded name, whether anything is still there; zero: at
	// the beginning.
	AfterPlace uint64
	AfterName  string
	Skip       int // passed over after that: counted, not read
}

// User is a user as the identity provider last left it.
type User struct {
	ID         string // a UUID made by the server
	UserName   string
	ExternalID string
	Emails     []string // the primary one first
	// Original has the userName, primary address and externalId that the user had first, if any of them has changed since: what
	// finds an account may be a value that the user chose.
	Original []string `json:",omitempty"`
	Active   bool
	// Attributes is the resource as JSON without id, meta, schemas and groups.
	Attributes json.RawMessage
	Version    uint64 // grows with every change
	Created    time.Time
	Modified   time.Time
}

// Group is a group without its members: those are rows of their own.
type Group struct {
	ID          string
	DisplayName string
	ExternalID  string
	Attributes  json.RawMessage // as in User, without members
	Version     uint64
	Created     time.Time
	Modified    time.Time
}

// Member is one membership: the value as the identity provider sent it, whether it is a user (yet) or not.
type Member struct {
	Value string
	User  bool // a user of this directory has this id
	Group bool // a group of this directory has this id; it grants its members nothing here
}

// Directory is what one identity provider wants. Where no From says otherwise, lists come in order of creation.
type Directory interface {
	User(id string) (User, error)
	Users(from From) iter.Seq2[User, error]
	UserCount() int
	FindUsers(by Index, value string) ([]User, error)
	PutUser(u User) error       // creates or replaces; ErrConflict if the userName is another's
	DeleteUser(id string) error // with its memberships; ErrNotFound

	// Place is where a user or group stands in the order of creation: see From.AfterPlace. It never changes and is
	// never given again.
	Place(id string) (uint64, error)

	Group(id string) (Group, error)
	Groups(from From) iter.Seq2[Group, error]
	GroupCount() int
	FindGroups(by Index, value string) ([]Group, error)
	PutGroup(g Group) error      // ErrConflict if the displayName is another's
	DeleteGroup(id string) error // with its memberships, and with those it has in other groups

	// AddMembers and RemoveMembers return the values for which they changed anything, in the order given. A value may
	// be any string up to 1 KiB.
	AddMembers(group string, values ...string) (added []string, err error)
	RemoveMembers(group string, values ...string) (removed []string, err error)
	IsMember(group, value string) (bool, error)
	Members(group string) iter.Seq2[Member, error]
	MemberCount(group string) (int, error)
	GroupsOf(member string) iter.Seq2[Group, error]

	// Existing returns those of the ids that a user or group of this directory has, in any order.
	Existing(ids ...string) ([]string, error)
	// UnknownMembers counts, for each group that has some, the members that are neither a user nor
	// a group of this directory (yet), in any order. It may read every id of the directory: it is
	// for reports, not for requests.
	UnknownMembers() ([]UnknownMembers, error)
}

// UnknownMembers is how many members of a group are neither a user nor a group of its directory.
type UnknownMembers struct {
	Group string // its id
	Count int
}

// Subject is what a Mark is about: a user of an identity provider, an account of the backend, the users that an event of an
// identity provider added and removed, or, when zero, everybody who has or should have something on the target.
type Subject struct {
	IdP, User string
	Account   string
	Event     uint64 // Event.Seq
}

// AnyTarget is the target of a mark that is about all targets on which the subject has or had something.
const AnyTarget = "*"

// TargetSettings is the account under which a target's own settings, such as permission sets, stand in marks and ledger.
const TargetSettings = "*"

// MarkState says what became of a Mark.
type MarkState uint8

// Pending work is to be done at Mark.NotBefore; Blocked work waits for what Reason names and is
// tried again then; Held work waits for an operator.
const (
	Pending MarkState = iota
	Blocked
	Held
)

// Origin is who asked for what made a mark, and when. It changes nothing that is done, and is there for the audit trail.
type Origin struct {
	Initiator string // identity provider, "operator", or what the bridge noticed by itself
	Token     string // which credential of the initiator's
	Request   string // request id
	At        time.Time
}

// Mark says: "this subject's grants on this target may be wrong". It has no payload; what should be is
// computed from the directory as it is when the mark is worked on.
type Mark struct {
	Target    string
	Subject   Subject
	Seq       uint64    // store-wide, new with every Touch
	Since     time.Time // of the oldest Touch that is not settled
	State     MarkState
	NotBefore time.Time // zero: at once
	Reason    string    // Blocked: a short stable word; Held: the hold's id
	Tries     int
	Urgent    bool // an off-boarding: before everything else, without gathering
	Origin    Origin
}

// OrElse gives the newer of two: o itself if they are of one moment.
func (o Origin) OrElse(other Origin) Origin {
	if other.At.After(o.At) {
		return other
	}
	return o
}

// Work is the marks of one backend.
type Work interface {
	// Touch marks the subjects, each with a new sequence number: Pending, due at once. Since stays if it was marked, and so
	// does the Origin if it is newer than this one, or this one is zero.
	Touch(target string, at time.Time, by Origin, subjects ...Subject) error
	// TouchUrgent is Touch for those who are to go first.
	TouchUrgent(target string, at time.Time, by Origin, subjects ...Subject) error
	// Urgent counts the pending marks that are.
	Urgent() int
	// Marks lists by target, then by sequence number where the implementation can, of one target or ("") of all.
	Marks(target string) iter.Seq2[Mark, error]
	Mark(target string, s Subject) (Mark, error)
	// Settle removes the mark if it still has this sequence number, and says whether it did.
	Settle(m Mark) (bool, error)
	// Park writes State, NotBefore, Reason and Tries if the mark still has this sequence number.
	Park(m Mark) (bool, error)
	Counts() (pending, blocked, held int)
	// BlockedUsers counts whose marks are blocked: all of them, and for each reason. An account is one, however many
	// marks and users it has; a user without a known account, a target's own settings and an event are one each.
	BlockedUsers() (all int, byReason map[string]int, err error)
	// OldestPending returns since when the oldest pending mark waits; zero: none does.
	OldestPending() (time.Time, error)
	// Due says whether there is a mark that is not held and whose NotBefore is not after the moment: what a replica asks every
	// second, so it reads no more than that needs.
	Due(at time.Time) (bool, error)
}

// EntryState is what the ledger knows of a grant.
type EntryState uint8

// Unknown: an attempt was made and nothing was ever confirmed; Present and Absent were confirmed by a clean
// answer or by reading back.
const (
	Unknown EntryState = iota
	Present
	Absent
)

// Entry is a line of the ledger: a grant that is ours, is about to be, or was and may still be there. An entry
// that is Absent, not open and not in doubt is deleted.
type Entry struct {
	Target  string
	Account string
	Role    string
	Key     string     // the folded value that found the account
	State   EntryState // what was confirmed last
	Wanted  bool       // direction of the newest attempt: true add, false remove
	Open    bool       // the newest attempt has no outcome yet
	Attempt uint64     // number of the newest attempt, store-wide
	// Doubt is the moment from which a read says the truth again about attempts without a clean answer; zero
	// if there is none.
	Doubt   time.Time
	Sent    time.Time // start of the newest attempt, then when it was answered
	Since   time.Time // Present since
	Adopted bool      // was there before a group gave it
	// Borrowed: it was adopted for a user who came to the account by a changed value. The bridge gives it up instead of
	// revoking it.
	Borrowed bool
	Note     string // the last outcome, one short word for the operator
	Missed   int    // resyncs in a row that did not see it
	// MaybeGone: a removal without a clean answer may have been applied, or may still be.
	MaybeGone bool

	// Hold is the id of the hold that keeps the removal back, with its reason and its beginning; "" if none does.
	// Approved: an operator let the removal go, and no brake holds or counts it.
	Hold, Why string
	HeldSince time.Time
	Approved  bool
}

// HoldSize is how much a hold has on a target: entries of the ledger, and held off-boardings that are not approved.
type HoldSize struct {
	ID, Target, Why       string
	Entries, Offboardings int
}

// Ledger is the grants of one backend. Size and Holds cost no more where it has more entries.
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
	// Size counts the entries, and the accounts on each target of which an entry is held.
	Size() (entries, heldAccounts int, err error)
	// Holds lists the sizes of the holds, by id.
	Holds() ([]HoldSize, error)
}

// Link binds a user of the directory to the account that the bridge acts on for them.
type Link struct {
	IdP, User string
	Key       string // folded value that was looked up
	Account   string // "" while no account was found
	Seen      time.Time
	// Changed: the account was found by another value than the user had first. Made: the bridge had asked the vendor for the
	// account.
	Changed bool
	Made    bool
}

// CachedAccount is an answer of the backend: which account a value finds.
type CachedAccount struct {
	Target string // where the listing was read; "" if the backend has one listing
	Key    string
	ID     string
	Status string
	Seen   time.Time // when the backend first said so, unless an incomplete listing said it again
}

// Accounts is the ID mapping of one backend: who is who, and since when we know.
type Accounts interface {
	Link(idp, user string) (Link, error)
	PutLink(l Link) error
	DeleteLink(idp, user string) error
	Linked(account string) ([]Link, error) // everybody bound to the account
	Links() iter.Seq2[Link, error]         // by identity provider and user

	Cached(target, key string) (CachedAccount, error)
	CachedOn(target string) iter.Seq2[CachedAccount, error] // by key where the implementation can
	PutCached(c CachedAccount) error
	DeleteCached(target, key string) error
}
