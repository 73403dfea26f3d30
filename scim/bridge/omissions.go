package bridge

import "github.com/scimbridge/scimbridge/scim/console"

// clearsMembers reports whether a PUT of a group without `members` empties it.
func (b *Bridge) clearsMembers(idp string) bool {
	return b.Config.IdentityProviders[idp].ClearsMembers()
}

// watchOmissions counts PUTs without `members` that keep them, and warns.
func (b *Bridge) watchOmissions(metrics *console.Metrics) {
	b.omissions.Keeps = func(idp string) bool { return !b.clearsMembers(idp) }
	b.omissions.Counted = metrics.PutWithoutMembers
	b.omissions.Warn = func(idp, key string, times int64) {
		b.Log.Warn("PUT of a group without members keeps them; if the client means an empty group, set the key to clear",
			"idp", idp, "key", key, "times", times)
	}
}
