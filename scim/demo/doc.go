// Package demo shows the whole program on one machine: it sends what Okta and Entra send to a bridge
// with simulated vendors and compares the roles at the end.
package demo
