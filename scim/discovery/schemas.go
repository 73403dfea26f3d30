package discovery

import (
	"slices"
	"strings"
)

// attribute describes one attribute of a document of discovery. All are read-only and returned by
// default.
type attribute struct {
	name, kind  string
	flags       string // of: many (multiValued), required, exact (caseExact), unique (server)
	description string
	values      []string // canonicalValues, of a reference its referenceTypes
	sub         []attribute
}

// document returns the attribute with the characteristics that its type has (RFC 7643 section 2.3).
func (a attribute) document() map[string]any {
	flagged := func(name string) bool { return slices.Contains(strings.Fields(a.flags), name) }
	m := map[string]any{"name": a.name, "type": a.kind, "multiValued": flagged("many"), "required": flagged("required"),
		"description": a.description, "mutability": "readOnly", "returned": "default"}
	values := "canonicalValues"
	switch a.kind {
	case "string":
		m["caseExact"] = flagged("exact")
	case "reference":
		m["caseExact"], values = true, "referenceTypes"
	case "complex":
		m["subAttributes"] = documents(a.sub)
	}
	if a.kind != "complex" && a.kind != "boolean" {
		m["uniqueness"] = "none"
		if flagged("unique") {
			m["uniqueness"] = "server"
		}
	}
	if a.values != nil {
		m[values] = a.values
	}
	return m
}

// documents returns the attributes of a list.
func documents(list []attribute) []map[string]any {
	var out []map[string]any
	for _, a := range list {
		out = append(out, a.document())
	}
	return out
}

// discoverySchemas returns the schemas of the documents of discovery: RFC 7643 sections 5 to 7 and
// 8.7.2 with their errata, and RFC 9865 section 4.
func discoverySchemas() []map[string]any {
	simple := []string{"string", "boolean", "decimal", "integer", "dateTime", "reference", "binary"}
	describe := func(urn, name, description string, attributes []attribute) map[string]any {
		return map[string]any{"id": urn, "name": name, "description": description, "attributes": documents(attributes)}
	}
	return []map[string]any{
		describe(configURN, "Service Provider Configuration", "What this server supports", configAttributes()),
		describe(typeURN, "ResourceType", "A kind of resource and where it is served", []attribute{
			{"id", "string", "", "Identifier of the resource type, the same as its name", nil, nil},
			{"name", "string", "required exact unique", "Name of the resource type, which meta.resourceType refers to", nil, nil},
			{"description", "string", "", "What the resource type is", nil, nil},
			{"endpoint", "reference", "required unique", "Path below the base URL at which the resources are", []string{"uri"}, nil},
			{"schema", "reference", "required", "URN of the core schema", []string{"uri"}, nil},
			{"schemaExtensions", "complex", "many required", "Schemas that extend the core schema", nil, []attribute{
				{"schema", "reference", "required", "URN of the extension", []string{"uri"}, nil},
				{"required", "boolean", "required", "Whether each resource has the extension", nil, nil},
			}},
		}),
		describe(schemaURN, "Schema", "The attributes of a kind of resource or of an extension", []attribute{
			{"id", "string", "required", "URN of the schema", nil, nil},
			{"name", "string", "required", "Name of the schema", nil, nil},
			{"description", "string", "", "What the schema is for", nil, nil},
			{"attributes", "complex", "many required", "The attributes and their characteristics", nil,
				append(schemaAttributes(slices.Insert(slices.Clone(simple), 1, "complex")), attribute{"subAttributes", "complex", "many",
					"The sub-attributes of a complex attribute and their characteristics", nil, schemaAttributes(simple)})},
		}),
	}
}

// configAttributes returns the attributes of ServiceProviderConfig.
func configAttributes() []attribute {
	supported := func(name, description string, more ...attribute) attribute {
		return attribute{name, "complex", "required", description, nil,
			append([]attribute{{"supported", "boolean", "required", "Whether the server supports it", nil, nil}}, more...)}
	}
	return []attribute{
		{"documentationUri", "reference", "", "Where the server is documented for people", []string{"external"}, nil},
		supported("patch", "Changes by PATCH"),
		supported("bulk", "Several operations in one request",
			attribute{"maxOperations", "integer", "required", "Most operations in a request", nil, nil},
			attribute{"maxPayloadSize", "integer", "required", "Most bytes in a request", nil, nil}),
		supported("filter", "Queries with a filter",
			attribute{"maxResults", "integer", "required", "Most resources in an answer", nil, nil}),
		supported("changePassword", "Changes of a password"),
		supported("sort", "Sorted lists"),
		supported("etag", "Versions of resources and conditional requests"),
		{"authenticationSchemes", "complex", "many required", "The ways in which a client can authenticate", nil, []attribute{
			{"type", "string", "required", "Kind of the scheme",
				[]string{"oauth", "oauth2", "oauthbearertoken", "httpbasic", "httpdigest"}, nil},
			{"name", "string", "required", "Name of the scheme", nil, nil},
			{"description", "string", "required", "How the scheme is used here", nil, nil},
			{"specUri", "reference", "", "Where the scheme is specified", []string{"external"}, nil},
			{"documentationUri", "reference", "", "Where the use of the scheme is documented", []string{"external"}, nil},
			{"primary", "boolean", "", "Whether this is the preferred scheme; at most one is", nil, nil},
		}},
		{"pagination", "complex", "", "How long lists are divided into pages", nil, []attribute{
			{"cursor", "boolean", "required", "Whether pages are reached by cursor", nil, nil},
			{"index", "boolean", "required", "Whether pages are reached by index", nil, nil},
			{"defaultPaginationMethod", "string", "", "The method where a request names none", []string{"cursor", "index"}, nil},
			{"defaultPageSize", "integer", "", "Resources in a page where a request gives no count", nil, nil},
			{"maxPageSize", "integer", "", "Most resources in a page", nil, nil},
			{"cursorTimeout", "integer", "", "Seconds for which a cursor is valid; absent: no limit", nil, nil},
		}},
	}
}

// schemaAttributes returns what a schema says of an attribute that has one of the types.
func schemaAttributes(types []string) []attribute {
	return []attribute{
		{"name", "string", "required exact", "Name of the attribute", nil, nil},
		{"type", "string", "required", "Type of the values", types, nil},
		{"multiValued", "boolean", "required", "Whether the attribute has a list of values", nil, nil},
		{"description", "string", "exact", "What the attribute is for", nil, nil},
		{"required", "boolean", "", "Whether each resource has a value", nil, nil},
		{"canonicalValues", "string", "many exact", "Values that are suggested", nil, nil},
		{"caseExact", "boolean", "", "Whether values that differ in letter case are different", nil, nil},
		{"mutability", "string", "exact", "When a client can set the value",
			[]string{"readOnly", "readWrite", "immutable", "writeOnly"}, nil},
		{"returned", "string", "exact", "When the value is in an answer", []string{"always", "never", "default", "request"}, nil},
		{"uniqueness", "string", "exact", "Among which resources the value is unique", []string{"none", "server", "global"}, nil},
		{"referenceTypes", "string", "many exact", "What a reference refers to", nil, nil},
	}
}
