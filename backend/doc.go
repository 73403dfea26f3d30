// Package backend is the vocabulary between delivery and the vendors: accounts, changes, what a target shows, and
// failures by what is done about them. Beside the port it holds the HTTP plumbing that every client needs (Caller).
//
// It does not own how a vendor is spoken to (packages virustotal and riskcloud), when a call is made or what a failure
// leads to (package delivery).
package backend
