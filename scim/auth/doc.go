// Package auth turns the credential of a request into an identity: an identity provider and one of
// its credentials. It knows three kinds: static tokens, of which only hashes are stored, tokens
// that an identity provider signs, and tokens that the token endpoint issues to clients.
//
// It owns the form of tokens, their comparison and verification, the token endpoint and its signing
// keys. It does not own where credentials are configured, where the signing keys are stored
// (functions are handed in) or what a client may do: a credential names one identity provider, and
// each has one directory.
package auth
