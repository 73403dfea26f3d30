// Package pages reads the pages of a bbolt file by itself, and checks each before it follows it: bbolt trusts them.
//
// It owns what it knows of bbolt's layout. It writes nothing.
package pages
