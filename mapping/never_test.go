package mapping_test

import (
	"testing"

	"github.com/scimbridge/scimbridge/mapping"
)

func TestNever(t *testing.T) {
	for expression, want := range map[string]bool{
		`a$b`: true, `a^b`: true, `(a$)b`: false, `[^\x00-\x{10FFFF}]`: true, `x([^\x00-\x{10FFFF}]|a^b)`: true, `a$(b|c)+`: true,
		`^a$`: false, `a$b?`: false, `a?^b`: false, `(?i)risk-(.+)`: false, `(a|b^c)`: false, `a(`: false, ``: false, `x*^y`: false,
	} {
		if got := mapping.Never(expression); got != want {
			t.Errorf("%s: %v", expression, got)
		}
	}
}
