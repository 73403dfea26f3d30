package bridge

// The demo plays the shapes of recorded requests: the comment at each names the shape. Names in braces stand for
// ids that the server gave.

type demoScene struct {
	title    string
	requests []demoRequest
	show     []string
}

type demoRequest struct {
	idp, method, path, body string
	as                      string // name of what is created
	quiet                   bool   // the body is not shown
}

var demoPeople = []string{"ada@example.com", "grace@example.com", "linus@example.com"}

var demoMappings = []MappingConfig{
	{Group: names{"VT Admins"}, Backend: "virustotal", Target: "acme", Roles: []string{"USER_ROLE_GROUP_ADMIN"}},
	{Group: names{"VT Analysts"}, Backend: "virustotal", Target: "acme", Roles: []string{"USER_ROLE_PRIVATE_SCANNING"}},
	{Match: "^risk-(?P<role>approver|reviewer|auditor)$", Backend: "riskcloud", Target: "${role}"},
}

// demoExpected is what everybody must have at the end.
var demoExpected = map[string][]string{
	"ada@example.com":   {"virustotal acme USER_ROLE_GROUP_ADMIN"},
	"grace@example.com": {},
	"linus@example.com": {"riskcloud approver"},
}

const patchOp = `{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":`

func createUser(idp, as, name string) demoRequest { // O04, E09
	return demoRequest{idp: idp, method: "POST", path: "/Users", as: as, quiet: true,
		body: `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"` + name + `","externalId":"x-` + as + `",
		"name":{"givenName":"` + as + `","familyName":"Example"},"emails":[{"primary":true,"value":"` + name + `","type":"work"}],
		"displayName":"` + as + `","locale":"en-US","groups":[],"password":"not-kept","active":true}`}
}

func createGroup(idp, as, name string) demoRequest { // O10, E34
	return demoRequest{idp: idp, method: "POST", path: "/Groups", as: as, quiet: true,
		body: `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group"],"displayName":"` + name + `","members":[]}`}
}

var demoScript = []demoScene{
	{
		title: "Okta creates Ada and Grace and pushes the group \"VT Admins\" with both: two people, one call.",
		requests: []demoRequest{
			createUser("okta", "ada", "ada@example.com"), createUser("okta", "grace", "grace@example.com"),
			createGroup("okta", "vt-admins", "VT Admins"),
			{idp: "okta", method: "PATCH", path: "/Groups/{vt-admins}", // O15
				body: patchOp + `[{"op":"add","path":"members","value":[{"value":"{ada}","display":"ada@example.com"},{"value":"{grace}","display":"grace@example.com"}]}]}`},
		},
		show: []string{"ada@example.com", "grace@example.com"},
	},
	{
		title: "Okta takes Grace out of the group: she loses the role, Ada keeps it.",
		requests: []demoRequest{{idp: "okta", method: "PATCH", path: "/Groups/{vt-admins}", // O15
			body: patchOp + `[{"op":"remove","path":"members[value eq \"{grace}\"]"}]}`}},
		show: []string{"ada@example.com", "grace@example.com"},
	},
	{
		title: "Entra, default dialect (capital letters, $ref: null), puts Grace and Linus into \"risk-approver\" and Linus into \"VT Analysts\".",
		requests: []demoRequest{
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
		requests: []demoRequest{{idp: "entra", method: "PATCH", path: "/Groups/{risk}", // O15
			body: patchOp + `[{"op":"remove","path":"members[value eq \"{grace-e}\"]"},{"op":"add","path":"members","value":[{"value":"{linus}","display":"linus@example.com"}]}]}`}},
		show: []string{"grace@example.com", "linus@example.com"},
	},
	{
		title: "Entra, default dialect, removes with a value list: read literally it would empty the group; only Linus goes.",
		requests: []demoRequest{
			{idp: "entra", method: "PATCH", path: "/Groups/{analysts}", // E37
				body: patchOp + `[{"op":"Add","path":"members","value":[{"$ref":null,"value":"{grace-e}"}]}]}`},
			{idp: "entra", method: "PATCH", path: "/Groups/{analysts}", // E38
				body: patchOp + `[{"op":"Remove","path":"members","value":[{"$ref":null,"value":"{linus}"}]}]}`},
		},
		show: []string{"grace@example.com", "linus@example.com"},
	},
	{
		title: "Entra, with the aadOptscim062020 flag, removes Grace by value filter.",
		requests: []demoRequest{{idp: "entra", method: "PATCH", path: "/Groups/{analysts}?aadOptscim062020", // E39
			body: patchOp + `[{"op":"remove","path":"members[value eq \"{grace-e}\"]"}]}`}},
		show: []string{"grace@example.com"},
	},
	{
		title: "Entra disables Linus with the text \"False\": his roles go, his memberships stay.",
		requests: []demoRequest{{idp: "entra", method: "PATCH", path: "/Users/{linus}", // E11
			body: patchOp + `[{"op":"Replace","path":"active","value":"False"}]}`}},
		show: []string{"linus@example.com"},
	},
	{
		title: "Linus comes back: the role comes back, though no group is sent again.",
		requests: []demoRequest{{idp: "entra", method: "PATCH", path: "/Users/{linus}?aadOptscim062020", // E12
			body: patchOp + `[{"op":"replace","path":"active","value":true}]}`}},
		show: []string{"linus@example.com"},
	},
}
