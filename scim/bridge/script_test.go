package bridge

import (
	"os"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/scimbridge/scimbridge/store"
	"github.com/scimbridge/scimbridge/store/bolt"
)

func TestMain(m *testing.M) {
	if os.Getenv(mainVariable) != "" {
		skew, _ := time.ParseDuration(os.Getenv(skewVariable)) // "": none
		os.Exit(run(os.Args[1:], os.Stdout, os.Stderr, func() time.Time { return time.Now().Add(skew) }))
	}
	testscript.Main(m, map[string]func(){
		"scimbridge": func() { os.Exit(Main(os.Args[1:], os.Stdout, os.Stderr)) },
	})
}

// TestScripts runs the commands as a user would: testdata/script.
func TestScripts(t *testing.T) {
	var held store.Store // by `hold FILE`, until `release`
	testscript.Run(t, testscript.Params{Dir: "testdata/script", Cmds: map[string]func(*testscript.TestScript, bool, []string){
		"hold": func(ts *testscript.TestScript, _ bool, args []string) {
			s, err := bolt.Open(ts.MkAbs(args[0]), bolt.Options{})
			ts.Check(err)
			held = s
		},
		"release": func(ts *testscript.TestScript, _ bool, _ []string) { ts.Check(held.Close()) },
	}})
}
