// Package oldsettings reads the settings in which scimbridge kept records before the store had typed
// tables. Upgrades of stores and imports of old exports convert them.
//
// It owns the names and forms that those settings had, and nothing of the stores.
//
//	convert.go   moves the settings of a store into its tables
//	parse.go     reads one setting
package oldsettings
