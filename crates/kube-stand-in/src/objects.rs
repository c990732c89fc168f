//! The usual objects of a rollout, as the API server would answer with them.

use serde_json::{Value, json};

/// The name of the one container of these pods.
pub const CONTAINER: &str = "web";

/// A pod of a rollout's ReplicaSet, with one container called `web`, running
/// and ready.
#[derive(Clone, Debug)]
pub struct RolloutPod<'a> {
    /// Its namespace.
    pub namespace: &'a str,
    /// The rollout, which is also its label `app`.
    pub rollout: &'a str,
    /// Its `rollouts-pod-template-hash`.
    pub hash: &'a str,
    /// The end of its name.
    pub suffix: &'a str,
    /// Its label `role`.
    pub role: &'a str,
    /// When it was started, milliseconds since the Unix epoch.
    pub start_ms: i64,
}

impl RolloutPod<'_> {
    /// Its name: `<rollout>-<hash>-<suffix>`.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{}-{}-{}", self.rollout, self.hash, self.suffix)
    }

    /// The pod.
    #[must_use]
    pub fn json(&self) -> Value {
        let start = time(self.start_ms);
        json!({
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {
                "name": self.name(),
                "namespace": self.namespace,
                "uid": format!("uid-{}", self.name()),
                "resourceVersion": "1",
                "creationTimestamp": start,
                "labels": {
                    "app": self.rollout,
                    "role": self.role,
                    "rollouts-pod-template-hash": self.hash,
                },
                "ownerReferences": [{
                    "apiVersion": "apps/v1", "kind": "ReplicaSet", "controller": true,
                    "name": format!("{}-{}", self.rollout, self.hash),
                    "uid": format!("uid-{}", self.hash),
                }],
            },
            "spec": {
                "nodeName": "node-1",
                "restartPolicy": "Always",
                "containers": [{"name": CONTAINER, "image": "web:1", "resources": {}}],
            },
            "status": {
                "phase": "Running",
                "startTime": start,
                "podIP": "10.0.0.1",
                "conditions": [
                    {"type": "Ready", "status": "True", "lastTransitionTime": start},
                ],
                "containerStatuses": [container(true, 0, json!({"running": {"startedAt": start}}),
                    json!({}))],
            },
        })
    }
}

/// The status of the container `web`.
#[must_use]
pub fn container(ready: bool, restarts: u32, state: Value, last_state: Value) -> Value {
    json!({
        "name": CONTAINER,
        "image": "web:1",
        "imageID": "",
        "containerID": "containerd://1",
        "ready": ready,
        "started": ready,
        "restartCount": restarts,
        "state": state,
        "lastState": last_state,
    })
}

/// A container that waits in a crash loop after it ended with this exit code.
#[must_use]
pub fn crash_loop(restarts: u32, exit_code: i32, finished_ms: i64) -> Value {
    container(
        false,
        restarts,
        json!({"waiting": {"reason": "CrashLoopBackOff",
            "message": "back-off 10s restarting failed container=web"}}),
        terminated(exit_code, finished_ms),
    )
}

/// A container that ended with this exit code.
#[must_use]
pub fn terminated(exit_code: i32, finished_ms: i64) -> Value {
    let reason = match exit_code {
        0 => "Completed",
        137 => "OOMKilled",
        _ => "Error",
    };
    json!({"terminated": {"exitCode": exit_code, "reason": reason,
        "startedAt": time(finished_ms - 1_000), "finishedAt": time(finished_ms),
        "containerID": "containerd://0"}})
}

/// A rollout at its first step, whose stable and current hashes are these.
#[must_use]
pub fn rollout(namespace: &str, name: &str, stable_hash: &str, current_hash: &str) -> Value {
    json!({
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Rollout",
        "metadata": {"name": name, "namespace": namespace, "generation": 2},
        "spec": {
            "replicas": 3,
            "selector": {"matchLabels": {"app": name}},
            "strategy": {"canary": {"steps": [
                {"setWeight": 30}, {"pause": {"duration": "60s"}}, {"setWeight": 60},
                {"pause": {"duration": "60s"}}]}},
        },
        "status": {
            "stableRS": stable_hash,
            "currentPodHash": current_hash,
            "currentStepIndex": 0,
            "selector": format!("app={name}"),
        },
    })
}

/// A warning about a pod.
#[must_use]
pub fn warning(namespace: &str, pod: &str, reason: &str, last_ms: i64) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": format!("{pod}.{reason}"), "namespace": namespace,
            "creationTimestamp": time(last_ms)},
        "involvedObject": {"kind": "Pod", "namespace": namespace, "name": pod},
        "type": "Warning",
        "reason": reason,
        "message": format!("{reason} of {pod}"),
        "count": 1,
        "firstTimestamp": time(last_ms),
        "lastTimestamp": time(last_ms),
        "eventTime": null,
        "source": {"component": "kubelet"},
    })
}

/// A time as Kubernetes writes it: whole seconds.
#[must_use]
pub fn time(ms: i64) -> String {
    jiff::Timestamp::from_second(ms.div_euclid(1_000))
        .map(|time| time.to_string())
        .unwrap_or_default()
}
