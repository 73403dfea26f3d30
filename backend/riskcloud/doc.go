// Package riskcloud is the client of LogicGate Risk Cloud's role update. A target is a role, and there is one thing to
// hold on it: Member.
//
// It owns the token, what is sent to the vendor and how its answers are read. Where the vendor's pages are silent it
// assumes as little as possible; package simulator has the ways in which the vendor may behave.
package riskcloud
