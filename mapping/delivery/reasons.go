package delivery

import (
	"cmp"

	"github.com/scimbridge/scimbridge/mapping/plan"
)

// holdWords puts the reasons of a hold into words.
var holdWords = map[string]string{
	plan.Protected: "the person is under protect", plan.OwnAccount: "it is the account of the credential", plan.LastAdmin: "no other administrator of the target would be left",
	plan.EmptiesRole: "the role would be revoked from all users who have it", plan.Removals: "more people than max_removals allows",
	plan.ChangedValue: "the user came to this account by a changed value, so it may be another person's; what is held is the end of the membership or account",
	plan.Offboardings: "more people than max_offboardings allows", whyPin: "the name is bound to another group",
	noTarget: "the vendor has no such target, and no rule names it any more",
}

// WhyHeld puts the reason of a hold into words.
func WhyHeld(why string) string { return cmp.Or(holdWords[why], why) }

// blockWords puts those reasons of a block into words that are about one person; useless has the rest.
var blockWords = map[string]string{
	noAccount: "the person has no account there", "rejected": "the vendor refuses this person or this role", "forbidden": "the credential may not do this on this target",
	noAddress:                   "the person has no account there, and the value that would name one is no e-mail address",
	"not_shown":                 "the vendor counts more people than it shows, and not this one",
	"account_managed_elsewhere": "the account is provisioned from elsewhere, and the vendor refuses to change it",
}

// WhyBlocked puts the reason of a block into words; "" for one that has none.
func WhyBlocked(reason string) string { return cmp.Or(blockWords[reason], useless[reason]) }
