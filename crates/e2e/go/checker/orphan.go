package main

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"

	"github.com/canary-judge/canary-judge/crates/e2e/go/sample"
)

// killedProcesses is how many plugins the checks kill outright: they leave
// their socket behind and do not quit when told.
const killedProcesses = 1

// hold is the host that orphaned kills.
func hold(o options) error {
	if _, err := load(sample.PluginName); err != nil {
		return err
	}
	pid, err := only(sample.PluginName)
	if err != nil {
		return err
	}
	fmt.Fprintln(os.Stdout, pid)
	select {}
}

// orphaned starts a second host, kills it, and looks whether its plugin ends:
// one that stays is a leak for every controller that is killed.
func (c *checker) orphaned() (string, error) {
	host, err := os.Executable()
	if err != nil {
		return "", err
	}
	command := exec.Command(host, append([]string{"-hold", c.plugin}, c.args...)...)
	command.Stderr = os.Stderr
	out, err := command.StdoutPipe()
	if err != nil {
		return "", err
	}
	if err := command.Start(); err != nil {
		return "", err
	}
	line, readErr := bufio.NewReader(out).ReadString('\n')
	killErr := command.Process.Kill()
	_ = command.Wait() // its status is that it was killed
	if readErr != nil || killErr != nil {
		return "", fmt.Errorf("hold a plugin: %v, %v", readErr, killErr)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(line))
	if err != nil {
		return "", err
	}
	ended := until(quitLimit, func() bool {
		_, alive := parentOf(pid)
		return !alive
	})
	if !ended {
		_ = syscall.Kill(pid, syscall.SIGKILL) // the check has missed; only tidy up
		return "", fmt.Errorf("process %d still runs %s after its host was killed", pid, quitLimit)
	}
	return "", nil
}
