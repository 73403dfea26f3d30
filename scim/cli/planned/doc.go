// Package planned prints plans: for people, by call and by user, and as CSV. What a plan is, package desk says.
//
//	text.go  for people
//	read.go  a saved one
//	live.go  comparisons with the vendors
//	csv.go   a line for each role of each user
package planned
