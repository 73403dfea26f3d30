// Package bolt is the store in one file, on go.etcd.io/bbolt.
//
// It owns the layout of that file, the group commit, and the refusal of a file that it cannot use. It does
// not own the contents: versions, times, ids and the meaning of marks and entries are the callers'. It makes
// no network calls, has no clock, and logs nothing.
//
// The buckets, each with its keys and values:
//
//	meta                    "format" -> 4 bytes; "anchor" -> place and digest of the last seal that was forgotten
//	settings                name -> value
//	records/<table>         columns of the key -> record, of the typed tables of the port
//	expiries                time (8), table, key of a record that expires then -> nothing
//	events                  seq (8) -> event; members and subject as numbers of the directory named in it
//	seals                   place (8) -> seq of an event, digest; events are sealed in their order
//	directories/<idp>/
//	  ids                   id or member value -> number (4), checksum
//	  names                 (number - 1) / 16 -> up to sixteen ids or member values; never removed: the events refer to them
//	  users                 number -> user
//	  users.order           order of creation (8) -> number
//	  users.userName        folded -> number
//	  users.externalId      value, number -> nothing
//	  users.emails          folded, number -> nothing
//	  groups, groups.order, groups.displayName, groups.externalId as those of users
//	  members               group number (4), member number / 256 (4) -> the members among those 256 numbers: a bit each, or a byte each if they are few
//	  member.of             member number (4), group number / 256 (4) -> the groups among those 256 numbers, in the same form
//	  members.loose         as members: rows of member.of that stand for no membership and are removed later; mostly empty
//	  members.count         group number -> count
//	  counts                "users", "groups" -> count
//	work/<backend>/         (the sequence of "work" numbers the marks of all)
//	  marks                 target, place -> mark; a place is urgent, others or held (1), not before (8), seq (8)
//	  subjects              target, idp, user, account, event -> place
//	  events                seq of an event (8), target, idp, user, account -> nothing; of marks that refer to one
//	  counts                "counts" -> pending, blocked, held, urgent
//	  pending               since (8), seq (8) of a pending mark -> nothing
//	  blocked               idp, user, account, event (8), target of a blocked mark -> reason
//	  blocked.people        reason, person -> number of blocked marks
//	  blocked.counts        reason -> number of people; "" of all
//	ledgers/<backend>/      (the sequence of "ledgers" numbers the attempts of all)
//	  entries               target, account, role -> entry
//	  by.account            account, target, role -> key in entries
//	  counts                "entries", "held" -> count
//	  holds                 hold, target, why -> entries, held off-boardings
//	accounts/<backend>/
//	  links                 idp, user -> link
//	  by.account            account, idp, user -> key in links
//	  cached                target, key -> account
//
// Strings in keys are escaped and terminated so that keys sort part by part. Every record is a version byte, a
// CRC-32C over version, key and payload, and the payload; it is checked at every read. Data without a
// checksum is checked against data with one: an index entry against its resource at every use. Open checks
// the pages of the file.
//
// Open upgrades files of older formats: see upgrade.go and docs/adr/0018-a-store-outlives-a-release.md.
package bolt
