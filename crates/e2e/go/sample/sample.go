// Package sample holds the AnalysisRuns, metrics and measurements that the
// recorder puts on the wire and the checker sends to a plugin: the same from
// run to run, and one of each size that a controller sends.
package sample

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/argoproj/argo-rollouts/pkg/apis/rollouts/v1alpha1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// PluginName is the name that templates give our plugin.
const PluginName = "argoproj-labs/metric-ai"

// Berlin is two hours east, as a time that a person wrote might be.
var Berlin = time.FixedZone("CEST", 2*60*60)

// Amsterdam1930 is off by seconds, for which Go has a second form of time.
var Amsterdam1930 = time.FixedZone("AMT", 19*60+32)

func at(second int, zone *time.Location) *metav1.Time {
	t := metav1.NewTime(time.Date(2026, 1, 2, 3, 4, second, 123456789, time.UTC).In(zone))
	return &t
}

func pointer[T any](v T) *T { return &v }

// Metric is a plugin's metric with the given configuration block.
func Metric(name string, configuration string) v1alpha1.Metric {
	return v1alpha1.Metric{
		Name: name,
		Provider: v1alpha1.MetricProvider{
			Plugin: map[string]json.RawMessage{PluginName: json.RawMessage(configuration)},
		},
	}
}

// FullMetric sets every field of a metric that is not another provider's.
func FullMetric() v1alpha1.Metric {
	metric := Metric("canary-logs", `{"stableLabel":"role=stable","canaryLabel":"role=canary","extraPrompt":"ümläut, 日本語\nsecond line"}`)
	metric.Interval = "10s"
	metric.InitialDelay = "1m30s"
	metric.Count = pointer(intstr.FromInt32(3))
	metric.SuccessCondition = "result > 0.50"
	metric.FailureCondition = "result <= 0.50"
	metric.FailureLimit = pointer(intstr.FromInt32(0))
	metric.InconclusiveLimit = pointer(intstr.FromString("2"))
	metric.ConsecutiveErrorLimit = pointer(intstr.FromInt32(-1))
	metric.ConsecutiveSuccessLimit = &intstr.IntOrString{}
	return metric
}

// ZeroRun is an AnalysisRun of which everything is zero.
func ZeroRun() *v1alpha1.AnalysisRun { return &v1alpha1.AnalysisRun{} }

// SmallRun is the least that a controller could send.
func SmallRun() *v1alpha1.AnalysisRun {
	return &v1alpha1.AnalysisRun{
		ObjectMeta: metav1.ObjectMeta{Name: "rollouts-demo-1", Namespace: "canary"},
	}
}

// TypicalRun is a step's run on its second measurement, the first having
// succeeded, as a controller sends it to Resume.
func TypicalRun() *v1alpha1.AnalysisRun {
	return &v1alpha1.AnalysisRun{
		TypeMeta: metav1.TypeMeta{Kind: "AnalysisRun", APIVersion: "argoproj.io/v1alpha1"},
		ObjectMeta: metav1.ObjectMeta{
			Name:              "rollouts-demo-6dc8cc656d-2-1",
			Namespace:         "canary",
			UID:               types.UID("1b4e28ba-2fa1-11d2-883f-0016d3cca427"),
			ResourceVersion:   "10241",
			Generation:        7,
			CreationTimestamp: *at(0, time.UTC),
			Labels: map[string]string{
				"rollout-type":               "Step",
				"step-index":                 "1",
				"rollouts-pod-template-hash": "6dc8cc656d",
			},
			Annotations: map[string]string{"rollout.argoproj.io/revision": "2"},
			OwnerReferences: []metav1.OwnerReference{{
				APIVersion:         "argoproj.io/v1alpha1",
				Kind:               "Rollout",
				Name:               "rollouts-demo",
				UID:                types.UID("6fa459ea-ee8a-3ca4-894e-db77e160355e"),
				Controller:         pointer(true),
				BlockOwnerDeletion: pointer(true),
			}},
		},
		Spec: v1alpha1.AnalysisRunSpec{
			Metrics: []v1alpha1.Metric{FullMetric()},
			Args: []v1alpha1.Argument{
				{Name: "service-name", Value: pointer("rollouts-demo-canary")},
				{Name: "empty", Value: pointer("")},
				{Name: "token", ValueFrom: &v1alpha1.ValueFrom{
					SecretKeyRef: &v1alpha1.SecretKeyRef{Name: "tokens", Key: "prometheus"},
				}},
				{Name: "from-field", ValueFrom: &v1alpha1.ValueFrom{
					FieldRef: &v1alpha1.FieldRef{FieldPath: "metadata.labels['env']"},
				}},
			},
			DryRun:               []v1alpha1.DryRun{{MetricName: "latency-*"}},
			MeasurementRetention: []v1alpha1.MeasurementRetention{{MetricName: "*", Limit: 5}},
			TTLStrategy:          &v1alpha1.TTLStrategy{SecondsAfterCompletion: pointer(int32(3600))},
		},
		Status: v1alpha1.AnalysisRunStatus{
			Phase:     v1alpha1.AnalysisPhaseRunning,
			StartedAt: at(1, time.UTC),
			MetricResults: []v1alpha1.MetricResult{{
				Name:         "canary-logs",
				Phase:        v1alpha1.AnalysisPhaseRunning,
				Count:        1,
				Successful:   1,
				Measurements: []v1alpha1.Measurement{FullMeasurement(), RunningMeasurement()},
				Metadata:     map[string]string{"provider": "MetricAI"},
			}},
			RunSummary: v1alpha1.RunSummary{Count: 1, Successful: 1},
		},
	}
}

// LargeRun has many of everything, and values at the ends of their ranges.
func LargeRun() *v1alpha1.AnalysisRun {
	run := TypicalRun()
	run.GenerateName = "rollouts-demo-"
	run.SelfLink = "/apis/argoproj.io/v1alpha1/namespaces/canary/analysisruns/x"
	run.DeletionTimestamp = at(30, Berlin)
	run.DeletionGracePeriodSeconds = pointer(int64(1<<62 + 1))
	run.Finalizers = []string{"foregroundDeletion", ""}
	run.ManagedFields = []metav1.ManagedFieldsEntry{{
		Manager:    "rollouts-controller",
		Operation:  metav1.ManagedFieldsOperationUpdate,
		APIVersion: "argoproj.io/v1alpha1",
		Time:       at(2, Amsterdam1930),
		FieldsType: "FieldsV1",
		FieldsV1:   &metav1.FieldsV1{Raw: []byte(`{"f:status":{"f:phase":{}}}`)},
	}}
	for i := range 60 {
		run.Labels[fmt.Sprintf("example.com/label-%02d", i)] = fmt.Sprintf("value-%d", i)
	}
	run.Annotations["kubectl.kubernetes.io/last-applied-configuration"] = strings.Repeat(`{"k":"v"},`, 600)
	for i := range 3 {
		run.OwnerReferences = append(run.OwnerReferences, metav1.OwnerReference{
			Kind: "Other", Name: fmt.Sprintf("owner-%d", i), Controller: pointer(false),
		})
	}
	run.Spec.Terminate = true
	run.Spec.Metrics = append(run.Spec.Metrics, foreignMetrics()...)
	run.Status.Message = strings.Repeat("a long message; ", 40)
	run.Status.CompletedAt = at(59, Berlin)
	run.Status.DryRunSummary = &v1alpha1.RunSummary{Error: 1<<31 - 1, Failed: -1 << 31}
	run.Status.RunSummary = v1alpha1.RunSummary{Count: 5, Successful: 1, Failed: 2, Inconclusive: 2, Error: 4}
	for i := range 5 {
		run.Status.MetricResults = append(run.Status.MetricResults, largeResult(i))
	}
	return run
}

func largeResult(number int) v1alpha1.MetricResult {
	result := v1alpha1.MetricResult{
		Name:               fmt.Sprintf("metric-%d", number),
		Phase:              v1alpha1.AnalysisPhaseInconclusive,
		Message:            "too little traffic",
		Count:              int32(number),
		Failed:             1,
		Inconclusive:       2,
		Error:              3,
		ConsecutiveError:   3,
		ConsecutiveSuccess: 9,
		DryRun:             true,
	}
	for range 10 {
		result.Measurements = append(result.Measurements, FullMeasurement())
	}
	return result
}

// foreignMetrics are other providers' metrics beside ours in one run: a
// plugin is sent them all, the job's pod with everything that a pod can say.
func foreignMetrics() []v1alpha1.Metric {
	return []v1alpha1.Metric{
		{
			Name: "success-rate",
			Provider: v1alpha1.MetricProvider{Prometheus: &v1alpha1.PrometheusMetric{
				Address: "http://prometheus.example:9090",
				Query:   `sum(irate(istio_requests_total{response_code!~"5.*"}[5m]))`,
				Timeout: pointer(int64(40)),
				Headers: []v1alpha1.WebMetricHeader{{Key: "X-Scope-OrgID", Value: "tenant"}},
			}},
		},
		{
			Name: "web",
			Provider: v1alpha1.MetricProvider{Web: &v1alpha1.WebMetric{
				Method:   v1alpha1.WebMetricMethodPost,
				URL:      "https://web.example/measure",
				JSONBody: json.RawMessage(`{"a":[1,2,3]}`),
				Insecure: true,
			}},
		},
		{
			Name:     "job",
			Provider: v1alpha1.MetricProvider{Job: job()},
		},
	}
}

func job() *v1alpha1.JobMetric {
	return &v1alpha1.JobMetric{Spec: batchv1.JobSpec{
		BackoffLimit: pointer(int32(1)),
		Template: corev1.PodTemplateSpec{Spec: corev1.PodSpec{
			RestartPolicy: corev1.RestartPolicyNever,
			Containers: []corev1.Container{{
				Name:    "check",
				Command: []string{"sh", "-c"},
				Args:    []string{"exit 0"},
				Resources: corev1.ResourceRequirements{Limits: corev1.ResourceList{
					corev1.ResourceMemory: resource.MustParse("128Mi"),
				}},
				LivenessProbe: &corev1.Probe{ProbeHandler: corev1.ProbeHandler{
					HTTPGet: &corev1.HTTPGetAction{Port: intstr.FromString("http")},
				}},
			}},
			Volumes: []corev1.Volume{{
				Name: "tmp",
				VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{
					SizeLimit: pointer(resource.MustParse("1Gi")),
				}},
			}},
		}},
	}}
}

// RunningMeasurement is one that asks to be resumed.
func RunningMeasurement() v1alpha1.Measurement {
	return v1alpha1.Measurement{
		Phase:     v1alpha1.AnalysisPhaseRunning,
		Message:   "about 340 more requests, 2 min at 3/s",
		StartedAt: at(10, time.UTC),
		ResumeAt:  at(20, time.UTC),
		Metadata:  map[string]string{"state": "v1:0123456789abcdef"},
	}
}

// FullMeasurement sets every field, and times in three zones.
func FullMeasurement() v1alpha1.Measurement {
	return v1alpha1.Measurement{
		Phase:      v1alpha1.AnalysisPhaseSuccessful,
		Message:    "canary promoted: 0/412 errors (stable 2/1,630)",
		StartedAt:  at(10, time.UTC),
		FinishedAt: at(15, Berlin),
		ResumeAt:   at(12, Amsterdam1930),
		Value:      "0.85",
		Metadata: map[string]string{
			"analysis":     "two lines\nof “text”",
			"analysisJSON": `{"promote":true,"confidence":85}`,
			"confidence":   "85",
		},
	}
}
