package bridge

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/scimbridge/scimbridge/scim/auth"
	"github.com/scimbridge/scimbridge/scim/config"
	"github.com/scimbridge/scimbridge/scim/legible"
)

// Exit codes of the commands.
const (
	exitFailed = 1
	exitUsage  = 2
)

// usageError is a mistake in how a command was called.
type usageError struct{ error }

// Main runs a command and returns its exit code.
func Main(args []string, stdout, stderr io.Writer) int { return run(args, stdout, stderr, nil) }

// run is Main by a clock of the caller's; nil: time.Now.
func run(args []string, stdout, stderr io.Writer, now func() time.Time) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	stdout, stderr = legible.NewWriter(stdout), legible.NewWriter(stderr)
	root := command(stdout, stderr, now)
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	called, err := root.ExecuteContextC(ctx)
	if err == nil {
		return 0
	}
	text := "scimbridge: " + err.Error() + "\n"
	if called.Name() == "serve" {
		lastWords(stderr, text)
		return exitFor(err)
	}
	fmt.Fprint(stderr, text)
	if exitFor(err) == exitUsage {
		fmt.Fprintf(stderr, "run `%s --help` for what there is\n", called.CommandPath())
	}
	return exitFor(err)
}

// exitFor returns the exit code of a command that failed.
func exitFor(err error) int {
	var code codeError
	if errors.As(err, &code) {
		return code.code
	}
	var usage usageError
	if errors.As(err, &usage) {
		return exitUsage
	}
	return exitFailed
}

func command(stdout, stderr io.Writer, now func() time.Time) *cobra.Command {
	root := &cobra.Command{
		Use: "scimbridge", Short: "SCIM 2.0 in, VirusTotal and LogicGate Risk Cloud roles out",
		SilenceErrors: true, SilenceUsage: true, Args: noArgs,
		Example: "  scimbridge demo\n  scimbridge check --config config.yaml\n  scimbridge serve --config config.yaml",
		RunE:    func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	var configFile string
	root.PersistentFlags().StringVar(&configFile, "config", "config.yaml", "configuration file")
	root.AddCommand(
		serveCommand(&configFile, stderr, now), checkCommand(&configFile, stdout, stderr), demoCommand(stdout, stderr),
		tokenCommand(stdout), versionCommand(stdout), holdCommand(&configFile, stdout), groupCommand(&configFile, stdout), statusCommand(&configFile, stdout),
		planCommand(&configFile, stdout), explainCommand(&configFile, stdout), reloadCommand(&configFile, stdout),
		doctorCommand(&configFile, stdout), backupCommand(&configFile, stdout), restoreCommand(&configFile, stdout), resumeCommand(&configFile, stdout),
		exportCommand(&configFile, stdout), importCommand(&configFile, os.Stdin, stdout), migrateCommand(&configFile, stdout), auditCommand(&configFile, stdout), measureCommand(&configFile, stdout, stderr),
		actionCommand(&configFile, stdout, "resync", "Compare the backends with the ledger now", "compare with what is there"),
		actionCommand(&configFile, stdout, "retry", "Try again at once what is blocked or waits", "try again"))
	root.InitDefaultCompletionCmd()
	for _, c := range root.Commands() {
		if c.Name() == "completion" { // of the library, which takes the name of a shell it does not know for a call for help
			c.Args, c.Example = noArgs, "  source <(scimbridge completion bash)"
			c.RunE = func(c *cobra.Command, _ []string) error { return c.Help() }
			for _, shell := range c.Commands() {
				shell.Example = "  " + shell.CommandPath() + " > completions"
			}
		}
	}
	return root
}

func noArgs(_ *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usageError{fmt.Errorf("unknown command or argument %q", legible.Clip(args[0]))}
	}
	return nil
}

func serveCommand(configFile *string, stderr io.Writer, now func() time.Time) *cobra.Command {
	var level string
	c := &cobra.Command{
		Use: "serve", Example: "  scimbridge serve --config /etc/scimbridge/config.yaml", Short: "Run the server until interrupted", Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			signal.Ignore(syscall.SIGPIPE) // the reader of the log may go away; the server stays
			log, lines, err := logger(stderr, level)
			if err != nil {
				return usageError{err}
			}
			defer lines.Close()
			conf, warnings, err := config.Load(*configFile)
			if err != nil {
				return err
			}
			for _, w := range warnings {
				log.Warn("configuration: " + w)
			}
			return serve(c.Context(), &Bridge{Config: conf, Log: log, LogDropped: lines.Dropped, Version: version(), Path: *configFile, Now: now})
		},
	}
	c.Flags().StringVar(&level, "log-level", "info", "debug, info, warn or error")
	return c
}

func serve(ctx context.Context, b *Bridge) error {
	if err := b.Start(ctx); err != nil {
		return err
	}
	b.Log.Info("serving", "scim", b.URL(), "console", b.ConsoleURL(), "version", b.Version)
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	defer signal.Stop(hangups)
	go func() {
		for range hangups {
			if _, err := b.reload(ctx); err != nil {
				b.Log.Error("the configuration was to be read again", "error", err)
			}
		}
	}()
	err := b.Wait(ctx)
	b.Log.Info("stopping")
	return errors.Join(err, b.stopInTime())
}

// stopInTime is Stop, with an end even if something does not end: what was answered is stored, and
// the next start reads back what was under way.
func (b *Bridge) stopInTime() error {
	stopped := make(chan error, 1)
	go func() { stopped <- b.Stop() }()
	select {
	case err := <-stopped:
		return err
	case <-time.After(grace - 3*lastLines):
		return errors.New("something does not end; the process ends without it, and the next start reads back what was under way")
	}
}

// checked is what `check --json` prints.
type checked struct {
	File     string   `json:"file"`
	Problems []string `json:"problems"`
	Warnings []string `json:"warnings"`
	Advice   []string `json:"recommendations"`
}

func checkCommand(configFile *string, stdout, stderr io.Writer) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use: "check", Example: "  scimbridge check --config new.yaml", Short: "Validate the configuration, offline", Args: noArgs,
		RunE: func(*cobra.Command, []string) error {
			c, warnings, err := config.Load(*configFile)
			if asJSON {
				return errors.Join(err, printChecked(stdout, *configFile, c, warnings, err))
			}
			for _, w := range warnings {
				fmt.Fprintln(stderr, "warning: "+w)
			}
			if err != nil {
				return err
			}
			for _, a := range c.Recommendations() {
				fmt.Fprintln(stderr, "recommendation: "+a)
			}
			_, err = fmt.Fprintf(stdout, "%s is fine: %d identity provider(s), %d backend(s), %d mapping(s)\n",
				*configFile, len(c.IdentityProviders), len(c.Backends), len(c.Mappings))
			return err
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

func printChecked(w io.Writer, file string, c *config.Config, warnings []string, err error) error {
	out := checked{File: file, Problems: []string{}, Warnings: append([]string{}, warnings...), Advice: []string{}}
	if c != nil {
		out.Advice = append(out.Advice, c.Recommendations()...)
	}
	var wrong *config.Error
	switch {
	case errors.As(err, &wrong):
		out.Problems = wrong.Problems
	case err != nil:
		out.Problems = []string{err.Error()}
	}
	return printJSON(w, out)
}

func tokenCommand(stdout io.Writer) *cobra.Command {
	c := &cobra.Command{Use: "token", Short: "Tokens for identity providers", Args: noArgs,
		Example: "  scimbridge token new",
		RunE:    func(c *cobra.Command, _ []string) error { return c.Help() }}
	var p printed
	c.AddCommand(p.flag(&cobra.Command{
		Use: "new", Example: "  scimbridge token new", Short: "Make a random token and print it with its sha256: form", Args: noArgs,
		RunE: func(*cobra.Command, []string) error {
			token, hash, err := auth.NewToken(rand.Reader)
			if err != nil {
				return fmt.Errorf("making a token: %w", err)
			}
			return p.say(stdout, map[string]string{"token": token, "hash": hash},
				"token (give it to the identity provider; it is not shown again):\n  %s\nhash (for `tokens` in the configuration):\n  %s\n", token, hash)
		},
	}))
	return c
}

func versionCommand(stdout io.Writer) *cobra.Command {
	var p printed
	return p.flag(&cobra.Command{
		Use: "version", Example: "  scimbridge version", Short: "Print the version", Args: noArgs,
		RunE: func(*cobra.Command, []string) error {
			return p.say(stdout, map[string]string{"version": version()}, "scimbridge %s\n", version())
		},
	})
}

func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" {
		return "(devel)"
	}
	return info.Main.Version
}
