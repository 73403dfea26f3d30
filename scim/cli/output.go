package cli

import (
	"encoding/json"
	"fmt"
	"io"

	"github.com/spf13/cobra"
)

// printed is the output of a command: JSON if requested, otherwise words.
type printed struct{ json bool }

func (p *printed) flag(c *cobra.Command) *cobra.Command {
	c.Flags().BoolVar(&p.json, "json", false, "print JSON")
	return c
}

// printJSON prints without escapes for HTML: the output is not a page.
func printJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

func (p *printed) say(w io.Writer, v any, words string, args ...any) error {
	if !p.json {
		_, err := fmt.Fprintf(w, words, args...)
		return err
	}
	return printJSON(w, v)
}

// copied is what backup and export print.
type copied struct {
	File  string `json:"file"`
	Bytes int64  `json:"bytes"`
}
