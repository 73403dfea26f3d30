// Package remote calls the operator API of a running server, for the commands.
//
//	client.go  Client, and how it proves the operator's key
//	fetch.go   answers that may be large
package remote
