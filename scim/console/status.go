package console

import (
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/scimbridge/scimbridge/mapping/delivery"
	"github.com/scimbridge/scimbridge/mapping/memory"
	"github.com/scimbridge/scimbridge/store"
)

// Status is the answer of GET /api/status.
type Status struct {
	Version           string           `json:"version"`
	Store             string           `json:"store"`
	IdentityProviders []ProviderStatus `json:"identity_providers"`
	Refused           int64            `json:"refused_last_hour"` // requests without a valid credential
	Backends          []BackendStatus  `json:"backends"`
	Replicas          []ReplicaStatus  `json:"replicas,omitempty"`
	// Exposed lists what the configuration exposes: a copied example, an open listener, a simulated
	// vendor, a certificate that expires soon.
	Exposed []string `json:"exposed,omitempty"`
	// Configuration is how the file on disk differs from what runs; absent: it does not.
	Configuration *FileState `json:"configuration,omitempty"`
}

// FileState is how the configuration file on disk compares with what runs; zero: it is the same.
type FileState struct {
	Differs bool   `json:"differs"`
	Invalid bool   `json:"invalid"` // a restart would fail
	Words   string `json:"text"`
}

// ProviderStatus is one directory.
type ProviderStatus struct {
	Name        string        `json:"name"`
	Users       int           `json:"users"`
	Groups      int           `json:"groups"`
	LastRequest time.Time     `json:"last_request,omitzero"` // since the start
	Requests    int64         `json:"requests_last_hour"`
	Failed      int64         `json:"failed_last_hour"`
	Tokens      []TokenStatus `json:"tokens"`

	Ignored        []IgnoredAttribute `json:"ignored_attributes,omitempty"`  // since the start
	Omitted        *OmissionStatus    `json:"put_without_members,omitempty"` // PUTs that left members out
	UnknownMembers UnknownStatus      `json:"members_without_user"`
}

// TokenStatus is a credential: a token by the beginning of its hash, a client by its id, or the
// subject of signed tokens.
type TokenStatus struct {
	Token   string    `json:"token"`
	Since   time.Time `json:"configured_since,omitzero"`
	Expires time.Time `json:"expires,omitzero"`
	LastUse time.Time `json:"last_use,omitzero"` // by other replicas, up to a minute behind
}

// BackendStatus is one backend. A zero time is absent.
type BackendStatus struct {
	Name         string         `json:"name"`
	Kind         string         `json:"kind"`
	Mode         string         `json:"mode"`
	State        string         `json:"state"`
	Reason       string         `json:"reason,omitempty"`
	Pending      int            `json:"pending"`
	Blocked      map[string]int `json:"blocked"`       // users by reason
	BlockedUsers int            `json:"blocked_users"` // each counted once
	Held         int            `json:"held"`
	Holds        int            `json:"holds"`
	// OverLimit lists, by limit, the targets on which changes are held because they exceed it.
	OverLimit     map[string][]string `json:"over_limit,omitempty"`
	OldestPending time.Time           `json:"oldest_pending,omitzero"`
	OldestRemoval time.Time           `json:"oldest_removal,omitzero"` // pending or blocked
	PausedUntil   time.Time           `json:"paused_until,omitzero"`
	Leader        *LeaderStatus       `json:"leader,omitempty"` // if replicas share the store
}

// NeedsOperator reports whether the backend waits for an operator.
func (b BackendStatus) NeedsOperator() bool {
	return b.Held > 0 || len(b.Blocked) > 0 || b.State == "unauthorized" || b.State == "standby"
}

func (c *Console) status(w http.ResponseWriter, r *http.Request) {
	s := Status{Version: c.Version, Store: "ok", IdentityProviders: []ProviderStatus{}, Backends: []BackendStatus{}, Exposed: c.exposed()}
	c.storeUses(r.Context())
	if file := c.Metrics.file(); file.Differs {
		s.Configuration = &file
	}
	now := c.now()
	err := c.Store.View(r.Context(), func(tx store.Tx) error {
		s.IdentityProviders, s.Backends = s.IdentityProviders[:0], s.Backends[:0]
		for _, name := range c.providers(tx) {
			d := tx.Directory(name)
			last, requests, failed := c.Traffic.lastHour(name, now)
			unknown, err := c.Metrics.unknown.status(tx, name)
			if err != nil {
				return err
			}
			s.IdentityProviders = append(s.IdentityProviders, ProviderStatus{name, d.UserCount(), d.GroupCount(), last, requests, failed, c.tokens(tx, name),
				c.Ignored.byCount(name), c.Omitted.status(tx, name), unknown})
		}
		_, s.Refused, _ = c.Traffic.lastHour("", now)
		for _, b := range c.Backends {
			one, err := b.status(tx)
			if err != nil {
				return err
			}
			s.Backends = append(s.Backends, one)
		}
		return nil
	})
	if err == nil {
		err = c.countHolds(r.Context(), s.Backends)
	}
	if err == nil {
		err = c.addReplicas(r.Context(), &s)
	}
	if err != nil {
		refuse(w, http.StatusServiceUnavailable, "the store cannot be read")
		return
	}
	answer(w, http.StatusOK, s)
}

// addReplicas adds the replicas of the server and the one that delivers to each backend.
func (c *Console) addReplicas(ctx context.Context, s *Status) error {
	all, leaders, err := c.replicas(ctx)
	if err != nil {
		return err
	}
	s.Replicas = all
	for i := range s.Backends {
		if l, ok := leaders[s.Backends[i].Name]; ok {
			s.Backends[i].Leader = &l
		}
	}
	return nil
}

// providers lists the identity providers that are configured or have a directory.
func (c *Console) providers(tx store.Tx) []string {
	all := tx.IdPs()
	for _, t := range c.Tokens {
		all = append(all, t.IdP)
	}
	all = append(all, c.Signing...)
	slices.Sort(all)
	return slices.Compact(all)
}

// condition returns the condition of the backend, as the replica that delivers has it.
func (b Backend) condition(tx store.Tx) (memory.Condition, error) {
	own := memory.Condition{Until: b.Engine.PausedUntil()}
	if own.State, own.Reason = b.Engine.Health(); own.State != delivery.Following {
		return own, nil
	}
	saved, err := memory.ConditionOf(tx, b.Name)
	if err != nil || saved.State == "" {
		return own, err
	}
	return saved, nil
}

func (b Backend) status(tx store.Tx) (BackendStatus, error) {
	is, err := b.condition(tx)
	s := BackendStatus{Name: b.Name, Kind: b.Kind, Mode: b.Mode(), State: is.State, Reason: is.Reason, PausedUntil: is.Until}
	if err != nil {
		return s, err
	}
	work := tx.Work(b.Name)
	s.Pending, _, _ = work.Counts()
	if s.BlockedUsers, s.Blocked, err = work.BlockedUsers(); err != nil {
		return s, err
	}
	if s.OldestPending, err = work.OldestPending(); err != nil {
		return s, err
	}
	held, err := readHeld(tx, b.Name)
	s.Held, s.OverLimit = held.changes, held.over
	return s, err
}

func (c *Console) countHolds(ctx context.Context, backends []BackendStatus) error {
	for i, b := range c.Backends {
		var err error
		if backends[i].Holds, err = b.Engine.CountHolds(ctx); err != nil {
			return err
		}
		if backends[i].OldestRemoval, err = b.Engine.OldestRemoval(ctx); err != nil {
			return err
		}
	}
	return nil
}
