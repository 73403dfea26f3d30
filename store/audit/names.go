package audit

import "github.com/scimbridge/scimbridge/store"

const prov = "urn:ietf:params:scim:event:prov:"

// names returns the names of RFC 9967 for an event of a directory; events of backends have none. They are
// those of notices, because an event has the changed attributes and not the whole resource. Detail is the
// method of the request.
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
