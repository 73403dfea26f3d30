// Package virustotal is the client of VirusTotal's "Manage Roles": it finds people by e-mail in a group's user list and
// changes their roles in that group, many people in one PATCH.
//
// It owns what is sent to the vendor and how its answers are read. Where the vendor's pages are silent it assumes as
// little as possible; package simulator has the ways in which the vendor may behave.
package virustotal
