package audit

import "github.com/scimbridge/scimbridge/store"

const prov = "urn:ietf:params:scim:event:prov:"

// names are those of RFC 9967 for an event of a directory; what happens at a backend has none. They are the notices: an event says
// which attributes changed and from what to what, and not the whole resource. Detail is the method that asked for it.
func names(e store.Event) []string {
	how := map[string]string{"PUT": prov + "put:notice", "PATCH": prov + "patch:notice", "POST": prov + "create:notice"}[e.Detail]
	var out []string
	switch e.Type {
	case "user.create", "group.create":
		return []string{prov + "create:notice"}
	case "user.delete", "group.delete":
		return []string{prov + "delete"}
	case "user.activate":
		out = []string{prov + "activate"}
	case "user.deactivate":
		out = []string{prov + "deactivate"}
	case "user.replace", "user.patch", "group.replace", "group.members":
	default:
		return nil
	}
	if how != "" {
		out = append(out, how)
	}
	return out
}
