// Package remote calls the operator API of a running server, for the commands.
//
//	client.go  Client, and how it proves the operator's key
//	server.go  which server: of the configuration, or on another machine
//	fetch.go   answers that may be large
package remote
