package scim_test

import (
	"crypto/sha256"
	"fmt"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/scimbridge/scimbridge/scim"
	"github.com/scimbridge/scimbridge/scim/auth"
	"github.com/scimbridge/scimbridge/scim/canary"
)

// withToken are the headers of a request that acme sends over a raw connection.
const withToken = "Authorization: Bearer " + acmeToken + "\r\n"

// escapeAll writes every byte of a segment as an escape, but for a dot.
func escapeAll(segment, form string) string {
	var b strings.Builder
	for i := range len(segment) {
		if segment[i] == '.' {
			b.WriteByte('.')
			continue
		}
		fmt.Fprintf(&b, form, segment[i])
	}
	return b.String()
}

// TestAddress reads resources by every way to write their address.
func TestAddress(t *testing.T) {
	w := newWorld(t)
	w.seed()
	raw := &wire{t: t, address: w.server.Listener.Addr().String()}
	const user = "urn:ietf:params:scim:schemas:core:2.0:User"
	for canonical, forms := range map[string][]string{
		"/scim/v2/Users/" + ada: {
			"/scim/v2/Users/" + ada + "/", "/scim/v2/Users/" + ada + "//", "/scim/v2//Users/" + ada, "/scim/v2/Users//" + ada, "/scim/v2///Users///" + ada, "/scim//v2/Users/" + ada, "//scim/v2/Users/" + ada,
			"/scim/v2/users/" + ada, "/scim/v2/USERS/" + ada, "/scim/v2//uSeRs//" + ada, "/scim/v2/%55sers/" + ada, "/scim/v2/%75sers/" + ada, "/%73cim/v2/Users/" + ada, "/scim/%76%32/Users/" + ada,
			"/scim/v2/Users/" + strings.ReplaceAll(ada, "-", "%2D"), "/scim/v2/Users/" + strings.ReplaceAll(ada, "-", "%2d"), "/scim/v2/Users/" + escapeAll(ada, "%%%02X"), "/scim/v2/" + escapeAll("Users", "%%%02x") + "/" + ada,
			"http://localhost/scim/v2//Users/" + ada, "/scim/v2/Users/" + ada + "?", "/scim/v2/Users/" + ada + "/?x=1",
		},
		"/scim/v2/Users":         {"/scim/v2/Users/", "/scim/v2//Users", "/scim/v2//Users//", "/scim/v2/users", "/scim/v2/USERS/", "/scim/v2/U%73ers"},
		"/scim/v2/Groups":        {"/scim/v2/groups", "/scim/v2/GROUPS", "/scim/v2//groups/", "/scim/v2/%67roups"},
		"/scim/v2/Groups/gid":    {"/scim/v2/groups/gid", "/scim/v2/Groups/g%69d", "/scim/v2//Groups//gid/"},
		"/scim/v2":               {"/scim/v2/", "/scim/v2//", "//scim//v2", "/scim/v%32"},
		"/scim/v2/Schemas":       {"/scim/v2/schemas", "/scim/v2/Schemas/", "/scim/v2//SCHEMAS"},
		"/scim/v2/ResourceTypes": {"/scim/v2/resourceTypes", "/scim/v2/resourcetypes/", "/scim/v2/Resource%54ypes"},
		"/scim/v2/ServiceProviderConfig": {
			"/scim/v2/serviceproviderconfig", "/scim/v2/serviceProviderConfig/", "/scim/v2//ServiceProviderConfig", "/scim/v2/Service%50rovider%43onfig",
		},
		"/scim/v2/Schemas/" + user: {
			"/scim/v2/Schemas/" + strings.ReplaceAll(user, ":", "%3A"), "/scim/v2/Schemas/" + strings.ReplaceAll(user, ":", "%3a"), "/scim/v2/schemas//" + user + "/", "/scim/v2/Schemas/" + escapeAll(user, "%%%02X"),
		},
		"/scim/v2/ResourceTypes/User": {"/scim/v2/ResourceTypes/%55ser", "/scim/v2/resourcetypes//User/"},
	} {
		status, want := raw.send("GET", canonical, withToken)
		if status != 200 {
			t.Fatalf("%s: %d %s", canonical, status, want)
		}
		for _, form := range forms {
			if status, got := raw.send("GET", form, withToken); status != 200 || got != want {
				t.Errorf("%s: %d %s\nwant what %s gives", form, status, got, canonical)
			}
			if status, got := raw.send("HEAD", form, withToken); status != 200 || got != "" {
				t.Errorf("HEAD %s: %d %q", form, status, got)
			}
			if status, got := raw.send("GET", form, ""); status != 401 {
				t.Errorf("%s without a credential: %d %s", form, status, got)
			}
		}
	}
}

// TestAddressRefused sends addresses that two readers could take for different ones.
func TestAddressRefused(t *testing.T) {
	w := newWorld(t)
	w.seed()
	before := w.state()
	raw := &wire{t: t, address: w.server.Listener.Addr().String()}
	for _, path := range []string{
		"/scim/v2/Users%2F" + ada, "/scim/v2/Users/%2F" + ada, "/scim/v2%2fUsers/" + ada, "/scim/v2/Users/" + ada + "%2F", "/scim/v2/Users/" + ada + "%5C", "/scim/v2/Users/x%5c..%5c" + ada,
		"/scim/v2/Users/%2E/" + ada, "/scim/v2/Users/%2e%2e/Users/" + ada, "/scim/v2/Users/./" + ada, "/scim/v2/./Users/" + ada, "/scim/v2/x/../Users/" + ada, "/scim/v2/Users/" + ada + "/.", "/scim/v2/Users/" + ada + "/..", "/scim/v2/%2Esearch", "/scim/v2/Users//../Users/" + ada,
		"/scim/v2/Users/" + ada + "%25", "/scim/v2/%2555sers/" + ada, "/scim/v2/Users/" + strings.ReplaceAll(ada, "-", "%252D"), "/scim/v2/Schemas/urn%253Aietf:params:scim:schemas:core:2.0:User",
		"/scim/v2/Users/" + ada + "%3F", "/scim/v2/Users/" + ada + "%23x", "/scim/v2/Users/" + ada + "%20", "/scim/v2/Users/%20" + ada, "/scim/v2/Users/" + ada + "%00", "/scim/v2/Users/" + ada + "%0A", "/scim/v2/Users/" + ada + "%7F", "/scim/v2/Users/" + ada + "%C3%A9", "/scim/v2/Users/" + ada + "%FF",
		"/scim/v2/Users/" + ada + `\`, "/scim/v2/Users/" + ada + ";x=1", "/scim/v2/Users/" + ada + "%3Bx=1", "/scim/v2/Users;x/" + ada, "/SCIM/v2/Users/" + ada, "/scim/v1/Users/" + ada, "/scim/v2Users/" + ada, "/scim/v2/User/" + ada, "/Users/" + ada, "/users/" + ada, "/scim/v2/Users/" + ada + "/x",
		"/oauth/token", "//oauth/token", "/oauth/%74oken", "/scim/v2/%55%73ers%", "/scim/v2/Users/%zz", "/scim/v2/Users/%4",
	} {
		for _, method := range []string{"GET", "PUT", "PATCH", "DELETE"} {
			status, body := raw.send(method, path, withToken+"Content-Length: 0\r\n")
			if invalid := strings.HasSuffix(path, "%") || strings.Contains(path, "%zz") || strings.HasSuffix(path, "%4"); status != 404 && !(invalid && status == 400) {
				if method == "PUT" || method == "PATCH" { // of another resource, which is not there either
					if status == 400 && strings.Contains(body, "the body: expected an object, got nothing") {
						continue
					}
				}
				t.Errorf("%s %s: %d %s", method, path, status, body)
			}
		}
	}
	if after := w.state(); after.all != before.all || len(after.events) != len(before.events) {
		t.Error("something was changed")
	}
}

// TestAddressWrites changes resources by the addresses that clients put together, and looks for the
// effect.
func TestAddressWrites(t *testing.T) {
	const off = patchHead + `[{"op":"replace","path":"active","value":false}]}`
	for name, c := range map[string]struct {
		method, path, body string
		want               int
	}{
		"PUT behind a base that ends in a slash": {"PUT", "//Users/" + ada, `{"userName":"ada@example.com","active":false}`, 200},
		"PATCH behind such a base":               {"PATCH", "//Users/" + ada, off, 200},
		"PATCH in lower case":                    {"PATCH", "/users/" + ada, off, 200},
		"PATCH with an escaped id":               {"PATCH", "/Users/" + strings.ReplaceAll(ada, "-", "%2D"), off, 200},
		"PATCH with a slash at the end":          {"PATCH", "/Users/" + ada + "/", off, 200},
		"PATCH with two slashes within":          {"PATCH", "/users//" + ada, off, 200},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.seed()
			a := w.must(c.want, c.method, c.path, c.body)
			if got := a.json(t)["meta"].(map[string]any)["location"]; got != "https://scim.example.com/scim/v2/Users/"+ada {
				t.Errorf("location %v", got)
			}
			if a.header.Get("ETag") != `W/"2"` || w.state().active[ada] {
				t.Errorf("%s: active is %t", a.header.Get("ETag"), w.state().active[ada])
			}
		})
	}
	t.Run("POST says where the resource is", func(t *testing.T) {
		w := newWorld(t)
		for i, path := range []string{"//Users", "/users", "/Users/", "/%55sers", "//USERS//"} {
			a := w.must(201, "POST", path, fmt.Sprintf(`{"userName":"u%d"}`, i))
			if got, want := a.header.Get("Location"), fmt.Sprintf("https://scim.example.com/scim/v2/Users/new-%d", i+1); got != want {
				t.Errorf("%s: Location %q, want %q", path, got, want)
			}
		}
	})
	t.Run("DELETE", func(t *testing.T) {
		w := newWorld(t)
		w.seed()
		w.must(204, "DELETE", "//groups//gid/", "")
		w.must(404, "GET", "/Groups/gid", "")
	})
	t.Run("a group keeps its limit of 16 MiB", func(t *testing.T) {
		w := newWorld(t)
		w.seed()
		many := `{"displayName":"VT Admins","members":["` + strings.Repeat("m", 1000) + strings.Repeat(`","`+linus, 20_000) + `"]}`
		w.must(200, "PUT", "//groups/g%69d", many)
	})
	t.Run("Allow", func(t *testing.T) {
		w := newWorld(t)
		for path, want := range map[string]string{"//users/": "GET, HEAD, POST", "/%55sers/x": "GET, HEAD, PUT, PATCH, DELETE", "/bulk": "POST", "/schemas": "GET, HEAD"} {
			if a := w.do("TRACE", path, ""); a.status != 405 || a.header.Get("Allow") != want {
				t.Errorf("%s: %d %q, want %q", path, a.status, a.header.Get("Allow"), want)
			}
		}
	})
}

// TestAddressLabel counts a request under the same resource however its address is written.
func TestAddressLabel(t *testing.T) {
	var seen []string
	w := newWorld(t)
	h := (&scim.Server{Store: w.store, Log: canary.Log(t), Auth: auth.Verifier{Credentials: []auth.Credential{{IdP: "acme", Hash: sha256.Sum256([]byte(acmeToken))}}},
		Observed: func(_, _, resource string, code int) { seen = append(seen, fmt.Sprint(resource, " ", code)) }}).Handler()
	for _, c := range [][2]string{
		{"/scim/v2/Users", "Users 200"}, {"/scim/v2//users/", "Users 200"}, {"/scim/v2/%55sers/x", "Users 404"}, {"//scim/v2/GROUPS", "Groups 200"}, {"/scim/v2/schemas", "Schemas 200"}, {"/scim/v2/me", "Me 501"},
		{"/scim/v2", " 200"}, {"/scim/v2/Users%2Fx", " 404"}, {"/scim/v2/users-of-a-name", " 404"}, {"/oauth/%74oken", " 404"}, {"//oauth/token", " 404"},
	} {
		seen = nil
		r := httptest.NewRequest("GET", "http://localhost"+c[0], nil)
		h.ServeHTTP(httptest.NewRecorder(), r)
		r = httptest.NewRequest("GET", "http://localhost"+c[0], nil)
		r.Header.Set("Authorization", "Bearer "+acmeToken)
		h.ServeHTTP(httptest.NewRecorder(), r)
		label, _, _ := strings.Cut(c[1], " ")
		if !slices.Equal(seen, []string{label + " 401", c[1]}) {
			t.Errorf("%s: %q", c[0], seen)
		}
	}
}

// TestNoContent has the media type that SCIM-SDK's client looks for.
func TestNoContent(t *testing.T) {
	w := newWorld(t)
	w.seed()
	for _, c := range [][3]string{
		{"PATCH", "/Groups/gid", patchHead + `[{"op":"remove","path":"members[value eq \"` + linus + `\"]"}]}`}, {"DELETE", "/Users/" + grace, ""}, {"DELETE", "/Groups/gid", ""},
	} {
		a := w.must(204, c[0], c[1], c[2])
		if got := a.header.Get("Content-Type"); got != "application/scim+json" || len(a.body) > 0 {
			t.Errorf("%s %s: %q, %d bytes", c[0], c[1], got, len(a.body))
		}
	}
	if a := w.must(304, "GET", "/Users/"+ada, "", "If-None-Match", `W/"1"`); a.header.Get("Content-Type") != "" {
		t.Errorf("304: %q", a.header.Get("Content-Type"))
	}
}
