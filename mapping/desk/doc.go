// Package desk answers what operators ask of one backend and carries out what they decide: holds, plans, explanations,
// rules without effect, the oldest removal. It has no state: everything is in the store, so that any replica answers,
// and what is decided reaches the worker as marks and commands.
//
// It calls no vendor, and computes no plan of its own: that is package plan's, over the same view as the worker's.
//
//	desk.go           Desk; commands to what delivers
//	holds.go          what is held; hold.go a hold and its id; holdsizes.go how much is held
//	decision.go       a decision, whose it is and why; decide.go carries it out; vanished.go holds of targets that are gone
//	pins.go           groups whose names are bound to others
//	preview.go        the plan; previewtarget.go of a target, previewusers.go by user
//	explain.go        why a user has a role or not; group.go what rules make of a group
//	rulereview.go     rules without effect
//	oldest.go         the oldest removal that is not delivered
package desk
