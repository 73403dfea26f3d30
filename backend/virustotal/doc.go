// Package virustotal is the client of VirusTotal's "Manage Roles": it finds accounts by e-mail in a
// group's user list and changes their roles in that group, many accounts in one PATCH.
//
// It owns the requests to the vendor and the reading of its answers. Where the vendor's pages are silent
// it assumes as little as possible; package simulator has the ways in which the vendor may behave.
package virustotal
