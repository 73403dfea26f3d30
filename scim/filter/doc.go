// Package filter reads SCIM filters and attribute paths (RFC 7644, sections 3.4.2.2 and 3.5.2) and
// evaluates filters over resources.
//
// The syntax tree is the one of github.com/scim2/filter-parser. The parser is ours, because it must
// read any input in bounded time and space: at most [maxLength] bytes and [MaxDepth] levels of
// parentheses and brackets. It accepts the whole grammar of the RFC and, beyond it,
//
//   - emails[type eq "work"].value eq "x" (lines E04 and E05 of the wire corpus), which becomes the
//     tree of emails[type eq "work" and value eq "x"]: both ask for the same element;
//   - a literal without quotes, as in externalId eq jyoung (E03), a [Word] in the tree;
//   - a string between single quotes, as in userName eq 'ada';
//   - any logical form between the brackets of attr[...];
//   - a dot for the last colon of a URN, as in urn:…:2.0:User.department.
//
// Every value is a string, decoded, or a [Word], as it was written. A string has the escapes of
// JSON, and between single quotes also \'. A value that begins or ends with another kind of quote,
// an encoded one or half a pair is an error: as a word it would select nothing, or with ne and not
// everything. An apostrophe inside a word is a part of it (O'Neil).
//
// [Values] reads the one form that may be longer: a list of conditions value eq x joined by or.
//
// Everything here is pure: no I/O, no clock, no state.
package filter
