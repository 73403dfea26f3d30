package config

import "time"

// DefaultBackend returns what the keys of a backend are without a file.
func DefaultBackend() Backend {
	return Backend{
		Match: "email", RateLimit: "60/min", Batch: Batch{25, Duration(time.Second)},
		UpdateRole: UpdateRole{"PUT", "/api/v1/roles/{role}"},
		Retry:      Retry{Duration(time.Second), Duration(5 * time.Minute)}, CallTimeout: Duration(30 * time.Second),
		StragglerWindow: Duration(75 * time.Second), ResyncEvery: Duration(time.Hour), AccountCache: Duration(time.Hour), OnMissingUser: "wait",
		OnDeactivate:    "remove_roles",
		MaxRemovals:     RemovalsLimit{10, 20, Duration(time.Hour)},
		MaxOffboardings: RemovalsLimit{100, 30, Duration(time.Hour)},
	}
}

// Default returns what the keys are without a file.
func Default() *Config {
	return &Config{
		Server:  Server{Listen: "127.0.0.1:8080", Limits: defaultLimits(), BodyMemory: defaultBodyMemory},
		Console: Console{Listen: "127.0.0.1:8081"},
		Store:   Store{Driver: "bolt", Path: "data/scimbridge.db", Lease: Duration(15 * time.Second)},
		Audit:   Audit{Duration(365 * 24 * time.Hour)},

		Operators: Operators{Approvals: 1},
	}
}

func defaultLimits() Limits {
	return Limits{Connections: 2048, ConnectionsPerAddress: 256, Requests: DefaultRequests, Failures: "1000/min"}
}

// DefaultRequests is the rate of requests that an address and an identity provider may send.
const DefaultRequests = "2000/s"

// Limits of body_memory.
const (
	defaultBodyMemory = Size(256 << 20)
	leastBodyMemory   = Size(64 << 20)
)

func (c *Backend) setDefaults() { *c = DefaultBackend() }
