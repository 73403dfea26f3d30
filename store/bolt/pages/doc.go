// Package pages reads the pages of a bbolt file and checks each one before it follows it. bbolt trusts pages
// unchecked.
//
// It owns the knowledge of bbolt's layout. It does not write.
package pages
