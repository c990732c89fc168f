// Command checker loads a metric plugin as the controller of Argo Rollouts
// does, with the controller's own client, and tells whether it behaves.
//
//	checker [flags] PLUGIN [ARGUMENT…]
//
// It prints a line for each check and ends with status 1 if one missed. What
// the plugin logs goes to stderr in the form of a controller's log.
package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"
)

// options are what the command line says.
type options struct {
	plugin       string
	args         []string
	block        string
	providerType string
	log          string
	idle         time.Duration
	holdOnly     bool
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "checker:", err)
		os.Exit(1)
	}
}

func parse() (options, error) {
	var o options
	flag.StringVar(&o.block, "block", `{}`, "the plugin's configuration in every metric, as JSON")
	flag.StringVar(&o.providerType, "type", "", "what Type must answer; empty: anything")
	flag.StringVar(&o.log, "log", "", "a message that the plugin must log at its start; empty: any")
	flag.DurationVar(&o.idle, "idle", 90*time.Second, "how long the plugin is left alone")
	flag.BoolVar(&o.holdOnly, "hold", false, "only load the plugin, print its pid, and wait to be killed")
	flag.Parse()
	if flag.NArg() < 1 {
		return o, fmt.Errorf("usage: checker [flags] PLUGIN [ARGUMENT…]")
	}
	path, err := filepath.Abs(flag.Arg(0))
	o.plugin, o.args = path, flag.Args()[1:]
	return o, err
}

func run() error {
	o, err := parse()
	if err != nil {
		return err
	}
	// The controller runs plugins from a folder below its own, and they make
	// their sockets in the temp folder.
	folder, err := os.MkdirTemp("", "checker-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	sockets := filepath.Join(folder, "tmp")
	if err := os.Mkdir(sockets, 0o700); err != nil {
		return err
	}
	if err := os.Setenv("TMPDIR", sockets); err != nil {
		return err
	}
	if err := os.Chdir(folder); err != nil {
		return err
	}

	log := &heard{}
	hclog.DefaultOutput = io.MultiWriter(os.Stderr, log)
	if err := register(o); err != nil {
		return fmt.Errorf("register the plugin: %w", err)
	}
	if o.holdOnly {
		return hold(o)
	}
	c := &checker{options: o, log: log, sockets: sockets, out: os.Stdout}
	c.all()
	plugin.CleanupClients()
	c.afterwards()
	fmt.Fprintf(os.Stdout, "%d checks, %d missed\n", c.made, c.missed)
	if c.missed > 0 {
		return fmt.Errorf("%d of %d checks missed", c.missed, c.made)
	}
	return nil
}
