// Package backend is the vocabulary between delivery and the vendors: accounts, changes, observations of targets, and
// failures by what is done about them. It also holds the HTTP plumbing that every client needs: Caller.
//
// It does not own the protocol of a vendor (packages virustotal and riskcloud), when a call is made
// or what a failure leads to (package delivery).
package backend
