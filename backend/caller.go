package backend

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"
)

// maxAnswer bounds an answer after it was decompressed; maxList one that is a list.
const (
	maxAnswer = 4 << 20
	maxList   = 64 << 20
)

// Caller makes the HTTP calls of a client: rate limited, with bounded answers and without following redirects, which
// would carry a key to another host. Its fields are set before the first call; its methods may be called concurrently.
type Caller struct {
	URL       string            // of the vendor, without a slash at the end
	Header    map[string]Secret // sent with every call
	Rate      Rate
	Limiter   *rate.Limiter     // nil: one that keeps to Rate
	Timeout   time.Duration     // of one call; 0: 30 s
	Transport http.RoundTripper // nil: that of Outgoing{}
	Journal   Journal
	Counted   func(operation, outcome string) // nil: calls are not counted
	Now       func() time.Time                // nil: time.Now
	// Throttle returns, by the vendor's code, the end of a 429 without Retry-After; nil: the caller backs off.
	Throttle func(code string, now time.Time) time.Time

	client *http.Client
	queue  *queue // for Limiter
}

// Init prepares a caller whose fields are set.
func (c *Caller) Init() {
	if c.Timeout == 0 {
		c.Timeout = 30 * time.Second
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Counted == nil {
		c.Counted = func(string, string) {}
	}
	if c.Transport == nil {
		c.Transport = Outgoing{}.Transport()
	}
	c.URL = strings.TrimSuffix(c.URL, "/")
	if c.Limiter == nil {
		c.Limiter = c.Rate.Limiter()
	}
	c.queue = newQueue(c.Limiter)
	c.client = &http.Client{Transport: c.Transport, Timeout: c.Timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// Ready waits until the rate limit would let a call through: see WithPlace.
func (c *Caller) Ready(ctx context.Context) error { return c.queue.wait(ctx, false) }

// Call is one call to a vendor.
type Call struct {
	Operation string // for metrics: "list_users"
	Doing     string // for errors: "listing users"
	Method    string
	Path      string // below URL
	Body      any    // written as JSON; nil for none
	Header    map[string]Secret
	Changes   bool // it changes something: the journal is notified
	List      bool // the answer may be 64 MiB, not 4
	// Read reads the body of a success piece by piece; nil: Answer.Body holds all of it.
	Read func(io.Reader) error
}

// Answer is a success: a status of 200, 201 or 204, and its body.
type Answer struct {
	Status int
	Body   []byte
}

// Object reports whether the body is a JSON object without an error.
func (a Answer) Object() bool {
	var v map[string]json.RawMessage
	if json.Unmarshal(a.Body, &v) != nil || v == nil {
		return false
	}
	e, failed := v["error"]
	return !failed || string(e) == "null"
}

// Done reports whether the answer is that of a call that returns nothing: empty, or a JSON object. The
// page of a proxy is neither.
func (a Answer) Done() bool { return len(bytes.TrimSpace(a.Body)) == 0 || a.Object() }

// Do makes the call. The error is an *Error.
func (c *Caller) Do(ctx context.Context, call Call) (Answer, error) {
	a, err := c.do(ctx, call)
	outcome := "ok"
	if err != nil {
		outcome = KindOf(err).String()
	}
	c.Counted(call.Operation, outcome)
	return a, err
}

func (c *Caller) do(ctx context.Context, call Call) (Answer, error) {
	unsent := func(err error) error {
		return &Error{Kind: Transient, Doing: call.Doing, Unsent: true, Err: plain(err)}
	}
	if err := c.queue.wait(ctx, true); err != nil {
		return Answer{}, unsent(err)
	}
	var body []byte
	if call.Body != nil {
		var err error
		if body, err = json.Marshal(call.Body); err != nil {
			return Answer{}, unsent(errors.New("the body cannot be written"))
		}
	}
	var connected atomic.Bool // from then on the vendor may have seen something
	traced := httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { connected.Store(true) }})
	req, err := http.NewRequestWithContext(traced, call.Method, c.URL+call.Path, bytes.NewReader(body))
	if err != nil {
		return Answer{}, unsent(errors.New("the address is not valid"))
	}
	for _, headers := range []map[string]Secret{c.Header, call.Header} {
		for k, v := range headers {
			req.Header.Set(k, v.Reveal())
		}
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	req.Header.Set("Accept", "application/json")
	if call.Changes && c.Journal.Sent != nil {
		c.Journal.Sent(c.Now(), call.Method, call.Path, body)
	}
	a, err := c.roundTrip(req, call, &connected)
	if call.Changes && c.Journal.Answered != nil {
		c.Journal.Answered(c.Now(), call.Method, call.Path, a.Status, err)
	}
	return a, err
}

func (c *Caller) roundTrip(req *http.Request, call Call, connected *atomic.Bool) (Answer, error) {
	doing, bound, elements := call.Doing, maxAnswer, maxElements
	if call.List {
		bound, elements = maxList, maxListed
	}
	res, err := c.client.Do(req)
	if err != nil {
		return Answer{}, &Error{Kind: Transient, Doing: doing, Unsent: !connected.Load(), Err: plain(err)}
	}
	defer func() { _ = res.Body.Close() }() // read as far as it matters
	failed := func(err error) error {
		return &Error{Kind: Transient, Doing: doing, Status: res.StatusCode, Err: err}
	}
	from := &bounded{from: res.Body, bytes: bound, most: bound, elements: elements}
	// The other statuses below 300 promise a later effect, or answer with a part.
	success := slices.Contains([]int{http.StatusOK, http.StatusCreated, http.StatusNoContent}, res.StatusCode)
	if success && call.Read != nil {
		if err := call.Read(from); from.exceeded != nil {
			return Answer{}, failed(from.exceeded)
		} else if err != nil {
			return Answer{}, failed(errors.New("the answer has an unknown form"))
		}
		return Answer{Status: res.StatusCode}, nil
	}
	body, err := io.ReadAll(from)
	switch {
	case from.exceeded != nil:
		return Answer{}, failed(from.exceeded)
	case err != nil:
		return Answer{}, failed(errors.New("the answer ended early"))
	case success:
		return Answer{res.StatusCode, body}, nil
	}
	return Answer{Status: res.StatusCode}, c.refusal(res, body, doing)
}

// refusal classifies an answer that is no success by its status; it only copies the vendor's code.
func (c *Caller) refusal(res *http.Response, body []byte, doing string) error {
	e := &Error{Kind: Transient, Doing: doing, Status: res.StatusCode, Code: CodeOf(body)}
	switch s := res.StatusCode; {
	case s == http.StatusUnauthorized, s == http.StatusForbidden:
		e.Kind = Unauthorized
	case s == http.StatusTooManyRequests:
		e.Kind = Throttled
		e.Until = retryAfter(res.Header.Get("Retry-After"), c.Now())
		if e.Until.IsZero() && c.Throttle != nil {
			e.Until = c.Throttle(e.Code, c.Now())
		}
	case s == http.StatusRequestTimeout, s == http.StatusFailedDependency, s == http.StatusTooEarly:
	case s == http.StatusNotFound:
		e.Kind = Missing
	case s >= 400 && s < 500:
		e.Kind = Rejected
	case s == http.StatusServiceUnavailable:
		e.Until = retryAfter(res.Header.Get("Retry-After"), c.Now())
	}
	return e
}

// retryAfter reads both forms of Retry-After (RFC 9110 section 10.2.3), up to one day. It returns zero
// without one, and for a date in the past: the clocks may differ.
func retryAfter(v string, now time.Time) time.Time {
	var until time.Time
	if n, err := strconv.ParseUint(v, 10, 64); err == nil || errors.Is(err, strconv.ErrRange) {
		until = now.Add(time.Duration(min(n, 86400)) * time.Second)
	} else if t, err := http.ParseTime(v); err == nil && t.After(now) {
		until = t
	}
	if limit := now.Add(24 * time.Hour); until.After(limit) {
		until = limit
	}
	return until
}

// word matches codes. A sentence may name a user, and a text with digits may be a key.
var word = regexp.MustCompile(`^[A-Za-z_]{1,64}$`)

// CodeOf returns the code of a vendor's failure: {"error":{"code":"X"}} or {"error":"x"}. Nothing else of the body is kept.
func CodeOf(body []byte) string {
	var shape struct {
		Error json.RawMessage `json:"error"`
	}
	if json.Unmarshal(body, &shape) != nil {
		return ""
	}
	var nested struct {
		Code string `json:"code"`
	}
	code := ""
	if json.Unmarshal(shape.Error, &nested) == nil {
		code = nested.Code
	} else if json.Unmarshal(shape.Error, &code) != nil {
		return ""
	}
	if !word.MatchString(code) {
		return ""
	}
	return code
}

// plain replaces an error of the transport, which may contain an address or a key.
func plain(err error) error {
	var dns *net.DNSError
	var op *net.OpError
	var certificate *tls.CertificateVerificationError
	switch {
	case errors.Is(err, context.Canceled):
		return context.Canceled
	case errors.Is(err, context.DeadlineExceeded):
		return context.DeadlineExceeded
	case errors.Is(err, ErrAddress):
		return ErrAddress
	case errors.As(err, &certificate):
		return errors.New("the certificate of the server is not trusted")
	case errors.As(err, &dns):
		return errors.New("the host name cannot be resolved")
	case errors.As(err, &op):
		return errors.New(op.Op + ": connection failed")
	}
	return errors.New("the call failed")
}
