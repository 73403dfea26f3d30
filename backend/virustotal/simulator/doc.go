// Package simulator is a stateful simulation of VirusTotal's role management, for tests, the demo and `url: simulated`.
//
// Where the vendor's pages are silent it does not invent one truth: each of the profiles strict, lenient and partial is
// one way in which the vendor may behave, and everything must work under all three.
package simulator
