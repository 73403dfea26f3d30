// Package config is the configuration file: its shape, its defaults, and every mistake in it with
// the line where it stands.
//
// It owns the YAML keys, the secrets that keys name, and the checks that need no network. It opens
// nothing: no store, no listener, no connection. What a valid file leads to is decided in package
// bridge.
//
//	config.go     the shape: one type a block of keys
//	defaults.go   what a key is without a file
//	load.go       reading a file: Load, Propose, LoadEndpoints
//	document.go   from bytes to YAML nodes, and files that are not YAML
//	decode.go     from nodes to values, each mistake with its key and line
//	keys.go       unknown keys, and the known key that is meant
//	scalars.go    durations, sizes, names
//	secret.go     env:NAME, file:/path or a literal
//	token.go      a secret with its end
//	transport.go  how another server is reached: its authority, a proxy
//	validate.go   the list of problems, and where they stand
//	network.go    the clients that may connect
//	effective.go  a configuration with its defaults, without secrets
//	schema.go     the JSON Schema of a file, generated into schema.json by a test
//	exposure.go   what is fine for a trial on one machine only
//	tls.go        the files of the server's certificate
//	providers.go  identity providers and their tokens
//	jwt.go        tokens that an identity provider signs
//	oauth.go      clients of the token endpoint
//	backends.go   vendor connections
//	paths.go      relative paths start at the folder of the file
//	stated.go     what a file must say itself
//	mappings.go   rules and their grants
//	conflicts.go  rules that contradict each other or never match
//	store.go      where the state is kept
//	operators.go  operators and their keys
//	notify.go     channels by which operators are notified
package config
