package remote

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"time"

	"github.com/scimbridge/scimbridge/backend"
	"github.com/scimbridge/scimbridge/mapping/desk"
	"github.com/scimbridge/scimbridge/mapping/live"
	"github.com/scimbridge/scimbridge/scim/auth"
	"github.com/scimbridge/scimbridge/scim/bridge"
	"github.com/scimbridge/scimbridge/scim/config"
	"github.com/scimbridge/scimbridge/scim/console"
)

// maxAnswer bounds the size of an answer: a plan of a million changes, each with its reason.
const maxAnswer = 512 << 20

// Client calls the operator API of the running server that the configuration names.
type Client struct {
	url, keyFile string
	key          backend.Secret
	bearer       bool // send the key itself: the server is on another machine, behind TLS
	client       http.Client
}

// stay follows no redirect, so that a credential reaches only the configured server.
func stay(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// New returns a client of a server: of another machine, or that runs with the configuration.
func New(s *Server) (*Client, error) {
	if o, err := s.remote(); o != nil || err != nil {
		return o, err
	}
	file := *s.Config
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
		return nil, fmt.Errorf("reading the operator's key: run the command as the user of the server: %w", err)
	}
	if err != nil {
		return nil, fmt.Errorf("reading the operator's key, which `scimbridge serve` makes when it starts with this configuration: %w", err)
	}
	key, ok := bridge.ParseOperatorKey(raw)
	if !ok {
		return nil, fmt.Errorf("%s does not hold an operator's key; remove it and restart the server, which makes a new one", c.Store.OperatorKeyFile())
	}
	return &Client{keyFile: c.Store.OperatorKeyFile(), url: "http://" + net.JoinHostPort(host, port), key: key,
		client: http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{}, CheckRedirect: stay}}, nil
}

// Call makes a call without a body and decodes the answer.
func (o *Client) Call(ctx context.Context, method, path string, into any) error {
	return o.Send(ctx, method, path, nil, into)
}

// Patient gives later calls as much time as they take.
func (o *Client) Patient() *Client {
	o.client.Timeout = 0
	return o
}

// Send makes a call and decodes the answer.
func (o *Client) Send(ctx context.Context, method, path string, body []byte, into any) error {
	answer, err := o.Open(ctx, method, path, body)
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

// Open calls the server and returns the body of a success.
func (o *Client) Open(ctx context.Context, method, path string, body []byte) (io.ReadCloser, error) {
	req, err := http.NewRequestWithContext(ctx, method, o.url+path, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("asking the server: %w", err)
	}
	if o.bearer {
		req.Header.Set("Authorization", "Bearer "+o.key.Reveal())
	} else if err := o.sign(req, body); err != nil {
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
	if res.StatusCode == http.StatusUnauthorized && o.bearer {
		return nil, fmt.Errorf("the server at %s refuses the operator's key: it is unknown there, or has expired", o.url)
	}
	if res.StatusCode == http.StatusUnauthorized {
		return nil, o.otherKey()
	}
	var refusal console.HoldChanged
	if json.NewDecoder(io.LimitReader(res.Body, maxAnswer)).Decode(&refusal) != nil || refusal.Error == "" {
		refusal.Error = res.Status
	}
	if refusal.Holds != nil {
		return nil, &ChangedError{refusal}
	}
	return nil, errors.New(refusal.Error)
}

// proofWithin is how long a server may take to prove that it has the operator's key.
const proofWithin = 30 * time.Second

// sign lets the server prove that it has the operator's key and then signs a request. It does not
// Send the key, so another program at this address learns nothing.
func (o *Client) sign(req *http.Request, body []byte) error {
	ctx, cancel := context.WithTimeout(req.Context(), proofWithin)
	defer cancel()
	nonce := auth.Nonce()
	asked, err := http.NewRequestWithContext(ctx, http.MethodGet, o.url+"/api/challenge?"+url.Values{"nonce": {nonce}}.Encode(), nil)
	if err != nil {
		return fmt.Errorf("asking the server: %w", err)
	}
	res, err := o.do(asked)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }() // read as far as it is of use
	var given console.Challenge
	err = json.NewDecoder(io.LimitReader(res.Body, 1<<10)).Decode(&given)
	header, ok := auth.Answer(o.key.Reveal(), nonce, given.Challenge, given.Proof, req.Method, req.URL.RequestURI(), body)
	if err != nil || res.StatusCode != http.StatusOK || !ok {
		return o.otherKey()
	}
	req.Header.Set("Authorization", header)
	return nil
}

// otherKey returns the error of a server without this operator's key.
func (o *Client) otherKey() error {
	return fmt.Errorf("the server at %s does not know the operator's key in %s: it was started with another store or configuration, or made a new key, "+
		"or another program listens there; the key was not sent", o.url, o.keyFile)
}

// do sends a request to the server.
func (o *Client) do(req *http.Request) (*http.Response, error) {
	res, err := o.client.Do(req)
	if err == nil {
		return res, nil
	}
	var failed *url.Error
	if errors.As(err, &failed) {
		err = failed.Err
	}
	var reached *net.OpError
	if !errors.As(err, &reached) || reached.Op != "dial" {
		return nil, fmt.Errorf("the server at %s did not answer: %w; look at its log", o.url, err)
	}
	if o.bearer {
		return nil, fmt.Errorf("no server answers at %s (--server): %w", o.url, err)
	}
	return nil, fmt.Errorf("no server answers at %s (`console.listen`): %w; start it with `scimbridge serve`", o.url, err)
}

// Plan returns what would be done under the mappings of a file or, without one, under those in
// force.
func (o *Client) Plan(ctx context.Context, file string, proposed []byte) ([]desk.Preview, error) {
	return o.PlanIf(ctx, file, proposed)
}

// PlanIf is Plan with the directory as it is supposed to be: see package suppose.
func (o *Client) PlanIf(ctx context.Context, file string, proposed []byte, supposed ...string) (plan []desk.Preview, err error) {
	o.client.Timeout = 0 // a large directory takes a while
	query := url.Values{"file": {file}, "if": supposed}
	err = o.Send(ctx, http.MethodPost, "/api/plan?"+query.Encode(), proposed, &plan)
	return plan, err
}

// Live compares every backend with what its vendor has now.
func (o *Client) Live(ctx context.Context) (all []live.Report, err error) {
	o.client.Timeout = 0 // the vendors take a while
	err = o.Call(ctx, http.MethodGet, "/api/plan/live", &all)
	return all, err
}

// Status returns the state of the server.
func (o *Client) Status(ctx context.Context) (s console.Status, err error) {
	err = o.Call(ctx, http.MethodGet, "/api/status", &s)
	return s, err
}

// ChangedError is a refusal that carries the holds as they are now.
type ChangedError struct{ console.HoldChanged }

func (e *ChangedError) Error() string { return e.HoldChanged.Error }
