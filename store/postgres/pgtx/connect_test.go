package pgtx

import (
	"strings"
	"testing"
)

// TestServersThatAreRefused checks that each refusal names its reason.
func TestServersThatAreRefused(t *testing.T) {
	good := server{version: "PostgreSQL 15.1 on x86_64", number: 150001, encoding: "UTF8", commit: "on", sync: "on", fullPages: "on"}
	if err := good.unfit(); err != nil {
		t.Errorf("a good one: %v", err)
	}
	for want, change := range map[string]func(*server){
		"standby":                 func(s *server) { s.recovering = true },
		"synchronous_commit=off":  func(s *server) { s.commit = "off" },
		"fsync=off":               func(s *server) { s.sync = "off" },
		"full_page_writes=off":    func(s *server) { s.fullPages = "off" },
		"is PostgreSQL 13":        func(s *server) { s.number = 130014 },
		"is not PostgreSQL":       func(s *server) { s.version = "CockroachDB CCL v25.1" },
		"the encoding SQL_ASCII":  func(s *server) { s.encoding = "SQL_ASCII" },
		"PostgreSQL 15.12-YB-202": func(s *server) { s.version = "PostgreSQL 15.12-YB-2025.2.3.0" },
	} {
		bad := good
		change(&bad)
		if err := bad.unfit(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}
