package bridge

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/scimbridge/scimbridge/backend"
	"github.com/scimbridge/scimbridge/scim/config"
	"github.com/scimbridge/scimbridge/scim/console"
	"github.com/scimbridge/scimbridge/scim/legible"
)

// maxAnswer bounds what a command takes into memory: a plan of a million changes.
const maxAnswer = 256 << 20

// exitNeeded is the exit code of --exit-code when there is something to do.
const exitNeeded = 3

// operatorClient calls the running server, which it finds by the configuration.
type operatorClient struct {
	url, keyFile string
	key          backend.Secret
	client       http.Client
}

// stay follows no redirect: a credential goes where it was meant to.
func stay(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// newOperatorClient finds the running server by its configuration.
func newOperatorClient(file string) (*operatorClient, error) {
	c, err := config.LoadEndpoints(file)
	if err != nil {
		return nil, err
	}
	host, port, err := net.SplitHostPort(c.Console.Listen)
	if err != nil {
		return nil, fmt.Errorf("%s: console.listen is not an address", file)
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	raw, err := os.ReadFile(c.Store.OperatorKeyFile())
	if errors.Is(err, fs.ErrPermission) {
		return nil, fmt.Errorf("reading the operator's key, which only the user may read whom the server runs as; run the command as that user: %w", err)
	}
	if err != nil {
		return nil, fmt.Errorf("reading the operator's key, which the server makes when it starts (`scimbridge serve`, with this configuration and from this folder): %w", err)
	}
	key, ok := asKey(raw)
	if !ok {
		return nil, fmt.Errorf("%s does not hold an operator's key; remove it and restart the server, which makes a new one", c.Store.OperatorKeyFile())
	}
	return &operatorClient{keyFile: c.Store.OperatorKeyFile(), url: "http://" + net.JoinHostPort(host, port), key: key,
		client: http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{}, CheckRedirect: stay}}, nil
}

func (o *operatorClient) call(ctx context.Context, method, path string, into any) error {
	return o.send(ctx, method, path, nil, into)
}

func (o *operatorClient) send(ctx context.Context, method, path string, body []byte, into any) error {
	answer, err := o.open(ctx, method, path, body)
	if err != nil {
		return err
	}
	defer func() { _ = answer.Close() }() // read to its end
	body, err = io.ReadAll(io.LimitReader(answer, maxAnswer+1))
	if err == nil && len(body) > maxAnswer {
		err = fmt.Errorf("it has more than %d MiB", maxAnswer>>20)
	}
	if err != nil {
		return fmt.Errorf("reading the server's answer: %w", err)
	}
	if err := json.Unmarshal(body, into); err != nil {
		return fmt.Errorf("reading the server's answer: %w", err)
	}
	return nil
}

// open calls the server and returns the body of a success.
func (o *operatorClient) open(ctx context.Context, method, path string, body []byte) (io.ReadCloser, error) {
	req, err := http.NewRequestWithContext(ctx, method, o.url+path, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("asking the server: %w", err)
	}
	if err := o.sign(req, body); err != nil {
		return nil, err
	}
	res, err := o.do(req)
	if err != nil {
		return nil, err
	}
	if res.StatusCode < 300 {
		return res.Body, nil
	}
	defer func() { _ = res.Body.Close() }() // of no further use
	if res.StatusCode == http.StatusUnauthorized {
		return nil, o.otherKey()
	}
	var refusal console.HoldChanged
	if json.NewDecoder(io.LimitReader(res.Body, maxAnswer)).Decode(&refusal) != nil || refusal.Error == "" {
		refusal.Error = res.Status
	}
	if refusal.Holds != nil {
		return nil, &changedError{refusal}
	}
	return nil, errors.New(refusal.Error)
}

// ask is one call to the running server, whose answer is printed as it is or by show.
func ask[T any](configFile *string, stdout io.Writer, method string, path func(args []string) string, asJSON *bool, show func(io.Writer, T) error) func(*cobra.Command, []string) error {
	return func(c *cobra.Command, args []string) error {
		o, err := newOperatorClient(*configFile)
		if err != nil {
			return err
		}
		var answer T
		if err := o.call(c.Context(), method, path(args), &answer); err != nil {
			return err
		}
		if *asJSON {
			return printJSON(stdout, answer)
		}
		if answer, err = legible.Value(answer); err != nil {
			return fmt.Errorf("reading the server's answer: %w", err)
		}
		return show(stdout, answer)
	}
}

func oneArg(what string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) != 1 {
			return usageError{fmt.Errorf("needs %s", what)}
		}
		return nil
	}
}

func actionCommand(configFile *string, stdout io.Writer, word, short, asked string) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{Use: word + " [BACKEND]", Short: short, Example: "  scimbridge " + word + " virustotal", Args: func(_ *cobra.Command, args []string) error {
		if len(args) > 1 {
			return usageError{errors.New("names at most one backend")}
		}
		return nil
	},
		RunE: ask(configFile, stdout, http.MethodPost, func(args []string) string {
			path := "/api/" + word
			if len(args) == 1 {
				path += "?backend=" + url.QueryEscape(args[0])
			}
			return path
		}, &asJSON, func(w io.Writer, a struct {
			Backends []string `json:"backends"`
		}) error {
			_, err := fmt.Fprintf(w, "%s: asked to %s\n", strings.Join(a.Backends, ", "), asked)
			return err
		})}
	c.ValidArgsFunction = completeBackends(configFile)
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

// completeBackends lets the shell complete the names of the backends in the configuration.
func completeBackends(configFile *string) cobra.CompletionFunc {
	return func(_ *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
		c, err := config.LoadEndpoints(*configFile)
		if err != nil || len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return slices.Sorted(maps.Keys(c.Backends)), cobra.ShellCompDirectiveNoFileComp
	}
}

func resumeCommand(configFile *string, stdout io.Writer) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{Use: "resume", Short: "Let the server deliver again after a restore or an import", Args: noArgs,
		Example: "  scimbridge plan && scimbridge resume",
		RunE: ask(configFile, stdout, http.MethodPost, func([]string) string { return "/api/resume" }, &asJSON, func(w io.Writer, a map[string]string) error {
			words := "what is wanted is delivered from now on, under the usual brakes"
			if a["state"] == "unchanged" {
				words = "the server was not standing by: it delivers already, and nothing was changed"
			}
			_, err := fmt.Fprintln(w, words)
			return err
		})}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}
