// Package directory is the users, groups and memberships of one identity provider in the file.
//
// It owns the numbers of ids, the indexes, the blocks of memberships and the loose rows. It does not own
// transactions and commits.
//
//	directory.go       the buckets, and the indexes
//	kind.go            users and groups: read, find, put, remove
//	list.go            lists of them in their orders
//	resources.go       their records, and the methods of the port
//	names.go           ids and their numbers
//	members.go         memberships as the port has them
//	memberblocks.go    the blocks in which they are stored, both ways
//	looserows.go      rows that stand for no membership
//	recent.go          members that the events of a transaction name next
//	unknown.go         members that are no users
//	checkdirectory.go  the check
package directory
