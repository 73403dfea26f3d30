package resource

import (
	"fmt"
	"net/url"
	"testing"
)

// A client may name as many attributes as its request holds; what is compared with them is each part of each resource of a page.
func TestManyAttributesAreLookedUp(t *testing.T) {
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
