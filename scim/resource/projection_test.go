package resource

import (
	"fmt"
	"net/url"
	"testing"
)

// TestProjectionOfManyAttributes: a client may name very many attributes, and each part of each
// resource is compared with them.
func TestProjectionOfManyAttributes(t *testing.T) {
	names := []string{"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager.value"}
	for i := range 1000 {
		names = append(names, fmt.Sprintf("urn:ietf:params:scim:schemas:extension:enterprise:2.0:Other:a%d", i))
	}
	p := ProjectionOf(url.Values{"attributes": names})
	if n := testing.AllocsPerRun(10, func() {
		if !p.wants(Users.Schema.Extensions[0].ID) || p.wants("urn:ietf:params:scim:schemas:extension:enterprise:2.0:Use") {
			t.Error("wrong attributes are wanted")
		}
	}); n > 10 {
		t.Errorf("%v allocations", n)
	}
}
