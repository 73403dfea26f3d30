package bridge

import (
	"net/http"

	"github.com/scimbridge/scimbridge/scim"
	"github.com/scimbridge/scimbridge/scim/auth"
	"github.com/scimbridge/scimbridge/scim/console"
	"github.com/scimbridge/scimbridge/scim/ingress"
)

func (b *Bridge) scimHandler(verifier auth.Verifier, issuer *auth.Issuer, observed func(idp, method, resource string, code int), metrics *console.Metrics) http.Handler {
	public := b.Config.Server.PublicURL
	if public == "" {
		public = b.Config.Server.Scheme() + b.Config.Server.Listen + "/scim/v2"
	}
	s := &scim.Server{
		Store: b.store, Auth: verifier, PublicURL: public, Log: b.Log, Now: b.clock(), Observed: observed, Rejected: b.notices.rejected,
		BodyMemory: int64(b.Config.Server.BodyMemory),
		Schemes:    schemes(b.Config),
		Rules:      rulesInForce{b},
		Ignored: func(idp, resource string, attributes []string) {
			metrics.IgnoredAttributes(idp, resource, len(attributes))
			b.ignored.Note(idp, attributes)
		},
		ClearsMembers: b.clearsMembers,
		PutMembers:    b.omissions.Put,
		Nudge: func(name string) {
			if w, configured := b.workers[name]; configured {
				w.engine.Nudge()
			}
		},
	}
	if issuer != nil {
		issuer.Issued, issuer.Admit = b.notices.issued, b.admitted
		issuer.Rejected = func(r *http.Request, why *auth.Refusal) {
			b.notices.rejected(r, why)
			ingress.Of(r).Failed(r.Context())
		}
		s.Tokens = issuer
	}
	return s.Handler()
}
