// Package doctor examines an installation: configuration, machine, running server and vendors. It
// reads only, except for the update of a canary role that changes nothing.
package doctor
