package backend

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"golang.org/x/time/rate"
)

// Rate is a limit of N calls in any stretch of the length Per.
type Rate struct {
	N   int
	Per time.Duration
}

// ParseRate reads 5/s, 60/min or 1000/h.
func ParseRate(s string) (Rate, error) {
	count, unit, _ := strings.Cut(s, "/")
	n, err := strconv.ParseUint(count, 10, 31)
	per := map[string]time.Duration{"s": time.Second, "min": time.Minute, "h": time.Hour}[unit]
	if err != nil || n < 1 || per == 0 {
		return Rate{}, fmt.Errorf("%q is not a rate such as 5/s, 60/min or 1000/h", s)
	}
	return Rate{int(n), per}, nil
}

// Limiter returns a limiter that lets a tenth through at once and spreads the rest: no stretch of Per has more than N calls.
func (r Rate) Limiter() *rate.Limiter {
	if r.N == 0 {
		return rate.NewLimiter(rate.Inf, 1)
	}
	burst := max(1, r.N/10)
	return rate.NewLimiter(rate.Limit(float64(r.N-burst+1)/r.Per.Seconds()), burst)
}

// Spend uses up what a limiter would let through at once: another replica may have made those calls a moment ago.
func Spend(l *rate.Limiter) { l.AllowN(time.Now(), int(l.Tokens())) }
