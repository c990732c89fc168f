package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	typedcorev1 "k8s.io/client-go/kubernetes/typed/core/v1"

	"github.com/argoproj/argo-rollouts/metricproviders/plugin/client"
	argorpc "github.com/argoproj/argo-rollouts/metricproviders/plugin/rpc"
	"github.com/argoproj/argo-rollouts/pkg/apis/rollouts/v1alpha1"
	"github.com/argoproj/argo-rollouts/utils/config"
	argoplugin "github.com/argoproj/argo-rollouts/utils/plugin"
	"github.com/argoproj/argo-rollouts/utils/plugin/types"

	"github.com/canary-judge/canary-judge/crates/e2e/go/sample"
)

// quietName registers the same file a second time: a process of its own that
// is never pinged, as when no reconcile comes by.
const quietName = "argoproj-labs/quiet"

// configMaps answers the one question that the controller's set-up asks of the
// Kubernetes API: what its ConfigMap says. Anything else would panic.
type configMaps struct {
	typedcorev1.ConfigMapInterface
	held corev1.ConfigMap
}

func (c configMaps) Get(context.Context, string, metav1.GetOptions) (*corev1.ConfigMap, error) {
	return &c.held, nil
}

type coreV1 struct {
	typedcorev1.CoreV1Interface
	configMaps configMaps
}

func (c coreV1) ConfigMaps(string) typedcorev1.ConfigMapInterface { return c.configMaps }

type api struct {
	kubernetes.Interface
	core coreV1
}

func (a api) CoreV1() typedcorev1.CoreV1Interface { return a.core }

// register does what the controller does at its start: read the ConfigMap and
// copy the plugins to where they are run.
func register(o options) error {
	var items []types.PluginItem
	for _, name := range []string{sample.PluginName, quietName} {
		items = append(items, types.PluginItem{Name: name, Location: "file://" + o.plugin, Args: o.args})
	}
	plugins, err := json.Marshal(items)
	if err != nil {
		return err
	}
	held := corev1.ConfigMap{Data: map[string]string{"metricProviderPlugins": string(plugins)}}
	cluster := api{core: coreV1{configMaps: configMaps{held: held}}}
	if _, err := config.InitializeConfig(cluster, "argo-rollouts-config"); err != nil {
		return err
	}
	return argoplugin.DownloadPlugins(argoplugin.FileDownloaderImpl{}, cluster)
}

// load is the controller's way to a plugin before every call: it starts the
// process when there is none and pings it when there is.
func load(name string) (argorpc.MetricProviderPlugin, error) {
	return client.GetMetricPlugin(v1alpha1.Metric{
		Provider: v1alpha1.MetricProvider{Plugin: map[string]json.RawMessage{name: json.RawMessage("{}")}},
	})
}

// processes lists our children that run the plugin registered under a name.
func processes(name string) ([]int, error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, err
	}
	var found []int
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		if parent, alive := parentOf(pid); !alive || parent != os.Getpid() {
			continue
		}
		path, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid))
		if err == nil && strings.HasSuffix(path, filepath.Join("plugin-bin", name)) {
			found = append(found, pid)
		}
	}
	return found, nil
}

// parentOf reads a process's parent; a zombie is not alive.
func parentOf(pid int) (parent int, alive bool) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, false
	}
	// The name in parentheses may hold anything, so what follows the last one.
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	if len(fields) < 2 || fields[0] == "Z" || fields[0] == "X" {
		return 0, false
	}
	parent, err = strconv.Atoi(fields[1])
	return parent, err == nil
}

// until asks again and again whether something has come true.
func until(limit time.Duration, holds func() bool) bool {
	for deadline := time.Now().Add(limit); ; time.Sleep(5 * time.Millisecond) {
		if holds() {
			return true
		}
		if time.Now().After(deadline) {
			return false
		}
	}
}

// heard keeps what the controller's log says.
type heard struct {
	mutex sync.Mutex
	text  bytes.Buffer
}

func (h *heard) Write(p []byte) (int, error) {
	h.mutex.Lock()
	defer h.mutex.Unlock()
	return h.text.Write(p)
}

func (h *heard) lines() []string {
	h.mutex.Lock()
	defer h.mutex.Unlock()
	return strings.Split(h.text.String(), "\n")
}
