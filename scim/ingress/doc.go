// Package ingress guards server.listen before any credential is read: how many connections may be
// open, over which certificate, from which address a request comes, how many requests that address
// and its identity provider may make, and what a wrong credential costs.
//
// It does not know what a credential is (package auth) or what an answer looks like (package scim).
// A handler calls Admit once a credential is good, or Failed once it is wrong. The two are counted
// apart, so wrong credentials never use up the limit of good ones.
//
//	ingress.go      Ingress, the client of a request, Admit and Failed
//	address.go      the address of a client behind proxies, limiters by address
//	connections.go  the listener, and connections without a good credential
//	certificate.go  the server's certificate, read again when its files change
package ingress
