// Package riskcloud is the client of LogicGate Risk Cloud's role update. A target is a role, and an
// account holds it or not: Member.
//
// It owns the token, the requests to the vendor and the reading of its answers. Where the vendor's pages
// are silent it assumes as little as possible; package simulator has the ways in which the vendor may
// behave.
package riskcloud
