// Package console serves the operator's listener: health, readiness, metrics, a plain first page,
// and the operator API that the commands call. It never serves the SCIM API. Without a credential
// it shows no user, group or secret.
//
// It does not own what it shows: counts come from package store, the state of a backend from
// package delivery. It records only who called when: the traffic of the last hour, and the last use
// of each credential.
//
//	console.go          Console, its routes, readiness, the first page
//	api.go              the operator API: plan, reload, explain, resume, resync, retry
//	live.go             the comparison with what the vendors have now
//	status.go           GET /api/status
//	holds.go            GET /api/holds, and decisions about a hold
//	group.go            GET /api/group
//	audit.go            the audit trail: export and verification
//	stream.go           answers that take long to write: copies of the store, exports
//	challenge.go        who is an operator; operators.go what each may do, and decisions
//	facts.go            what the conditions of package notify follow from; notify.go its metrics
//	metrics.go          metrics, and gauges that are read from the store
//	blocked.go          blocked users and held grants, each user counted once
//	unknown_members.go  members of groups that are neither users nor groups
//	replicas.go         replicas of the server, and which of them delivers
//	traffic.go          requests of the last hour, by identity provider
//	last_use.go         the last use of each credential
//	tokens.go           since when each token is configured
//	ignored.go          attributes without effect, by name
//	omissions.go        PUTs of groups that omit members
package console
