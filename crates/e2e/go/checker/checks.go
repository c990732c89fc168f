package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	argorpc "github.com/argoproj/argo-rollouts/metricproviders/plugin/rpc"
	"github.com/argoproj/argo-rollouts/pkg/apis/rollouts/v1alpha1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/canary-judge/canary-judge/crates/e2e/go/sample"
)

const (
	// concurrentCalls is more than the controller's 30 analysis workers.
	concurrentCalls = 50
	// pingEvery is how often a controller with something to do comes by.
	pingEvery = 10 * time.Second
	// restartLimit is how long a controller may meet errors after its plugin
	// has died: it notices at the first call and starts anew at the next.
	restartLimit = 5 * time.Second
	// quitLimit is what go-plugin's host grants after Quit before it kills.
	quitLimit = 2 * time.Second
	// callLimit ends a check whose call never returns.
	callLimit = 30 * time.Second
)

// checker makes the checks and counts them.
type checker struct {
	options
	log     *heard
	sockets string
	out     io.Writer
	made    int
	missed  int
}

// check prints one line; an error is a miss.
func (c *checker) check(what string, how func() (string, error)) {
	type outcome struct {
		detail string
		err    error
	}
	started := time.Now()
	limit := callLimit + c.idle
	done := make(chan outcome, 1)
	go func() {
		detail, err := how()
		done <- outcome{detail, err}
	}()
	var got outcome
	select {
	case got = <-done:
	case <-time.After(limit):
		got.err = fmt.Errorf("no answer within %s", limit)
	}
	c.made++
	word, detail := "ok  ", got.detail
	if got.err != nil {
		c.missed++
		word, detail = "MISS", got.err.Error()
	}
	took := time.Since(started).Round(100 * time.Microsecond)
	fmt.Fprintf(c.out, "%s  %-58s %10s  %s\n", word, what, took, strings.ReplaceAll(detail, "\n", " "))
}

func (c *checker) metric() v1alpha1.Metric {
	metric := sample.FullMetric()
	metric.Provider = sample.Metric(metric.Name, c.block).Provider
	return metric
}

func (c *checker) all() {
	c.check("load: handshake, dispense, InitPlugin, ping", func() (string, error) {
		_, err := load(sample.PluginName)
		return "", err
	})
	if c.missed > 0 {
		return
	}
	c.check("load a second process that is left quiet from now on", func() (string, error) {
		_, err := load(quietName)
		return "", err
	})
	c.everyMethod("")
	c.check("what the plugin writes to stderr is in the controller's log", c.logged)
	c.check(fmt.Sprintf("%d calls at once, each answered by its own", concurrentCalls), c.concurrent)
	c.check(fmt.Sprintf("idle for %s, pinged every %s: the same process", c.idle, pingEvery), c.idled)
	c.everyMethod(" after idling")
	c.check("killed in the middle: Resume in a new process", c.killed)
	c.check("the host is killed: the plugin ends too", c.orphaned)
}

// everyMethod calls each method once, with small, large and zero arguments.
func (c *checker) everyMethod(when string) {
	metric := c.metric()
	withPlugin := func(use func(argorpc.MetricProviderPlugin) (string, error)) func() (string, error) {
		return func() (string, error) {
			provider, err := load(sample.PluginName)
			if err != nil {
				return "", err
			}
			return use(provider)
		}
	}
	c.check("Type"+when, withPlugin(func(p argorpc.MetricProviderPlugin) (string, error) {
		got := p.Type()
		if got == "" || strings.Contains(got, "rpc call error") || (c.providerType != "" && got != c.providerType) {
			return "", fmt.Errorf("answered %q", got)
		}
		return got, nil
	}))
	c.check("GetMetadata"+when, withPlugin(func(p argorpc.MetricProviderPlugin) (string, error) {
		got := p.GetMetadata(metric)
		if got["error"] != "" {
			return "", errors.New(got["error"])
		}
		return fmt.Sprint(got), nil
	}))
	runs := []struct {
		size string
		run  *v1alpha1.AnalysisRun
	}{{"a typical", sample.TypicalRun()}, {"a large", sample.LargeRun()}, {"a small", sample.SmallRun()}, {"a zero", sample.ZeroRun()}}
	for number, sized := range runs {
		if sized.run.UID != "" {
			sized.run.UID = uid(100*len(when) + number)
		}
		var begun v1alpha1.Measurement
		c.check("Run of "+sized.size+" AnalysisRun"+when, withPlugin(func(p argorpc.MetricProviderPlugin) (string, error) {
			begun = p.Run(sized.run, metric)
			return measured(begun, v1alpha1.AnalysisPhaseRunning, v1alpha1.AnalysisPhaseError, v1alpha1.AnalysisPhaseInconclusive)
		}))
		c.check("Terminate of it"+when, withPlugin(func(p argorpc.MetricProviderPlugin) (string, error) {
			ended := p.Terminate(sized.run, metric, begun)
			return measured(ended, v1alpha1.AnalysisPhaseError, v1alpha1.AnalysisPhaseInconclusive, v1alpha1.AnalysisPhaseFailed)
		}))
	}
	c.check("Run, Resume"+when, withPlugin(func(p argorpc.MetricProviderPlugin) (string, error) {
		run := sample.TypicalRun()
		run.UID = uid(100*len(when) + len(runs))
		begun := p.Run(run, metric)
		if _, err := measured(begun, v1alpha1.AnalysisPhaseRunning); err != nil {
			return "", err
		}
		return measured(p.Resume(run, metric, begun), anyPhase...)
	}))
	c.check("GarbageCollect"+when, withPlugin(func(p argorpc.MetricProviderPlugin) (string, error) {
		if err := p.GarbageCollect(sample.TypicalRun(), metric, 10); err.HasError() {
			return "", err
		}
		return "", nil
	}))
}

// uid keeps the measurements of the checks apart.
func uid(number int) types.UID {
	return types.UID(fmt.Sprintf("00000000-0000-4000-8000-%012d", number))
}

var anyPhase = []v1alpha1.AnalysisPhase{
	v1alpha1.AnalysisPhaseRunning, v1alpha1.AnalysisPhaseSuccessful, v1alpha1.AnalysisPhaseFailed,
	v1alpha1.AnalysisPhaseError, v1alpha1.AnalysisPhaseInconclusive,
}

// measured holds a measurement to what a controller needs of it.
func measured(m v1alpha1.Measurement, phases ...v1alpha1.AnalysisPhase) (string, error) {
	said := fmt.Sprintf("%s: %s", m.Phase, m.Message)
	switch {
	case strings.Contains(m.Message, "rpc call error"):
		return "", errors.New(said)
	case !slices.Contains(phases, m.Phase):
		return "", fmt.Errorf("phase is none of %v: %s", phases, said)
	case m.StartedAt == nil:
		return "", fmt.Errorf("no startedAt; %s", said)
	case m.Phase == v1alpha1.AnalysisPhaseRunning && m.ResumeAt == nil:
		return "", fmt.Errorf("running without resumeAt would be resumed at once, for ever; %s", said)
	case m.Phase.Completed() && m.FinishedAt == nil:
		return "", fmt.Errorf("ended without finishedAt; %s", said)
	}
	return said, nil
}

// logged wants a structured line: one that go-plugin read as hclog's JSON and
// gave its own level, not one that it copied as it was.
func (c *checker) logged() (string, error) {
	module := "plugin." + filepath.Base(sample.PluginName) + ":"
	var found string
	came := until(quitLimit, func() bool {
		for _, line := range c.log.lines() {
			_, text, ours := strings.Cut(line, module)
			if ours && strings.Contains(text, c.options.log) && strings.Contains(text, "timestamp=") && !strings.Contains(text, `"@message"`) {
				found = line
				return true
			}
		}
		return false
	})
	if !came {
		return "", fmt.Errorf("no structured line of %q holds %q", module, c.options.log)
	}
	return found, nil
}

// concurrent mixes the methods, so that an answer that went to another call
// would be of the wrong kind or of the wrong metric.
func (c *checker) concurrent() (string, error) {
	metric := c.metric()
	var group sync.WaitGroup
	misses := make(chan error, concurrentCalls)
	for number := range concurrentCalls {
		group.Add(1)
		go func() {
			defer group.Done()
			provider, err := load(sample.PluginName)
			if err != nil {
				misses <- err
				return
			}
			run := sample.LargeRun()
			run.Name = fmt.Sprintf("run-%d", number)
			run.UID = uid(1000 + number)
			switch number % 5 {
			case 0:
				if got := provider.Type(); got == "" || strings.Contains(got, "error") {
					misses <- fmt.Errorf("Type answered %q", got)
				}
			case 1:
				if got := provider.GetMetadata(metric); got["error"] != "" {
					misses <- errors.New(got["error"])
				}
			case 2:
				if err := provider.GarbageCollect(run, metric, number); err.HasError() {
					misses <- err
				}
			case 3:
				_, err := measured(provider.Run(run, metric), v1alpha1.AnalysisPhaseRunning, v1alpha1.AnalysisPhaseError)
				misses <- err
			case 4:
				begun := sample.RunningMeasurement()
				ended := provider.Terminate(run, metric, begun)
				if _, err := measured(ended, v1alpha1.AnalysisPhaseError, v1alpha1.AnalysisPhaseInconclusive, v1alpha1.AnalysisPhaseFailed); err != nil {
					misses <- err
				} else if !ended.StartedAt.Equal(begun.StartedAt) {
					misses <- fmt.Errorf("Terminate of a measurement begun at %s answered one begun at %s", begun.StartedAt, ended.StartedAt)
				}
			}
		}()
	}
	group.Wait()
	close(misses)
	var all []error
	for err := range misses {
		all = append(all, err)
	}
	return "", errors.Join(all...)
}

// idled waits while one process is pinged and the other hears nothing, which
// is when a session dies of a stream that was never acknowledged.
func (c *checker) idled() (string, error) {
	busy, err := only(sample.PluginName)
	if err != nil {
		return "", err
	}
	quiet, err := only(quietName)
	if err != nil {
		return "", err
	}
	for deadline := time.Now().Add(c.idle); time.Now().Before(deadline); {
		time.Sleep(min(pingEvery, time.Until(deadline)))
		if _, err := load(sample.PluginName); err != nil {
			return "", fmt.Errorf("pinged: %w", err)
		}
	}
	if _, err := load(quietName); err != nil {
		return "", fmt.Errorf("never pinged: %w", err)
	}
	for name, before := range map[string]int{sample.PluginName: busy, quietName: quiet} {
		now, err := only(name)
		if err != nil {
			return "", err
		}
		if now != before {
			return "", fmt.Errorf("%s was process %d and is now %d", name, before, now)
		}
	}
	return "and so is the one that was not pinged", nil
}

func only(name string) (int, error) {
	pids, err := processes(name)
	if err == nil && len(pids) != 1 {
		err = fmt.Errorf("%d processes run %s", len(pids), name)
	}
	if err != nil {
		return 0, err
	}
	return pids[0], nil
}

// killed ends the process between Run and Resume, and gives the controller's
// client the time it needs to notice.
func (c *checker) killed() (string, error) {
	provider, err := load(sample.PluginName)
	if err != nil {
		return "", err
	}
	run, metric := sample.TypicalRun(), c.metric()
	begun := provider.Run(run, metric)
	before, err := only(sample.PluginName)
	if err != nil {
		return "", err
	}
	if err := syscall.Kill(before, syscall.SIGKILL); err != nil {
		return "", err
	}
	failures := 0
	back := until(restartLimit, func() bool {
		if provider, err = load(sample.PluginName); err != nil {
			failures++
		}
		now, alone := only(sample.PluginName)
		return err == nil && alone == nil && now != before
	})
	if !back {
		return "", fmt.Errorf("not loaded again within %s: %w", restartLimit, err)
	}
	said, err := measured(provider.Resume(run, metric, begun), anyPhase...)
	return fmt.Sprintf("%d failed attempts, then %s", failures, said), err
}

// afterwards checks what is left when the host has told its plugins to quit.
func (c *checker) afterwards() {
	c.check("quit: each ends when told, leaving no process and no socket", func() (string, error) {
		for _, name := range []string{sample.PluginName, quietName} {
			if pids, err := processes(name); err != nil || len(pids) > 0 {
				return "", errors.Join(err, fmt.Errorf("%v still run %s", pids, name))
			}
		}
		killed := 0
		for _, line := range c.log.lines() {
			if strings.Contains(line, "plugin failed to exit gracefully") {
				killed++
			}
		}
		if killed > killedProcesses {
			return "", fmt.Errorf("%d plugins did not quit when told and were killed", killed-killedProcesses)
		}
		var left []string
		err := filepath.WalkDir(c.sockets, func(path string, entry fs.DirEntry, err error) error {
			if err == nil && entry.Type() == fs.ModeSocket {
				left = append(left, path)
			}
			return err
		})
		// A process that was killed could not remove its own.
		if err != nil || len(left) > killedProcesses {
			return "", errors.Join(err, fmt.Errorf("%d sockets remain: %v", len(left), left))
		}
		return "", nil
	})
}
