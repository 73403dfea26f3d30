package logs

import (
	"fmt"
	"io"
	"log/slog"
	"os"

	"github.com/scimbridge/scimbridge/scim/legible"
)

// isTerminal reports whether a writer is a terminal, where a person reads the log.
func isTerminal(w io.Writer) bool {
	f, ok := legible.Raw(w).(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// logHandler returns text for a terminal and JSON lines otherwise.
func logHandler(to io.Writer, text bool, level slog.Level) slog.Handler {
	o := &slog.HandlerOptions{Level: level}
	if text {
		return slog.NewTextHandler(to, o)
	}
	return slog.NewJSONHandler(to, o)
}

// droppedLine is the line about dropped lines, in the form of the log.
func droppedLine(text bool, n uint64) string {
	const message = "log lines were dropped: the reader is too slow"
	if text {
		return fmt.Sprintf("level=WARN msg=%q dropped=%d\n", message, n)
	}
	return fmt.Sprintf(`{"level":"WARN","msg":%q,"dropped":%d}`+"\n", message, n)
}
