// Package console serves the operator's listener: health, readiness, metrics, a plain first page,
// and the operator API that the commands call. It never serves the SCIM API, and nothing it shows
// without a credential names a person, a group or a secret.
//
// It does not own what it shows: counts come from package store, the state of a backend from
// package delivery. What it remembers by itself is who called when: the traffic of the last hour,
// and the last use of each credential.
package console
