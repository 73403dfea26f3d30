package postgres

import (
	"crypto/tls"
	"fmt"
	"net"
	"strings"

	"github.com/jackc/pgx/v5/pgxpool"
)

// Connection has the properties of a DSN that a check of the configuration needs.
type Connection struct {
	Password bool // the DSN has one
	Verified bool // the server is verified, or on this machine
}

// Parse reads a DSN, without connecting.
func Parse(dsn string) (Connection, error) {
	c, err := pgxpool.ParseConfig(dsn)
	if err != nil {
		return Connection{}, fmt.Errorf("reading the DSN: %w", err) // pgx leaves the password out
	}
	verified := func(host string, t *tls.Config) bool {
		ip := net.ParseIP(host)
		return host == "localhost" || strings.HasPrefix(host, "/") || ip != nil && ip.IsLoopback() || t != nil && !t.InsecureSkipVerify
	}
	out := Connection{c.ConnConfig.Password != "", verified(c.ConnConfig.Host, c.ConnConfig.TLSConfig)}
	for _, f := range c.ConnConfig.Fallbacks {
		out.Verified = out.Verified && verified(f.Host, f.TLSConfig)
	}
	return out, nil
}
