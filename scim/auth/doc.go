// Package auth turns the credential of a request into who is calling: which identity provider, by which of its credentials. It knows
// tokens, of which only hashes are kept, tokens that an identity provider signs, and tokens of our own, which it gives to clients.
//
// It owns the form of tokens, their comparison and verification, the token endpoint and the keys that sign there. It does not own where
// credentials are configured (package bridge), where the signing keys are kept (the store, through functions) or what a caller may
// do: a credential names one identity provider, and that has one directory.
package auth
