// Package console serves the operator's listener: health, readiness, metrics and a plain first page. It never
// serves the SCIM API, and nothing it shows without a credential names a person, a group or a secret.
//
// It does not own what it shows: counts come from package store, the state of a backend from package delivery.
package console
