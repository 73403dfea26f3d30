package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/scimbridge/scimbridge/scim/cli/logs"
	"github.com/scimbridge/scimbridge/scim/cli/remote"
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
func Main(args []string, stdout, stderr io.Writer) int { return Run(args, stdout, stderr, nil) }

// Run is Main by another clock; nil: time.Now.
func Run(args []string, stdout, stderr io.Writer, now func() time.Time) int {
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
		logs.Briefly(stderr, text)
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
		SilenceErrors: true, SilenceUsage: true, Args: noArgs, Version: version(),
		Example: "  scimbridge demo\n  scimbridge check --config config.yaml\n  scimbridge serve --config config.yaml",
		RunE:    func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	root.SetVersionTemplate("scimbridge {{.Version}}\n")
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	var configFile string
	root.PersistentFlags().StringVar(&configFile, "config", "config.yaml", "configuration file")
	at := &remote.Server{Config: &configFile}
	root.AddCommand(
		serveCommand(&configFile, stderr, now), checkCommand(&configFile, stdout, stderr), demoCommand(stdout, stderr),
		tokenCommand(stdout), versionCommand(stdout), configCommand(stdout), notifyCommand(&configFile, stdout), holdCommand(at, stdout), groupCommand(at, stdout), statusCommand(at, stdout),
		planCommand(at, stdout), explainCommand(at, stdout), accessCommand(at, stdout), blockedCommand(at, stdout), driftCommand(at, stdout), eventsCommand(at, stdout), reloadCommand(at, stdout),
		doctorCommand(&configFile, stdout), backupCommand(at, stdout), restoreCommand(&configFile, stdout), resumeCommand(at, stdout),
		exportCommand(at, stdout), importCommand(&configFile, os.Stdin, stdout), migrateCommand(&configFile, stdout), auditCommand(at, stdout), measureCommand(&configFile, stdout, stderr),
		actionCommand(at, stdout, "resync", "Compare the backends with the ledger now", "compare with what is there"),
		actionCommand(at, stdout, "retry", "Try again at once what is blocked or waits", "try again"))
	for _, c := range root.Commands() {
		if slices.Contains(remoteCommands, c.Name()) {
			at.Flags(c)
		}
	}
	root.InitDefaultCompletionCmd()
	for _, c := range root.Commands() {
		if c.Name() == "completion" { // of the library: it shows help for an unknown shell
			c.Args, c.Example = noArgs, "  source <(scimbridge completion bash)"
			c.RunE = func(c *cobra.Command, _ []string) error { return c.Help() }
			for _, shell := range c.Commands() {
				shell.Example = "  " + shell.CommandPath() + " > completions"
			}
		}
	}
	return root
}

// remoteCommands call a running server, here or elsewhere.
var remoteCommands = []string{"access", "audit", "backup", "blocked", "drift", "events", "explain", "export", "group", "hold", "plan", "reload", "resume", "resync", "retry", "status"}

func noArgs(c *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usageError{fmt.Errorf("unknown command or argument %q%s", legible.Clip(args[0]), similarCommand(c, args[0]))}
	}
	return nil
}

// exitNeeded is the exit code of --exit-code when there is something to do.
const exitNeeded = 3

func oneArg(what string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) != 1 {
			return usageError{fmt.Errorf("needs %s", what)}
		}
		return nil
	}
}

// codeError ends a command with an exit code of its own.
type codeError struct {
	code int
	error
}

func atMostOne(_ *cobra.Command, args []string) error {
	if len(args) > 1 {
		return usageError{errors.New("names at most one file")}
	}
	return nil
}
