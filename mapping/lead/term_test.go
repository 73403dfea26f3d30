package lead

import (
	"testing"
	"time"
)

// TestATermThatIsOverAtOnce: the store was slow to give the lease, and the trust has ended before the term is made.
func TestATermThatIsOverAtOnce(t *testing.T) {
	for range 20_000 {
		term := newTerm(time.Now().Add(-time.Hour), time.Second)
		<-term.over
		if _, trusted := term.deadline(); trusted {
			t.Fatal("it is trusted")
		}
	}
}
