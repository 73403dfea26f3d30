package demo

import "github.com/scimbridge/scimbridge/scim/config"

type scene struct {
	title    string
	requests []request
	show     []string
}

type request struct {
	idp, method, path, body string
	as                      string // name of what is created
	quiet                   bool   // the body is not shown
}

var people = []string{"ada@example.com", "grace@example.com", "linus@example.com"}

var rules = []config.Rule{
	{Group: config.Names{"VT Admins"}, Backend: "virustotal", Target: "acme", Roles: []string{"USER_ROLE_GROUP_ADMIN"}},
	{Group: config.Names{"VT Analysts"}, Backend: "virustotal", Target: "acme", Roles: []string{"USER_ROLE_PRIVATE_SCANNING"}},
	{Match: "^risk-(?P<role>approver|reviewer|auditor)$", Backend: "riskcloud", Target: "${role}"},
}

// expected lists the roles of each user at the end.
var expected = map[string][]string{
	"ada@example.com":   {"virustotal acme USER_ROLE_GROUP_ADMIN"},
	"grace@example.com": {},
	"linus@example.com": {"riskcloud approver"},
}

const patchOp = `{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":`

func createUser(idp, as, name string) request { // O04, E09
	return request{idp: idp, method: "POST", path: "/Users", as: as, quiet: true,
		body: `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"` + name + `","externalId":"x-` + as + `",
		"name":{"givenName":"` + as + `","familyName":"Example"},"emails":[{"primary":true,"value":"` + name + `","type":"work"}],
		"displayName":"` + as + `","locale":"en-US","groups":[],"password":"not-kept","active":true}`}
}

func createGroup(idp, as, name string) request { // O10, E34
	return request{idp: idp, method: "POST", path: "/Groups", as: as, quiet: true,
		body: `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group"],"displayName":"` + name + `","members":[]}`}
}

var script = []scene{
	{
		title: "Okta creates Ada and Grace and pushes the group \"VT Admins\" with both: two users, one call.",
		requests: []request{
			createUser("okta", "ada", "ada@example.com"), createUser("okta", "grace", "grace@example.com"),
			createGroup("okta", "vt-admins", "VT Admins"),
			{idp: "okta", method: "PATCH", path: "/Groups/{vt-admins}", // O15
				body: patchOp + `[{"op":"add","path":"members","value":[{"value":"{ada}","display":"ada@example.com"},{"value":"{grace}","display":"grace@example.com"}]}]}`},
		},
		show: []string{"ada@example.com", "grace@example.com"},
	},
	{
		title: "Okta removes Grace from the group: she loses the role, Ada keeps it.",
		requests: []request{{idp: "okta", method: "PATCH", path: "/Groups/{vt-admins}", // O15
			body: patchOp + `[{"op":"remove","path":"members[value eq \"{grace}\"]"}]}`}},
		show: []string{"ada@example.com", "grace@example.com"},
	},
	{
		title: "Entra, default dialect (capital letters, $ref: null), puts Grace and Linus into \"risk-approver\" and Linus into \"VT Analysts\".",
		requests: []request{
			createUser("entra", "grace-e", "grace@example.com"), createUser("entra", "linus", "linus@example.com"),
			createGroup("entra", "risk", "risk-approver"), createGroup("entra", "analysts", "VT Analysts"),
			{idp: "entra", method: "PATCH", path: "/Groups/{risk}", // E37
				body: patchOp + `[{"op":"Add","path":"members","value":[{"$ref":null,"value":"{grace-e}"}]}]}`},
			{idp: "entra", method: "PATCH", path: "/Groups/{analysts}", // E37
				body: patchOp + `[{"op":"Add","path":"members","value":[{"$ref":null,"value":"{linus}"}]}]}`},
		},
		show: []string{"grace@example.com", "linus@example.com"},
	},
	{
		title: "Both directions in one request become one role update at Risk Cloud: Linus in, Grace out.",
		requests: []request{{idp: "entra", method: "PATCH", path: "/Groups/{risk}", // O15
			body: patchOp + `[{"op":"remove","path":"members[value eq \"{grace-e}\"]"},{"op":"add","path":"members","value":[{"value":"{linus}","display":"linus@example.com"}]}]}`}},
		show: []string{"grace@example.com", "linus@example.com"},
	},
	{
		title: "Entra, default dialect, removes with a value list: read literally it would empty the group; only Linus goes.",
		requests: []request{
			{idp: "entra", method: "PATCH", path: "/Groups/{analysts}", // E37
				body: patchOp + `[{"op":"Add","path":"members","value":[{"$ref":null,"value":"{grace-e}"}]}]}`},
			{idp: "entra", method: "PATCH", path: "/Groups/{analysts}", // E38
				body: patchOp + `[{"op":"Remove","path":"members","value":[{"$ref":null,"value":"{linus}"}]}]}`},
		},
		show: []string{"grace@example.com", "linus@example.com"},
	},
	{
		title: "Entra, with the aadOptscim062020 flag, removes Grace by value filter.",
		requests: []request{{idp: "entra", method: "PATCH", path: "/Groups/{analysts}?aadOptscim062020", // E39
			body: patchOp + `[{"op":"remove","path":"members[value eq \"{grace-e}\"]"}]}`}},
		show: []string{"grace@example.com"},
	},
	{
		title: "Entra disables Linus with the text \"False\": his roles go, his memberships stay.",
		requests: []request{{idp: "entra", method: "PATCH", path: "/Users/{linus}", // E11
			body: patchOp + `[{"op":"Replace","path":"active","value":"False"}]}`}},
		show: []string{"linus@example.com"},
	},
	{
		title: "Linus comes back: the role comes back, though no group is sent again.",
		requests: []request{{idp: "entra", method: "PATCH", path: "/Users/{linus}?aadOptscim062020", // E12
			body: patchOp + `[{"op":"replace","path":"active","value":true}]}`}},
		show: []string{"linus@example.com"},
	},
}
