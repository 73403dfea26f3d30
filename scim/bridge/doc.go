// Package bridge wires everything: the configuration and its mistakes, the commands, start and graceful stop. Only
// main imports it.
//
// It does not own any behaviour of the parts it connects. What it adds are decisions about a deployment: where
// secrets come from, what listens where, and in which order things start and stop.
package bridge
