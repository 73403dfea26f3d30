package riskcloud

import (
	"fmt"

	"github.com/scimbridge/scimbridge/store/nearest"
)

// similar returns the quoted id of the role that an unknown target resembles by id or by name, or "".
func similar(roles []role, target string) string {
	words, byWord := []string{}, map[string]string{}
	for _, r := range roles {
		words, byWord[r.ID] = append(words, r.ID), r.ID
		if r.Name != nil && byWord[*r.Name] == "" {
			words, byWord[*r.Name] = append(words, *r.Name), r.ID
		}
	}
	if id := byWord[nearest.Word(target, words, 1)]; id != "" {
		return fmt.Sprintf("%q", id)
	}
	return ""
}
