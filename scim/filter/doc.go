// Package filter reads SCIM filters and attribute paths (RFC 7644, sections 3.4.2.2 and 3.5.2) and evaluates filters over
// resources.
//
// The syntax tree is the one of github.com/scim2/filter-parser; the parser is ours, because it reads what an identity
// provider may send at any length in bounded time and space: at most [MaxLength] bytes and [MaxDepth] levels of parentheses
// and brackets, checked before anything is parsed. It accepts the whole grammar of the RFC and, beyond it,
//
//   - emails[type eq "work"].value eq "x" (lines E04 and E05 of the wire corpus), which becomes the tree of
//     emails[type eq "work" and value eq "x"]: the same question, asked of the same element;
//   - a literal without quotes, as in externalId eq jyoung (E03), which is read as a string;
//   - any logical form between the brackets of attr[...].
//
// Strings come out decoded: the two characters \" of the input are one quote in the tree.
//
// Everything here is pure: no I/O, no clock, no state.
package filter
