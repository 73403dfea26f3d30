package bridge_test

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/scimbridge/scimbridge/scim/cli"
	"github.com/scimbridge/scimbridge/store"
	"github.com/scimbridge/scimbridge/store/bolt"
)

func TestMain(m *testing.M) {
	if os.Getenv(mainVariable) != "" {
		skew, _ := time.ParseDuration(os.Getenv(skewVariable)) // "": none
		os.Exit(cli.Run(os.Args[1:], os.Stdout, os.Stderr, func() time.Time { return time.Now().Add(skew) }))
	}
	testscript.Main(m, map[string]func(){
		"scimbridge": func() { os.Exit(cli.Main(os.Args[1:], os.Stdout, os.Stderr)) },
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
		"expand":  expandFile, "until": untilPrinted, "send": sendSCIM, "occupy": occupyAddress, "certificate": makeCertificate, "receiver": startReceiver,
		"replace": func(ts *testscript.TestScript, _ bool, args []string) { // OLD NEW FILE
			ts.Check(os.WriteFile(ts.MkAbs(args[2]), []byte(strings.ReplaceAll(ts.ReadFile(args[2]), args[0], args[1])), 0o600))
		},
	}})
}

// expandFile replaces variables in files; $SCIM and $CONSOLE are free addresses.
func expandFile(ts *testscript.TestScript, _ bool, files []string) {
	for _, name := range []string{"SCIM", "CONSOLE"} {
		if ts.Getenv(name) != "" {
			continue
		}
		address, err := findAddress()
		ts.Check(err)
		ts.Setenv(name, address)
	}
	for _, f := range files {
		ts.Check(os.WriteFile(ts.MkAbs(f), []byte(os.Expand(ts.ReadFile(f), ts.Getenv)), 0o600))
	}
}

// untilPrinted repeats a command (`until TEXT COMMAND ARGS…`) until its output has a text: a worker needs
// some time.
func untilPrinted(ts *testscript.TestScript, _ bool, args []string) {
	for end := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		err := ts.Exec(args[1], args[2:]...)
		if out := ts.ReadFile("stdout"); strings.Contains(out, args[0]) {
			return
		} else if time.Now().After(end) {
			ts.Fatalf("%q is not printed: %s%s %v", args[0], out, ts.ReadFile("stderr"), err)
		}
	}
}

// sendSCIM sends a request as the identity provider okta (`send METHOD PATH BODY NAME`). $NAME becomes the id of the answer.
func sendSCIM(ts *testscript.TestScript, _ bool, args []string) {
	req, err := http.NewRequestWithContext(context.Background(), args[0], "http://"+ts.Getenv("SCIM")+"/scim/v2"+args[1], strings.NewReader(args[2]))
	ts.Check(err)
	req.Header.Set("Authorization", "Bearer "+oktaToken)
	req.Header.Set("Content-Type", "application/scim+json")
	res, err := http.DefaultClient.Do(req)
	ts.Check(err)
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	ts.Check(err)
	if res.StatusCode >= 300 {
		ts.Fatalf("%s %s: %d %s", args[0], args[1], res.StatusCode, body)
	}
	var resource struct{ ID string }
	if len(args) > 3 {
		ts.Check(json.Unmarshal(body, &resource))
		ts.Setenv(args[3], resource.ID)
	}
}

// startReceiver starts a receiver of messages (`receiver NAME STATUS`) that answers so. $NAME becomes its URL.
func startReceiver(ts *testscript.TestScript, _ bool, args []string) {
	status, err := strconv.Atoi(args[1])
	ts.Check(err)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }))
	ts.Defer(s.Close)
	ts.Setenv(args[0], s.URL)
}

// occupyAddress listens on $SCIM until the script ends.
func occupyAddress(ts *testscript.TestScript, _ bool, _ []string) {
	l, err := net.Listen("tcp", ts.Getenv("SCIM"))
	ts.Check(err)
	ts.Defer(func() { _ = l.Close() })
}
