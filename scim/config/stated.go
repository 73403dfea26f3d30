package config

import "go.yaml.in/yaml/v3"

// stated refuses a file without mappings: a file that was cut off must not revoke every grant.
// `mappings: []` says that there are no rules.
func (v *validation) stated() {
	top := v.root.Content[0]
	for i := 0; top.Kind == yaml.MappingNode && i+1 < len(top.Content); i += 2 {
		if top.Content[i].Value == "mappings" && !isNull(top.Content[i+1]) {
			return
		}
	}
	v.bad([]string{"mappings"}, "is missing or empty, and would revoke every grant; write `mappings: []` for no rules")
}
