// Package cli is the program as an operator types it: one verb a file, with its flags, what it prints
// and its exit code. How plans are printed is package planned's, the log package logs'.
//
// It owns the text and the JSON of every command. Package remote is the client of the operator API.
// What a command does is elsewhere: package bridge serves, package doctor examines, package demo
// plays, package measure measures.
//
//	main.go     Main, Run, the root command, exit codes
//	output.go   JSON or words
//	ask.go      a command that makes one call to a running server
//	fetch.go    files that a running server sends
//	suggest.go  the command that is meant
//	serve.go    serve
//	check.go    check
//	config.go   config schema
//	status.go   status
//	plan.go     plan; planlive.go plan --live
//	reason.go   --reason
//	reload.go   reload
//	explain.go  explain
//	action.go   resync, retry, resume
//	hold.go     hold list, approve, reject
//	group.go    group show
//	access.go   access
//	blocked.go  blocked list
//	drift.go    drift list
//	audit.go    audit verify, audit export
//	events.go   events tail
//	backup.go   backup
//	restore.go  restore
//	export.go   export
//	import.go   import
//	migrate.go  migrate
//	token.go    token new
//	doctor.go   doctor
//	notify.go   notify test
//	demo.go     demo
//	measure.go  measure scale
//	version.go  version
package cli
