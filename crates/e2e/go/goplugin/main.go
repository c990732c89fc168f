// Command goplugin is a metric plugin written in Go on Argo's SDK. Our host is
// tested against it, and our plugin is measured against it: it does as little
// as a plugin can.
//
// What it answers depends on the configuration block under its name:
//
//	{"echo": true}     the measurement's metadata says what arrived
//	{"error": "text"}  the measurement is an error with that text
//	{"panic": true}    the plugin dies in the call
//
// A run takes one Resume to succeed. GarbageCollect refuses a negative limit.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	argorpc "github.com/argoproj/argo-rollouts/metricproviders/plugin/rpc"
	"github.com/argoproj/argo-rollouts/pkg/apis/rollouts/v1alpha1"
	metricutil "github.com/argoproj/argo-rollouts/utils/metric"
	"github.com/argoproj/argo-rollouts/utils/plugin/types"

	"github.com/canary-judge/canary-judge/crates/e2e/go/describe"
)

// name is the key of the plugin's configuration in a metric.
const name = "example/goplugin"

// resumeAfter is how long a run waits before it may succeed.
const resumeAfter = time.Second

var _ argorpc.MetricProviderPlugin = &provider{}

type provider struct {
	log hclog.Logger
}

type configuration struct {
	Echo  bool   `json:"echo"`
	Error string `json:"error"`
	Panic bool   `json:"panic"`
}

func main() {
	log := hclog.New(&hclog.LoggerOptions{
		Name:       "goplugin",
		Level:      hclog.Info,
		Output:     os.Stderr,
		JSONFormat: true,
	})
	plugin.Serve(&plugin.ServeConfig{
		HandshakeConfig: plugin.HandshakeConfig{
			ProtocolVersion:  1,
			MagicCookieKey:   "ARGO_ROLLOUTS_RPC_PLUGIN",
			MagicCookieValue: "metricprovider",
		},
		Plugins: map[string]plugin.Plugin{
			"RpcMetricProviderPlugin": &argorpc.RpcMetricProviderPlugin{Impl: &provider{log}},
		},
	})
}

func configured(metric v1alpha1.Metric) (configuration, error) {
	var read configuration
	block, ok := metric.Provider.Plugin[name]
	if !ok {
		return read, nil
	}
	if err := json.Unmarshal(block, &read); err != nil {
		return read, fmt.Errorf("the block %q of the metric: %w", name, err)
	}
	return read, nil
}

// begin reads the configuration and fills what all answers share.
func begin(metric v1alpha1.Metric, arrived any, measurement *v1alpha1.Measurement) error {
	read, err := configured(metric)
	if err != nil {
		return err
	}
	if read.Panic {
		panic("the metric asks for it")
	}
	if read.Error != "" {
		return errors.New(read.Error)
	}
	if read.Echo {
		described, err := json.Marshal(describe.Names{}.Value(arrived))
		if err != nil {
			return err
		}
		measurement.Metadata = map[string]string{"arrived": string(described)}
	}
	return nil
}

// InitPlugin has nothing to prepare.
func (p *provider) InitPlugin() types.RpcError {
	p.log.Info("goplugin is ready", "version", 1)
	return types.RpcError{}
}

// Run starts a measurement.
func (p *provider) Run(run *v1alpha1.AnalysisRun, metric v1alpha1.Metric) v1alpha1.Measurement {
	now := metav1.Now()
	later := metav1.NewTime(now.Add(resumeAfter))
	measurement := v1alpha1.Measurement{StartedAt: &now}
	arrived := argorpc.RunArgs{AnalysisRun: run, Metric: metric}
	if err := begin(metric, arrived, &measurement); err != nil {
		return metricutil.MarkMeasurementError(measurement, err)
	}
	measurement.Phase = v1alpha1.AnalysisPhaseRunning
	measurement.ResumeAt = &later
	return measurement
}

// Resume ends a measurement well.
func (p *provider) Resume(run *v1alpha1.AnalysisRun, metric v1alpha1.Metric, measurement v1alpha1.Measurement) v1alpha1.Measurement {
	now := metav1.Now()
	arrived := argorpc.TerminateAndResumeArgs{AnalysisRun: run, Metric: metric, Measurement: measurement}
	if err := begin(metric, arrived, &measurement); err != nil {
		return metricutil.MarkMeasurementError(measurement, err)
	}
	measurement.Phase = v1alpha1.AnalysisPhaseSuccessful
	measurement.Value = "1"
	measurement.FinishedAt = &now
	measurement.ResumeAt = nil
	return measurement
}

// Terminate ends a measurement undecided.
func (p *provider) Terminate(run *v1alpha1.AnalysisRun, metric v1alpha1.Metric, measurement v1alpha1.Measurement) v1alpha1.Measurement {
	now := metav1.Now()
	arrived := argorpc.TerminateAndResumeArgs{AnalysisRun: run, Metric: metric, Measurement: measurement}
	if err := begin(metric, arrived, &measurement); err != nil {
		return metricutil.MarkMeasurementError(measurement, err)
	}
	measurement.Phase = v1alpha1.AnalysisPhaseInconclusive
	measurement.FinishedAt = &now
	return measurement
}

// GarbageCollect keeps nothing and so collects nothing.
func (p *provider) GarbageCollect(_ *v1alpha1.AnalysisRun, _ v1alpha1.Metric, limit int) types.RpcError {
	if limit < 0 {
		return types.RpcError{ErrorString: fmt.Sprintf("limit %d is negative", limit)}
	}
	return types.RpcError{}
}

// Type names the provider.
func (p *provider) Type() string { return "GoPlugin" }

// GetMetadata repeats the metric's name.
func (p *provider) GetMetadata(metric v1alpha1.Metric) map[string]string {
	return map[string]string{"provider": "GoPlugin", "metric": metric.Name}
}
