package backend

import (
	"encoding/json"
	"math"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// FuzzRetryAfter checks that no wait is longer than a day, and that a number means seconds.
func FuzzRetryAfter(f *testing.F) {
	now := time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)
	for _, v := range []string{"", "0", "120", "86401", "-5", "soon", "99999999999999999999999", now.Add(time.Hour).Format(http.TimeFormat), now.Format(time.RFC850),
		"Fri, 31 Dec 9999 23:59:59 GMT", "Mon, 01 Jan 0001 00:00:00 GMT"} {
		f.Add(v)
	}
	digits := regexp.MustCompile(`^[0-9]+$`)
	f.Fuzz(func(t *testing.T, v string) {
		until := retryAfter(v, now)
		if until.After(now.Add(24 * time.Hour)) {
			t.Errorf("%q lasts until %v, more than a day", v, until)
		}
		if !digits.MatchString(v) {
			return
		}
		want := now.Add(24 * time.Hour)
		if n, err := strconv.Atoi(v); err == nil && n < 86400 {
			want = now.Add(time.Duration(n) * time.Second)
		}
		if !until.Equal(want) {
			t.Errorf("%q is until %v, not %v", v, until, want)
		}
	})
}

// FuzzCode checks that the code of a refusal is a word or empty.
func FuzzCode(f *testing.F) {
	for _, body := range []string{`{"error":{"code":"NotFoundError","message":"m"}}`, `{"error":"invalid_token"}`, `{"error":{"code":5}}`, `{"error":["x"]}`, `{"error":"` + strings.Repeat("ä_", 100) + `"}`, "<html>", "null"} {
		f.Add([]byte(body))
	}
	word := regexp.MustCompile(`^[A-Za-z_]{0,64}$`)
	f.Fuzz(func(t *testing.T, body []byte) {
		code := CodeOf(body)
		if !word.MatchString(code) || code != "" && !json.Valid(body) {
			t.Errorf("%q gives %q", body, code)
		}
	})
}

// FuzzRate checks that a limiter lets no more calls through in any stretch than its rate says.
func FuzzRate(f *testing.F) {
	for _, s := range []string{"5/s", "60/min", "1000/h", "1/h", "0/s", "-1/s", "+5/s", "5/day", "5", "/", "9223372036854775807/s", "9223372036854775808/s", " 5/s"} {
		f.Add(s)
	}
	form := regexp.MustCompile(`^[0-9]+/(s|min|h)$`)
	f.Fuzz(func(t *testing.T, s string) {
		r, err := ParseRate(s)
		if err != nil {
			return
		}
		if !form.MatchString(s) || r.N < 1 || r.Per <= 0 {
			t.Errorf("%q gives %+v", s, r)
		}
		l := r.Limiter()
		perPer := float64(l.Limit())*r.Per.Seconds() + float64(l.Burst()) - 1
		if l.Burst() < 1 || l.Limit() <= 0 || math.IsInf(perPer, 0) || perPer > float64(r.N)*(1+1e-9) {
			t.Errorf("%q lets %v through in %v", s, perPer, r.Per)
		}
	})
}
