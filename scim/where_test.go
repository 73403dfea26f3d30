package scim

import "testing"

// A filter that no active user meets is found, whatever it says beside; nothing else is taken for one.
func TestNeverActive(t *testing.T) {
	for text, want := range map[string]bool{
		`active eq false`: true, `active ne true`: true, `not (active pr)`: true, `active eq "False"`: true, `urn:ietf:params:scim:schemas:core:2.0:User:active eq false`: true,
		`userType eq "Employee" and active eq false`: true, `not (active eq true or userType eq "x")`: true, `active eq false and (active eq true or title pr)`: true,
		`active eq false or not (active eq true)`: true,
		`active eq true`: false, `active pr`: false, `active eq false or userType eq "Employee"`: false, `userType eq "Employee"`: false, `not (userType eq "Employee")`: false,
		`not (active eq false and userType eq "x")`: false, `emails[type eq "work"]`: false, `active gt`: false, ``: false,
	} {
		if got := NeverActive(text); got != want {
			t.Errorf("%s: %v", text, got)
		}
	}
}
