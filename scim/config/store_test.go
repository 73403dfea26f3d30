package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestStore(t *testing.T) {
	t.Setenv("DATABASE_OF_THE_TESTS", "postgres://scimbridge:secret@db.example.com/scimbridge?sslmode=verify-full")
	for store, want := range map[string]string{
		"{driver: postgres}": "store.dsn: is missing",
		"{driver: mysql}":    "is not one of bolt, postgres",
		"{driver: postgres, dsn: env:DATABASE_OF_THE_TESTS}":                         "",
		"{driver: postgres, dsn: env:NO_DATABASE_OF_THE_TESTS}":                      "is not set",
		"{driver: postgres, dsn: 'postgres://db.example.com:port/x'}":                "store.dsn: ",
		"{driver: postgres, dsn: 'postgres://u:secret@db.example.com/x'}":            "prefer env:NAME",
		"{driver: postgres, dsn: 'postgres://u@db.example.com/x'}":                   "sslmode=verify-full",
		"{driver: postgres, dsn: 'postgres://u@127.0.0.1/x'}":                        "",
		"{driver: postgres, dsn: 'host=/var/run/postgresql dbname=x'}":               "",
		"{driver: postgres, dsn: 'postgres://u:secret@%zz/x'}":                       "store.dsn: ",
		"{driver: postgres, dsn: 'host=localhost,db2 dbname=x sslmode=verify-full'}": "",
	} {
		path := filepath.Join(t.TempDir(), "config.yaml")
		if err := os.WriteFile(path, []byte("store: "+store+"\nidentity_providers: {okta: {tokens: ['sha256:bf178c068e486db30b287d3b99a875cdeff27f1b74661e096c85aed161f9fa3d']}}\nmappings: []\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		_, warnings, err := Load(path, kinds())
		said := strings.Join(warnings, "\n")
		if err != nil {
			said += err.Error()
		}
		if strings.Contains(said, "secret") || want == "" && said != "" || !strings.Contains(said, want) {
			t.Errorf("%s: %q, want %q", store, said, want)
		}
	}
}
