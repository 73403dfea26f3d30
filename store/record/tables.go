package record

import "time"

// Retention of records without another end.
const (
	InvitationKept   = 365 * 24 * time.Hour // since it was sent
	UnusedCredential = 400 * 24 * time.Hour // since the last use of a credential that no configuration lists
)

// The kinds of a Removal.
const (
	RemovalOfRole        = "role"
	RemovalByOffboarding = "offboarding"
)

// The names of a Command.
const (
	CommandResync = "resync"
	CommandRetry  = "retry"
	CommandReload = "reload"
)

// Tables returns an empty record of each typed table, in the order of their names.
func Tables() []Record {
	return []Record{
		new(Approval),
		new(Command),
		new(Comparison),
		new(Condition),
		new(Credential),
		new(Disowned),
		new(Ending),
		new(ForeignGrant),
		new(HeldOffboarding),
		new(Invitation),
		new(Listing),
		new(Notice),
		new(Notification),
		new(Offboarded),
		new(PartialHold),
		new(Pin),
		new(PutOmission),
		new(Rejections),
		new(Removal),
		new(Retained),
		new(ShownHold),
	}
}

// Invitation is a request of Scimbridge to a vendor: an account for a value.
type Invitation struct {
	Backend string
	Listing string
	Key     string
	At      time.Time
	Refused bool // the vendor refused: Scimbridge did not make an account that turns up later
	Expires time.Time
}

// Table implements Record.
func (*Invitation) Table() Table {
	return Table{"invitations", []string{"backend", "listing", "key", "at", "refused", "expires"}, 3, true}
}

// Fields implements Record.
func (r *Invitation) Fields() []any {
	return []any{&r.Backend, &r.Listing, &r.Key, &r.At, &r.Refused, &r.Expires}
}

// Ending is a call that ends a membership or an account, was begun and has no outcome.
type Ending struct {
	Backend string
	Listing string
	Account string
	At      time.Time
}

// Table implements Record.
func (*Ending) Table() Table {
	return Table{"endings", []string{"backend", "listing", "account", "at"}, 3, false}
}

// Fields implements Record.
func (r *Ending) Fields() []any {
	return []any{&r.Backend, &r.Listing, &r.Account, &r.At}
}

// Offboarded is an account, or the membership of a target, that was ended; with a Hold, an operator
// rejected that.
type Offboarded struct {
	Backend string
	Listing string
	Account string
	At      time.Time
	Hold    string
}

// Table implements Record.
func (*Offboarded) Table() Table {
	return Table{"offboarded", []string{"backend", "listing", "account", "at", "hold"}, 3, false}
}

// Fields implements Record.
func (r *Offboarded) Fields() []any {
	return []any{&r.Backend, &r.Listing, &r.Account, &r.At, &r.Hold}
}

// Retained is an account whose roles stay, because an operator rejected its off-boarding.
type Retained struct {
	Backend string
	Account string
	Hold    string
}

// Table implements Record.
func (*Retained) Table() Table {
	return Table{"retained", []string{"backend", "account", "hold"}, 2, false}
}

// Fields implements Record.
func (r *Retained) Fields() []any {
	return []any{&r.Backend, &r.Account, &r.Hold}
}

// HeldOffboarding is an off-boarding of an account without roles that waits for an operator, or for its
// execution once it is approved.
type HeldOffboarding struct {
	Backend  string
	Account  string
	Target   string
	ID       string // of the hold
	Key      string // the value that found the account
	Since    time.Time
	Why      string
	Approved bool
}

// Table implements Record.
func (*HeldOffboarding) Table() Table {
	return Table{"held_offboardings", []string{"backend", "account", "target", "id", "key", "since", "why", "approved"}, 3, false}
}

// Fields implements Record.
func (r *HeldOffboarding) Fields() []any {
	return []any{&r.Backend, &r.Account, &r.Target, &r.ID, &r.Key, &r.Since, &r.Why, &r.Approved}
}

// Removal is a removal that was sent. It is kept while a limit counts it.
type Removal struct {
	Backend  string
	Target   string
	Account  string
	Kind     string // RemovalOfRole or RemovalByOffboarding
	At       time.Time
	Approved bool // no limit counts it
	Expires  time.Time
}

// Table implements Record.
func (*Removal) Table() Table {
	return Table{"removals", []string{"backend", "target", "account", "kind", "at", "approved", "expires"}, 4, true}
}

// Fields implements Record.
func (r *Removal) Fields() []any {
	return []any{&r.Backend, &r.Target, &r.Account, &r.Kind, &r.At, &r.Approved, &r.Expires}
}

// Disowned is a grant whose revocation an operator rejected: authoritative rules do not revoke it.
type Disowned struct {
	Backend string
	Target  string
	Account string
	Role    string
}

// Table implements Record.
func (*Disowned) Table() Table {
	return Table{"disowned", []string{"backend", "target", "account", "role"}, 4, false}
}

// Fields implements Record.
func (r *Disowned) Fields() []any {
	return []any{&r.Backend, &r.Target, &r.Account, &r.Role}
}

// PartialHold is a target whose holds are being recorded in parts, because they have very many removals.
type PartialHold struct {
	Backend string
	Target  string
}

// Table implements Record.
func (*PartialHold) Table() Table {
	return Table{"partial_holds", []string{"backend", "target"}, 2, false}
}

// Fields implements Record.
func (r *PartialHold) Fields() []any {
	return []any{&r.Backend, &r.Target}
}

// Listing is a list of a vendor's accounts that was read to its end.
type Listing struct {
	Backend string
	Listing string
	At      time.Time
}

// Table implements Record.
func (*Listing) Table() Table {
	return Table{"listings", []string{"backend", "listing", "at"}, 2, false}
}

// Fields implements Record.
func (r *Listing) Fields() []any {
	return []any{&r.Backend, &r.Listing, &r.At}
}

// Approval is the first of two approvals that a hold needs. It is void once the hold has another content.
type Approval struct {
	Backend  string
	ID       string // of the hold
	Digest   string // of what was approved
	Operator string // the credential of the operator
	Reason   string // in the words of the operator
	At       time.Time
}

// Table implements Record.
func (*Approval) Table() Table {
	return Table{"approvals", []string{"backend", "id", "digest", "operator", "reason", "at"}, 2, false}
}

// Fields implements Record.
func (r *Approval) Fields() []any {
	return []any{&r.Backend, &r.ID, &r.Digest, &r.Operator, &r.Reason, &r.At}
}

// ShownHold is a hold that was listed for an operator: it must not grow.
type ShownHold struct {
	Backend string
	ID      string
}

// Table implements Record.
func (*ShownHold) Table() Table {
	return Table{"shown_holds", []string{"backend", "id"}, 2, false}
}

// Fields implements Record.
func (r *ShownHold) Fields() []any {
	return []any{&r.Backend, &r.ID}
}

// Pin binds a name in the directory of an identity provider to one group. It also names another group
// that waits for a decision.
type Pin struct {
	Backend   string
	IdP       string
	Key       string // the name as rules compare it, in a short form
	Name      string
	Bound     string // id of the group; "" if the name is bound in another directory only
	Held      string // id of the group that waits; "" without one
	Hold      string // its hold
	HeldSince time.Time
	Rejected  bool // an operator rejected that group
}

// Table implements Record.
func (*Pin) Table() Table {
	return Table{"pins", []string{"backend", "idp", "key", "name", "bound", "held", "hold", "held_since", "rejected"}, 3, false}
}

// Fields implements Record.
func (r *Pin) Fields() []any {
	return []any{&r.Backend, &r.IdP, &r.Key, &r.Name, &r.Bound, &r.Held, &r.Hold, &r.HeldSince, &r.Rejected}
}

// Condition is the state of a backend as the delivering replica sees it.
type Condition struct {
	Backend  string
	State    string
	Reason   string
	Until    time.Time // the backend is not called before
	ByVendor bool      // the vendor set Until
}

// Table implements Record.
func (*Condition) Table() Table {
	return Table{"conditions", []string{"backend", "state", "reason", "until", "by_vendor"}, 1, false}
}

// Fields implements Record.
func (r *Condition) Fields() []any {
	return []any{&r.Backend, &r.State, &r.Reason, &r.Until, &r.ByVendor}
}

// Command is an operator's request to the replica that delivers to a backend, or to all replicas.
type Command struct {
	Name    string
	Backend string // "": every one
	Value   string // differs from that of the command before
}

// Table implements Record.
func (*Command) Table() Table {
	return Table{"commands", []string{"name", "backend", "value"}, 2, false}
}

// Fields implements Record.
func (r *Command) Fields() []any {
	return []any{&r.Name, &r.Backend, &r.Value}
}

// Credential is a credential of an identity provider.
type Credential struct {
	IdP     string
	Token   string    // the beginning of its hash, or the id of a client
	Since   time.Time // when it was first configured; zero: a signed token names it
	LastUse time.Time
	Expires time.Time
}

// Table implements Record.
func (*Credential) Table() Table {
	return Table{"credentials", []string{"idp", "token", "since", "last_use", "expires"}, 2, true}
}

// Fields implements Record.
func (r *Credential) Fields() []any {
	return []any{&r.IdP, &r.Token, &r.Since, &r.LastUse, &r.Expires}
}

// PutOmission counts the PUTs of an identity provider that leave out the members of a group.
type PutOmission struct {
	IdP   string
	Sends time.Time // the first PUT with members
	First time.Time // and Last: PUTs without
	Last  time.Time
	Count int64
}

// Table implements Record.
func (*PutOmission) Table() Table {
	return Table{"put_omissions", []string{"idp", "sends", "first", "last", "count"}, 1, false}
}

// Fields implements Record.
func (r *PutOmission) Fields() []any {
	return []any{&r.IdP, &r.Sends, &r.First, &r.Last, &r.Count}
}
