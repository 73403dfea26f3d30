package riskcloud

import "testing"

func TestSimilar(t *testing.T) {
	name := "Approver"
	roles := []role{{ID: "aB3dE5fG", Name: &name}, {ID: "xY9zW8vU"}}
	for target, want := range map[string]string{
		"approver": `"aB3dE5fG"`, "Aprover": `"aB3dE5fG"`, "xY9zW8vV": `"xY9zW8vU"`, "XY9ZW8VU": `"xY9zW8vU"`, "nothing": "", "": "",
	} {
		if got := similar(roles, target); got != want {
			t.Errorf("%q: %s, want %s", target, got, want)
		}
	}
}
