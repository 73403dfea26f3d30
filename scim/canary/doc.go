// Package canary finds leaks in what tests capture: secrets anywhere, and e-mail addresses outside
// of an operator's request. Every secret of the tests contains Mark, and every user of theirs has
// an address. Test suites log to Log, and check answers, metrics and pages with Secrets and People.
//
// It is for tests only.
package canary
