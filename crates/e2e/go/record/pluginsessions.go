package main

import (
	"fmt"
	"net/rpc"

	argorpc "github.com/argoproj/argo-rollouts/metricproviders/plugin/rpc"
	"github.com/argoproj/argo-rollouts/pkg/apis/rollouts/v1alpha1"
	"github.com/argoproj/argo-rollouts/utils/plugin/types"

	"github.com/canary-judge/canary-judge/crates/e2e/go/sample"
)

// answers is a plugin that gives fixed answers, which is all that a recording
// needs of it.
type answers struct {
	measurement v1alpha1.Measurement
	failure     types.RpcError
	metadata    map[string]string
}

func (a answers) InitPlugin() types.RpcError { return a.failure }

func (a answers) Run(*v1alpha1.AnalysisRun, v1alpha1.Metric) v1alpha1.Measurement {
	return a.measurement
}

func (a answers) Resume(*v1alpha1.AnalysisRun, v1alpha1.Metric, v1alpha1.Measurement) v1alpha1.Measurement {
	return a.measurement
}

func (a answers) Terminate(*v1alpha1.AnalysisRun, v1alpha1.Metric, v1alpha1.Measurement) v1alpha1.Measurement {
	return a.measurement
}

func (a answers) GarbageCollect(*v1alpha1.AnalysisRun, v1alpha1.Metric, int) types.RpcError {
	return a.failure
}

func (a answers) Type() string { return "MetricAI" }

func (a answers) GetMetadata(v1alpha1.Metric) map[string]string { return a.metadata }

var (
	_ argorpc.MetricProviderPlugin = answers{}

	full = answers{
		measurement: sample.FullMeasurement(),
		failure:     types.RpcError{ErrorString: "no model key: “GOOGLE_API_KEY”"},
		metadata:    map[string]string{"provider": "MetricAI", "stableLabel": "role=stable", "canaryLabel": ""},
	}
)

// through makes a call with Argo's own client, which owns how arguments are
// wrapped; the client hides whether the call failed, so those are made bare.
func through(method string, args any, use func(argorpc.MetricProviderPlugin) any) call {
	return call{method, argoNames.Interface(args), func(client *rpc.Client) (any, error) {
		dispensed, err := argorpc.RpcMetricProviderPlugin{}.Client(nil, client)
		if err != nil {
			return nil, err
		}
		provider, ok := dispensed.(argorpc.MetricProviderPlugin)
		if !ok {
			return nil, fmt.Errorf("argo's client is a %T", dispensed)
		}
		return use(provider), nil
	}}
}

func initPlugin() call {
	return through("Plugin.InitPlugin", nil, func(p argorpc.MetricProviderPlugin) any { return p.InitPlugin() })
}

func typeOf() call {
	return through("Plugin.Type", nil, func(p argorpc.MetricProviderPlugin) any { return p.Type() })
}

func runOnce(run *v1alpha1.AnalysisRun, metric v1alpha1.Metric) call {
	return through("Plugin.Run", argorpc.RunArgs{AnalysisRun: run, Metric: metric},
		func(p argorpc.MetricProviderPlugin) any { return p.Run(run, metric) })
}

func resume(run *v1alpha1.AnalysisRun, metric v1alpha1.Metric, m v1alpha1.Measurement) call {
	return through("Plugin.Resume", argorpc.TerminateAndResumeArgs{AnalysisRun: run, Metric: metric, Measurement: m},
		func(p argorpc.MetricProviderPlugin) any { return p.Resume(run, metric, m) })
}

func terminate(run *v1alpha1.AnalysisRun, metric v1alpha1.Metric, m v1alpha1.Measurement) call {
	return through("Plugin.Terminate", argorpc.TerminateAndResumeArgs{AnalysisRun: run, Metric: metric, Measurement: m},
		func(p argorpc.MetricProviderPlugin) any { return p.Terminate(run, metric, m) })
}

func garbageCollect(run *v1alpha1.AnalysisRun, metric v1alpha1.Metric, limit int) call {
	return through("Plugin.GarbageCollect", argorpc.GarbageCollectArgs{AnalysisRun: run, Metric: metric, Limit: limit},
		func(p argorpc.MetricProviderPlugin) any { return p.GarbageCollect(run, metric, limit) })
}

func getMetadata(metric v1alpha1.Metric) call {
	return through("Plugin.GetMetadata", argorpc.GetMetadataArgs{Metric: metric},
		func(p argorpc.MetricProviderPlugin) any { return p.GetMetadata(metric) })
}

// mistaken calls Run with an argument that it does not take.
func mistaken() call {
	wrong := any(argorpc.GetMetadataArgs{Metric: sample.Metric("m", "{}")})
	return call{"Plugin.Run", argoNames.Interface(wrong), func(client *rpc.Client) (any, error) {
		var measurement v1alpha1.Measurement
		return measurement, client.Call("Plugin.Run", &wrong, &measurement)
	}}
}

func pluginSessions() []session {
	metric, bare := sample.FullMetric(), sample.Metric("canary-logs", "{}")
	running := sample.RunningMeasurement()
	of := func(name, about string, impl answers, calls ...call) session {
		return session{name, about, func(server *rpc.Server) error {
			return server.RegisterName("Plugin", &argorpc.MetricsRPCServer{Impl: impl})
		}, calls, argoNames}
	}
	return []session{
		of("init", "how every session begins", answers{}, initPlugin(), typeOf()),
		of("init-failed", "a plugin that could not start", full, initPlugin()),
		of("run-zero", "everything zero", answers{}, runOnce(sample.ZeroRun(), v1alpha1.Metric{})),
		of("run-small", "a name and a namespace", answers{measurement: running}, runOnce(sample.SmallRun(), bare)),
		of("run-typical", "a step's run as a controller sends it", answers{measurement: running}, runOnce(sample.TypicalRun(), metric)),
		of("run-large", "many of everything, other providers' metrics too", full, runOnce(sample.LargeRun(), metric)),
		of("resume", "the same measurement back", full, resume(sample.TypicalRun(), metric, running)),
		of("terminate", "of a measurement that has all fields", full, terminate(sample.SmallRun(), bare, sample.FullMeasurement())),
		of("garbage-collect", "limits, and an error in the reply", full,
			garbageCollect(sample.SmallRun(), bare, 10), garbageCollect(sample.SmallRun(), bare, 0)),
		of("metadata", "a map with an empty value", full, getMetadata(metric)),
		of("metadata-empty", "no map at all", answers{}, getMetadata(bare)),
		of("whole", "all methods on one stream: types are defined once", full,
			initPlugin(), typeOf(), runOnce(sample.SmallRun(), bare), resume(sample.SmallRun(), bare, running),
			runOnce(sample.TypicalRun(), metric), terminate(sample.TypicalRun(), metric, running), getMetadata(bare),
			garbageCollect(sample.TypicalRun(), metric, 3), mistaken(), typeOf()),
	}
}
