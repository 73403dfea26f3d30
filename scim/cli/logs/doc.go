// Package logs makes the log of the process: text on a terminal, JSON lines otherwise, written by a goroutine of its
// own, so that a slow reader keeps nothing waiting. What is logged is not its concern.
//
//	logs.go    the log and its spool
//	format.go  text or JSON
package logs
