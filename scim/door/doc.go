// Package door stands before everything on server.listen: how many connections there may be, over which certificate, from which address a
// request really comes, how many requests that address and its identity provider may make, and what a wrong credential costs.
//
// It does not know what a credential is (package auth) or what an answer looks like (package scim, and whoever else serves there): it is asked
// once a credential turned out to be good, with Admit, or wrong, with Failed. A wrong one takes nothing from a good one: it is counted apart.
package door
