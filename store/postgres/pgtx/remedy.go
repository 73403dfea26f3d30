package pgtx

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5/pgconn"
)

// Remedied adds the next step to refusals that are usual in a new installation.
func Remedied(err error) error {
	var pg *pgconn.PgError
	if !errors.As(err, &pg) {
		return err
	}
	remedy := ""
	switch pg.Code {
	case "28P01", "28000":
		remedy = "the user or the password of the DSN is wrong, or pg_hba.conf does not let this user in from here"
	case "3D000":
		remedy = "create the database: createdb --owner USER --encoding UTF8 --template template0 NAME"
	case "42501":
		remedy = "let the owner of the tables run `scimbridge migrate`, and grant this user what docs/operations/postgresql.md shows"
	case "53300":
		remedy = "raise max_connections of the server, or lower pool_max_conns in the DSN of every replica"
	default:
		return err
	}
	return fmt.Errorf("%w: %s", err, remedy)
}

// unanswered adds the likely cause to a commit without an answer in time.
func unanswered(err error) error {
	if !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return fmt.Errorf("no answer to a commit within %s: a server with synchronous_standby_names waits for its standby; check the standby: %w", answerWithin, err)
}
