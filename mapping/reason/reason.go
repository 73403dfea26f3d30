// Package reason has why something waits: every reason of a block and of a hold, with its words for operators and what
// it means for what waits, in one table. What blocks and what holds is decided elsewhere.
package reason

import "github.com/scimbridge/scimbridge/mapping/plan"

// The reasons of a block that the bridge itself finds. All others are codes of a vendor's refusal.
const (
	NoAccount      = "no_account"       // the vendor does not show the user
	NoAddress      = "no_address"       // nor can an account be requested
	NoTarget       = "no_target"        // the vendor does not have the target
	TooManyTargets = "too_many_targets" // names of groups create it beyond max_targets
	Rejected       = "rejected"
	Forbidden      = "forbidden" // the credential may do other things
)

// Pin is why a group is held whose name is bound to another group.
const Pin = "pin"

// Reason is a reason of a block.
type Reason struct {
	Code      string
	Words     string
	Remedy    string // what an operator does
	Target    bool   // it is about a whole target: no user gets anything there before an operator acts
	Unfound   bool   // the user has no account: nothing is there to be removed
	OfVendor  bool   // it is the code of a refusal
	Final     bool   // reading the target adds nothing
	LookAgain bool   // the account may be another by the next try: its user is looked up again
}

// Blocks lists the reasons of a block.
func Blocks() []Reason {
	return []Reason{
		{Code: NoAccount, Words: "the person has no account there",
			Remedy: "create the account at the vendor, or correct the address at the identity provider; it is looked for again by itself", Unfound: true},
		{Code: NoAddress, Words: "the person has no account there, and the value that would name one is no e-mail address",
			Remedy: "give the user an e-mail address at the identity provider", Unfound: true},
		{Code: Rejected, Words: "the vendor refuses this person or this role",
			Remedy: "look for the account at the vendor: it may be locked, or lack a licence; then `scimbridge retry`", LookAgain: true},
		{Code: "managed_elsewhere", Words: "it is provisioned from elsewhere, and the vendor refuses to change it",
			Remedy: "end the provisioning from elsewhere, or delete the rule", Target: true, OfVendor: true, Final: true},
		{Code: "account_managed_elsewhere", Words: "the account is provisioned from elsewhere, and the vendor refuses to change it",
			Remedy: "end the provisioning of the account from elsewhere, or take the user out of the group", OfVendor: true, Final: true},
		{Code: "super_admin", Words: "it is a super-admin's, and the bridge does not touch it",
			Remedy: "name another role in the rule: this one is left alone", Target: true, OfVendor: true, Final: true},
		{Code: "locked", Words: "it is locked at the vendor, and no user gets it",
			Remedy: "unlock it at the vendor, then `scimbridge retry`", Target: true, OfVendor: true},
		{Code: NoTarget, Words: "the vendor has no such group or role",
			Remedy: "correct the target in the rule and reload, or create it at the vendor", Target: true},
		{Code: TooManyTargets, Words: "the names of groups create more targets than max_targets allows",
			Remedy: "delete the groups that are not meant, or raise max_targets and reload", Target: true},
		{Code: Forbidden, Words: "the credential may not do this on this target",
			Remedy: "give the credential the right at the vendor, then `scimbridge retry`"},
		{Code: "not_shown", Words: "the vendor counts more people than it shows, and not this one",
			Remedy: "look for the user at the vendor, then `scimbridge retry`", OfVendor: true, LookAgain: true},
	}
}

// Block returns a reason of a block; without words if there is no such reason.
func Block(code string) Reason {
	for _, r := range Blocks() {
		if r.Code == code {
			return r
		}
	}
	return Reason{Code: code}
}

// Hold puts the reason of a hold into words.
func Hold(code string) string {
	switch code {
	case plan.Protected:
		return "the person is under protect"
	case plan.OwnAccount:
		return "it is the account of the credential"
	case plan.LastAdmin:
		return "no other administrator of the target would be left"
	case plan.EmptiesRole:
		return "the role would be revoked from all users who have it"
	case plan.Removals:
		return "more people than max_removals allows"
	case plan.Offboardings:
		return "more people than max_offboardings allows"
	case plan.ChangedRules:
		return "only the changed mapping takes it away: no group of the user changed"
	case plan.ChangedValue:
		return "the user came to this account by a changed value, so it may be another person's; what is held is the end of the membership or account"
	case Pin:
		return "the name is bound to another group"
	case NoTarget:
		return "the vendor has no such target, and no rule names it any more"
	}
	return code
}

// Limits lists the reasons of a hold that are limits: the backend is over the limit on its target.
func Limits() []string { return []string{plan.Removals, plan.Offboardings} }
