// Package auth turns the credential of a request into who is calling: which identity provider, by which token.
//
// It owns the form of tokens and their comparison. It does not own where tokens are configured (package bridge) or
// what a caller may do: a credential names one identity provider, and that has one directory.
package auth
