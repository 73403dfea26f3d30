// Package canary finds, in what tests capture, what must not be there: secrets anywhere, and e-mail
// addresses outside of what an operator asked for. Every secret of the tests contains Mark, and
// every person of theirs has an address, so that whatever a test does is watched: the suites that
// run the real thing log to Log, and look at answers, metrics and pages with Secrets and People.
//
// It is for tests only, and knows nothing of the project.
package canary
