package bridge

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/scimbridge/scimbridge/scim/config"
	"github.com/scimbridge/scimbridge/store"
	"github.com/scimbridge/scimbridge/store/archive"
	"github.com/scimbridge/scimbridge/store/audit"
	"github.com/scimbridge/scimbridge/store/bolt"
)

// restored names the setting that says since when the store is a copy that was put back.
const restored = "restored"

// Backup writes the store as it is at one moment; Export the same as JSON lines. Resume ends what a restore began: what is wanted
// is delivered again; it says whether there was anything to end. All may be called concurrently.
func (b *Bridge) Backup(ctx context.Context, to io.Writer) error {
	s, ok := b.store.(*bolt.Store)
	if !ok {
		return errNoFile
	}
	return s.Backup(ctx, to)
}

// brokeOff logs why a copy broke off: whoever asked for it learns no more than that it did.
func (b *Bridge) brokeOff(path string, err error) {
	b.Log.Warn("a copy of the store, or of the audit trail, broke off", "path", path, "error", err)
}

// Export: see Backup.
func (b *Bridge) Export(ctx context.Context, to io.Writer) error {
	return archive.Write(ctx, b.store, to)
}

// Resume: see Backup.
func (b *Bridge) Resume(ctx context.Context) (stoodBy bool, err error) {
	err = b.store.Update(ctx, func(tx store.Tx) error {
		if stoodBy = tx.Setting(restored) != nil; !stoodBy {
			return nil
		}
		if _, err := tx.Events().Append(store.Event{At: b.now().UTC(), Type: "resume", Actor: "operator"}); err != nil {
			return err
		}
		return tx.SetSetting(restored, nil)
	})
	if err != nil {
		return false, fmt.Errorf("ending the standby: %w", err)
	}
	for _, w := range b.workers {
		w.Standby(false)
	}
	return stoodBy, nil
}

// standsBy says since when the store is a copy that was put back and not resumed; "" if it is not.
func (b *Bridge) standsBy(ctx context.Context) (since string, err error) {
	err = b.store.View(ctx, func(tx store.Tx) error {
		since = string(tx.Setting(restored))
		return nil
	})
	return since, err
}

// printed is what a command says of itself: JSON if that is asked for, else the words.
type printed struct{ json bool }

func (p *printed) flag(c *cobra.Command) *cobra.Command {
	c.Flags().BoolVar(&p.json, "json", false, "print JSON")
	return c
}

// printJSON prints what is not for a page of HTML: < and & are no danger.
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

func backupCommand(configFile *string, stdout io.Writer) *cobra.Command {
	var p printed
	return p.flag(&cobra.Command{Use: "backup FILE", Short: "Copy the store of the running server into a file, as it is at one moment", Args: oneArg("the file to write"),
		Example: "  scimbridge backup /backup/scimbridge-$(date +%F).db",
		RunE: func(c *cobra.Command, args []string) error {
			conf, err := config.LoadEndpoints(*configFile)
			if err != nil {
				return err
			}
			if conf.Store.Driver == config.DriverPostgres {
				return errNoFile
			}
			size, err := fetchInto(c.Context(), *configFile, "/api/backup", args[0], verify)
			if err != nil {
				return err
			}
			return p.say(stdout, copied{args[0], size}, "%s: %d bytes, read again and whole. `scimbridge restore` puts it back. The keys that sign our own tokens are left out; a restore makes new ones.\n", args[0], size)
		}})
}

func exportCommand(configFile *string, stdout io.Writer) *cobra.Command {
	var p printed
	return p.flag(&cobra.Command{Use: "export [FILE]", Short: "Write directory, ledger, id map and audit trail of the running server as JSON lines", Args: atMostOne,
		Example: "  scimbridge export | jq 'select(.kind==\"event\") | .event'\n  scimbridge export everything.jsonl",
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) == 0 {
				return fetch(c.Context(), *configFile, "/api/export", stdout)
			}
			size, err := fetchInto(c.Context(), *configFile, "/api/export", args[0], func(string) error { return nil })
			if err != nil {
				return err
			}
			return p.say(stdout, copied{args[0], size}, "%s: %d bytes. `scimbridge import` reads it into an empty store. The keys that sign our own tokens are left out; an import makes new ones.\n", args[0], size)
		}})
}

func atMostOne(_ *cobra.Command, args []string) error {
	if len(args) > 1 {
		return usageError{errors.New("names at most one file")}
	}
	return nil
}

// fetch streams an answer of the running server.
func fetch(ctx context.Context, configFile, path string, to io.Writer) error {
	o, err := newOperatorClient(configFile)
	if err != nil {
		return err
	}
	o.client.Timeout = 0 // it takes as long as it takes
	body, err := o.open(ctx, http.MethodGet, path, nil)
	if err != nil {
		return err
	}
	defer func() { _ = body.Close() }() // read to its end, or of no use
	kept := &keeper{to: to}
	if _, err := io.Copy(kept, body); kept.err != nil {
		return fmt.Errorf("writing what the server answers: %w", kept.err)
	} else if err != nil {
		return fmt.Errorf("reading the server's answer, which broke off: %w", err)
	}
	return nil
}

// keeper tells a failure to write from one to read.
type keeper struct {
	to  io.Writer
	err error
}

func (k *keeper) Write(p []byte) (n int, err error) {
	n, k.err = k.to.Write(p)
	return n, k.err
}

// fetchInto is fetch into a file that does not exist and that is there only when it is whole, and good.
func fetchInto(ctx context.Context, configFile, path, file string, good func(file string) error) (size int64, err error) {
	err = create(file, func(tmp *os.File) error {
		if err := fetch(ctx, configFile, path, tmp); err != nil {
			return err
		}
		if size, err = tmp.Seek(0, io.SeekCurrent); err != nil {
			return err
		}
		return good(tmp.Name())
	})
	return size, err
}

// create makes a file, readable to its owner alone, that is there only when it is whole, and never in the place of another.
func create(file string, fill func(tmp *os.File) error) (err error) {
	if _, err := os.Lstat(file); err == nil {
		return occupied(file)
	}
	tmp, err := os.CreateTemp(filepath.Dir(file), filepath.Base(file)+".part-*")
	if err != nil {
		return fmt.Errorf("making %s: %w", file, err)
	}
	defer func() {
		if rm := os.Remove(tmp.Name()); err == nil && !errors.Is(rm, fs.ErrNotExist) {
			err = rm
		}
	}()
	if err := errors.Join(fill(tmp), tmp.Sync(), tmp.Close()); err != nil {
		return err
	}
	if err := os.Link(tmp.Name(), file); err != nil { // fails if somebody else has made it meanwhile
		return fmt.Errorf("making %s: %w", file, err)
	}
	return nil
}

// occupied is the name of a file that is there already.
type occupied string

func (o occupied) Error() string {
	return string(o) + " is there already, and nothing is overwritten; give another name"
}

// Is makes it one of those that exist.
func (o occupied) Is(target error) bool { return target == fs.ErrExist }

// verify opens a store that was copied and reads everything in it.
func verify(file string) error {
	s, err := bolt.Open(file, bolt.Options{})
	if err == nil {
		err = errors.Join(s.Check(), s.Close())
	}
	if err != nil {
		return fmt.Errorf("the copy is not whole, and was thrown away; try again: %w", err)
	}
	return nil
}

func restoreCommand(configFile *string, stdout io.Writer) *cobra.Command {
	var p printed
	return p.flag(&cobra.Command{Use: "restore FILE", Short: "Put a backup in the place of the store; the server then only observes until `scimbridge resume`", Args: oneArg("the backup to put back"),
		Example: "  scimbridge restore /backup/scimbridge-2026-11-24.db",
		RunE: func(_ *cobra.Command, args []string) error {
			conf, err := config.LoadEndpoints(*configFile)
			if err != nil {
				return err
			}
			if conf.Store.Driver == config.DriverPostgres {
				return errNoFile
			}
			return putBack(*configFile, args[0], stdout, &p, func(tmp string) error {
				from, err := os.Open(args[0])
				if err != nil {
					return fmt.Errorf("reading the backup: %w", err)
				}
				defer func() { _ = from.Close() }() // only read
				to, err := os.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
				if err != nil {
					return fmt.Errorf("writing the store: %w", err)
				}
				if _, err := io.Copy(to, from); err != nil {
					return errors.Join(fmt.Errorf("reading the backup: %w", err), to.Close())
				}
				return to.Close()
			})
		}})
}

func importCommand(configFile *string, stdin io.Reader, stdout io.Writer) *cobra.Command {
	var p printed
	return p.flag(&cobra.Command{Use: "import FILE", Short: "Make the store of what `scimbridge export` wrote (- reads standard input); the server then only observes until `scimbridge resume`",
		Args: oneArg("the export to read, or - for standard input"), Example: "  scimbridge import everything.jsonl",
		RunE: func(c *cobra.Command, args []string) error {
			from := stdin
			if args[0] != "-" {
				f, err := os.Open(args[0])
				if err != nil {
					return fmt.Errorf("reading the export: %w", err)
				}
				defer func() { _ = f.Close() }() // only read
				from = f
			}
			conf, err := config.LoadEndpoints(*configFile)
			if err != nil {
				return err
			}
			if conf.Store.Driver == config.DriverPostgres {
				found, err := importInto(c.Context(), conf.Store, from)
				if err != nil {
					return fmt.Errorf("%s cannot be put back: %w", args[0], err)
				}
				return found.say(stdout, &p)
			}
			return putBack(*configFile, args[0], stdout, &p, func(tmp string) error {
				s, err := bolt.Open(tmp, bolt.Options{})
				if err != nil {
					return err
				}
				return errors.Join(archive.Read(c.Context(), from, s), s.Close())
			})
		}})
}

// putBack makes the store of the configuration, which must not exist, out of a copy, and notes that it is one.
func putBack(configFile, source string, stdout io.Writer, p *printed, fill func(tmp string) error) (err error) {
	c, err := config.LoadEndpoints(configFile)
	if err != nil {
		return err
	}
	path := c.Store.Path
	if _, err := os.Lstat(path); err == nil {
		return fmt.Errorf("there is a store at %s: stop the server and move it away first, nothing is overwritten", path)
	}
	if source != "-" {
		if _, err := os.Stat(source); err != nil {
			return fmt.Errorf("%s cannot be put back: reading the backup: %w", source, err)
		}
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("making the store: %w", err)
	}
	dir, err := os.MkdirTemp(filepath.Dir(path), filepath.Base(path)+".part-*")
	if err != nil {
		return fmt.Errorf("making the store: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	tmp := filepath.Join(dir, "store.db")
	if err := fill(tmp); err != nil {
		return fmt.Errorf("%s cannot be put back: %w", source, err)
	}
	found, err := markFile(tmp)
	if err != nil {
		return fmt.Errorf("%s cannot be put back: %w", source, err)
	}
	if err := os.Link(tmp, path); err != nil {
		return fmt.Errorf("making the store: %w", err)
	}
	found.Store = path
	return found.say(stdout, p)
}

// contents is what a store that was put back holds.
type contents struct {
	Store  string `json:"store"`
	Users  int    `json:"users"`
	Groups int    `json:"groups"`
	Grants int    `json:"grants"`
	Broken string `json:"audit_trail_broken,omitempty"` // where, if the audit trail that came with it does not verify
}

func (c contents) say(stdout io.Writer, p *printed) error {
	trail := ""
	if c.Broken != "" {
		trail = "Its audit trail was changed before it came here: " + c.Broken + ".\n"
	}
	return p.say(stdout, c, `%s is the store now: %d users, %d groups, %d grants.
%sIt may be old, and would grant again what was revoked since. So the server observes only, until you say otherwise:
  1. start it, and let the identity providers send what changed since (Okta: Provisioning, Force Sync; Entra: Restart provisioning)
  2. scimbridge plan      shows what it would then do
  3. scimbridge resume    lets it
`, c.Store, c.Users, c.Groups, c.Grants, trail)
}

// markFile is markRestored for a file, of which everything is read first.
func markFile(file string) (found contents, err error) {
	s, err := bolt.Open(file, bolt.Options{})
	if errors.Is(err, store.ErrDamaged) {
		return found, errors.New("it is damaged, or no backup: `scimbridge backup` writes them, and `scimbridge import` reads what `scimbridge export` wrote")
	}
	if err != nil {
		return found, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	if err := s.Check(); err != nil {
		return found, err
	}
	return markRestored(context.Background(), s)
}

// markRestored notes that a store is a copy that was put back, and says what is in it.
func markRestored(ctx context.Context, s store.Store) (found contents, err error) {
	trail, err := audit.Verify(ctx, s, "")
	if err != nil {
		return found, err
	}
	err = s.Update(ctx, func(tx store.Tx) error {
		now := time.Now().UTC()
		found = contents{Broken: trail.Broken}
		for _, idp := range tx.IdPs() {
			found.Users, found.Groups = found.Users+tx.Directory(idp).UserCount(), found.Groups+tx.Directory(idp).GroupCount()
		}
		for _, name := range tx.Backends() {
			for _, err := range tx.Ledger(name).Entries("", "") {
				if err != nil {
					return err
				}
				found.Grants++
			}
		}
		if _, err := tx.Events().Append(store.Event{At: now, Type: "restore", Actor: "operator"}); err != nil {
			return err
		}
		if err := tx.SetSetting(signingKeys, nil); err != nil { // whoever has the copy could sign with them
			return err
		}
		return tx.SetSetting(restored, []byte(now.Format(time.RFC3339)))
	})
	return found, err
}
