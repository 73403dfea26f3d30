package config

import _ "embed"

// schema is generated from the types of this package and from docs/reference/configuration.md:
// `go test ./scim/config -run TestSchemaIsCurrent -update`.
//
//go:embed schema.json
var schema string

// Schema returns the JSON Schema of a configuration file, for editors.
func Schema() string { return schema }
