// Package bridge starts and stops a server: it wires the protocol, the delivery and the console over
// one store, reloads the rules, and lets several replicas share a store.
//
// It owns the order in which parts start and stop, and the state that only a running server has. It
// does not own the behaviour of the parts, the configuration file (package config), or what an
// operator types (package cli).
//
//	bridge.go       Bridge, Start
//	stop.go         Wait, Stop
//	stores.go       opening the store that is configured
//	listen.go       the listeners, and the clients that may connect
//	handler.go      the SCIM handler and what it is connected to
//	credentials.go  identities: what authenticates clients; static tokens
//	signed.go       tokens that identity providers sign
//	oauth.go        our own token endpoint
//	schemes.go      the authentication schemes of discovery
//	operatorkey.go  the key file of this machine's operators
//	kinds.go        the kinds of vendors
//	clients.go      vendor clients, and simulated vendors
//	filestate.go    the file on disk against what runs
//	workers.go      the delivery to each backend
//	rules.go        plan, reload, and rules in force
//	live.go         the comparison of all backends with their vendors
//	loaded.go       the audit event about a loaded configuration
//	replicas.go     several servers over one store
//	notices.go      rejected credentials in the audit trail
//	notify.go       notifications of conditions
//	omissions.go    PUTs of groups without members
//	audit.go        the chain of the audit trail
//	copies.go       backup and export of a running server
//	observeonly.go  the state after a restore
//	newfile.go      files that appear once they are complete
package bridge
