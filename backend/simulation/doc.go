// Package simulation is what simulated vendors share: the journal of the calls that change something,
// faults that the next of these calls meet, and answers.
//
// It does not know any vendor: what one accepts and how it answers is in the simulator beneath the
// vendor's own package.
package simulation
