// Plant builds source files that hold many planted bugs at once, so that the tests of a package are
// compiled once for all of them. A bug is a text that is replaced in a file. Where it changes only
// the bodies of functions, the changed functions stand next to the original ones under another
// name, and the original calls them when SCIMBRIDGE_PLANTED_BUG has the number of the bug. The
// result is an overlay for the go command; the repository's own files are not touched.
//
// Standard input has the bugs as JSON; the argument is the folder for the overlay. Standard output
// lists the numbers of the bugs that cannot be woven in and need a build of their own.
//
//	main.go   reads the bugs, writes the overlay
//	weave.go  puts the changed functions next to the original ones
package main
