// Package measure fills a store with a made-up directory, serves it in a process of its own and
// measures speed, size and memory.
package measure
