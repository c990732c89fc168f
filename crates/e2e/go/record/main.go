// Command record writes down what Go's gob and net/rpc put on the wire, and
// says what other programs' bytes mean to Go.
//
//	record write GO_PLUGIN_DIR ROLLOUTS_DIR   write the recorded cases
//	record verify requests|replies FILE…      decode net/rpc streams of Plugin.*
//	record verify CASE FILE…                  decode as that case's Go type
//
// Every recorded case is a file of raw bytes and an entry of index.json, which
// says in the words of package describe what the bytes mean. Writing again
// leaves a file alone while it still means the same: the order of a map and
// the ids of types differ from process to process.
package main

import (
	"errors"
	"fmt"
	"os"
	"time"
)

func main() {
	// A decoded time takes the machine's zone when the offsets agree.
	time.Local = time.UTC
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "record:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	switch {
	case len(args) == 3 && args[0] == "write":
		if err := writeGoPlugin(args[1]); err != nil {
			return err
		}
		return writeRollouts(args[2])
	case len(args) >= 3 && args[0] == "verify":
		return verify(args[1], args[2:])
	default:
		return errors.New("usage: record write GO_PLUGIN_DIR ROLLOUTS_DIR | record verify requests|replies|CASE FILE…")
	}
}
