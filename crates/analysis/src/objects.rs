//! The parts of Kubernetes objects that we read, and what the judge makes of
//! them. Both sources use it: the cluster's answers and `kubectl get -o json`
//! have the same form.
//!
//! These are views, not the full types: unknown fields are skipped, absent and
//! null ones are empty, so that no version of Kubernetes is too old or too new.

use judge::evidence::{ClusterEvent, ContainerState, PodState, Termination};
use serde::{Deserialize, Deserializer};

use crate::message::one_line;
use crate::selector::{LabelSelector, Labels};

/// The label by which Argo Rollouts marks the pods of one version.
pub const HASH_LABEL: &str = "rollouts-pod-template-hash";

/// The longest text of an event that is kept, in bytes.
const MAX_EVENT_BYTES: usize = 512;

/// A list of objects, one page of it.
#[derive(Clone, Debug, Deserialize)]
#[serde(bound = "T: Deserialize<'de>")]
pub struct List<T> {
    /// About the list.
    #[serde(default, deserialize_with = "null_is_empty")]
    pub metadata: ListMeta,
    /// The objects.
    #[serde(default = "Vec::new", deserialize_with = "null_is_no_items")]
    pub items: Vec<T>,
}

/// About a list.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ListMeta {
    /// Where the next page starts; empty at the end.
    #[serde(rename = "continue", deserialize_with = "null_is_empty")]
    pub next: String,
}

/// About an object.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Meta {
    /// Its name.
    #[serde(deserialize_with = "null_is_empty")]
    pub name: String,
    /// Its labels.
    #[serde(deserialize_with = "null_is_empty")]
    pub labels: Labels,
    /// When it was created.
    pub creation_timestamp: Time,
    /// When it is to be gone, if it is being deleted.
    pub deletion_timestamp: Time,
    /// What owns it.
    #[serde(deserialize_with = "null_is_empty")]
    pub owner_references: Vec<Owner>,
}

/// What owns an object.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Owner {
    /// `ReplicaSet`, …
    pub kind: String,
    /// Its name.
    pub name: String,
}

/// A pod.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Pod {
    /// About the object.
    #[serde(deserialize_with = "null_is_empty")]
    pub metadata: Meta,
    /// What was asked for.
    #[serde(deserialize_with = "null_is_empty")]
    pub spec: PodSpec,
    /// What is.
    #[serde(deserialize_with = "null_is_empty")]
    pub status: PodStatus,
}

/// The containers that were asked for.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PodSpec {
    /// The containers.
    #[serde(deserialize_with = "null_is_empty")]
    pub containers: Vec<Container>,
    /// The init containers, native sidecars included.
    #[serde(deserialize_with = "null_is_empty")]
    pub init_containers: Vec<Container>,
}

/// A container that was asked for.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Container {
    /// Its name.
    pub name: String,
    /// `Always` makes an init container a native sidecar.
    #[serde(deserialize_with = "null_is_empty")]
    pub restart_policy: String,
}

/// What a pod is.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PodStatus {
    #[serde(deserialize_with = "null_is_empty")]
    phase: String,
    #[serde(deserialize_with = "null_is_empty")]
    reason: String,
    /// When the kubelet took the pod on.
    pub start_time: Time,
    #[serde(deserialize_with = "null_is_empty")]
    conditions: Vec<Condition>,
    /// The states of its containers.
    #[serde(deserialize_with = "null_is_empty")]
    pub container_statuses: Vec<ContainerStatus>,
    /// The states of its init containers.
    #[serde(deserialize_with = "null_is_empty")]
    pub init_container_statuses: Vec<ContainerStatus>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Condition {
    r#type: String,
    status: String,
    last_transition_time: Time,
}

/// The state of a container.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ContainerStatus {
    /// Its name.
    pub name: String,
    ready: bool,
    /// How often it was restarted.
    pub restart_count: u32,
    /// What it is now.
    #[serde(deserialize_with = "null_is_empty")]
    pub state: State,
    /// What it was before its last restart.
    #[serde(deserialize_with = "null_is_empty")]
    pub last_state: State,
}

/// One of three states; none of them means waiting.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct State {
    /// It waits, and why.
    pub waiting: Option<Waiting>,
    /// It runs.
    pub running: Option<Running>,
    /// It has ended.
    pub terminated: Option<Terminated>,
}

/// Why a container waits.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Waiting {
    #[serde(deserialize_with = "null_is_empty")]
    reason: String,
}

/// A container runs.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Running {}

/// How a container ended.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Terminated {
    #[serde(deserialize_with = "null_is_empty")]
    reason: String,
    exit_code: i32,
    signal: i32,
    /// When it ended.
    pub finished_at: Time,
}

/// A Kubernetes event (`v1`).
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Event {
    #[serde(deserialize_with = "null_is_empty")]
    metadata: Meta,
    #[serde(deserialize_with = "null_is_empty")]
    involved_object: Owner,
    #[serde(deserialize_with = "null_is_empty")]
    r#type: String,
    #[serde(deserialize_with = "null_is_empty")]
    reason: String,
    #[serde(deserialize_with = "null_is_empty")]
    message: String,
    #[serde(deserialize_with = "null_is_empty")]
    count: u32,
    last_timestamp: Time,
    event_time: Time,
    #[serde(deserialize_with = "null_is_empty")]
    series: Series,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Series {
    count: u32,
    last_observed_time: Time,
}

/// A Rollout, as far as a look needs it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Rollout {
    /// What was asked for.
    #[serde(deserialize_with = "null_is_empty")]
    pub spec: RolloutSpec,
    /// What is.
    #[serde(deserialize_with = "null_is_empty")]
    pub status: RolloutStatus,
}

/// What a Rollout asks for.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct RolloutSpec {
    /// Which pods are its own; empty with `workloadRef`.
    #[serde(deserialize_with = "null_is_empty")]
    pub selector: LabelSelector,
    /// Whether a person has paused it.
    #[serde(deserialize_with = "null_is_empty")]
    pub paused: bool,
    /// How it proceeds.
    #[serde(deserialize_with = "null_is_empty")]
    pub strategy: Strategy,
}

/// How a Rollout proceeds.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Strategy {
    /// In steps; `None` for blue-green.
    pub canary: Option<CanaryStrategy>,
}

/// The steps of a canary.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct CanaryStrategy {
    /// The steps.
    #[serde(deserialize_with = "null_is_empty")]
    pub steps: Vec<serde_json::Value>,
}

/// What a Rollout is.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RolloutStatus {
    /// The hash of stable's pods.
    #[serde(rename = "stableRS", deserialize_with = "null_is_empty")]
    pub stable_hash: String,
    /// The hash of the pods of the version asked for.
    #[serde(deserialize_with = "null_is_empty")]
    pub current_pod_hash: String,
    /// Its selector as text, also with `workloadRef`.
    #[serde(deserialize_with = "null_is_empty")]
    pub selector: String,
    /// The step it is at, from 0; the number of steps when all are done.
    pub current_step_index: Option<u32>,
    /// Why it is paused.
    #[serde(deserialize_with = "null_is_empty")]
    pub pause_conditions: Vec<PauseCondition>,
    /// Whether it was aborted.
    #[serde(deserialize_with = "null_is_empty")]
    pub abort: bool,
}

/// Why a Rollout is paused.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PauseCondition {
    /// `CanaryPauseStep`, `InconclusiveAnalysisRun`, …
    pub reason: String,
    /// Since when.
    pub start_time: Time,
}

/// A time of an object, milliseconds since the Unix epoch; `None` when it is
/// absent, null or no time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Time(pub Option<i64>);

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Option::<String>::deserialize(deserializer)?;
        Ok(Self(text.and_then(|text| {
            text.parse::<jiff::Timestamp>()
                .ok()
                .map(jiff::Timestamp::as_millisecond)
        })))
    }
}

impl Pod {
    /// The version that the pod belongs to.
    #[must_use]
    pub fn hash(&self) -> Option<&str> {
        self.metadata
            .labels
            .get(HASH_LABEL)
            .map(String::as_str)
            .filter(|hash| !hash.is_empty())
    }

    /// When it began: taken on by a kubelet, else created.
    #[must_use]
    pub fn start_ms(&self) -> Option<i64> {
        self.status
            .start_time
            .0
            .or(self.metadata.creation_timestamp.0)
    }

    /// What the judge needs to know about it.
    #[must_use]
    pub fn state(&self) -> PodState {
        let ready = self
            .status
            .conditions
            .iter()
            .find(|condition| condition.r#type == "Ready");
        let is_ready = ready.is_some_and(|condition| condition.status == "True");
        let containers = self.status.container_statuses.iter().map(|c| (c, false));
        let inits = self
            .status
            .init_container_statuses
            .iter()
            .map(|c| (c, true));
        PodState {
            name: self.metadata.name.clone(),
            phase: self.status.phase.clone(),
            reason: self.status.reason.clone(),
            ready: is_ready,
            ready_since_ms: ready
                .filter(|_| is_ready)
                .and_then(|condition| condition.last_transition_time.0),
            terminating: self.metadata.deletion_timestamp.0.is_some(),
            created_ms: self.metadata.creation_timestamp.0,
            containers: containers
                .chain(inits)
                .map(|(status, init)| status.state(init))
                .collect(),
        }
    }
}

impl ContainerStatus {
    fn state(&self, init: bool) -> ContainerState {
        let ended = self
            .state
            .terminated
            .as_ref()
            .or(self.last_state.terminated.as_ref());
        ContainerState {
            name: self.name.clone(),
            init,
            restarts: self.restart_count,
            ready: self.ready,
            waiting_reason: self
                .state
                .waiting
                .as_ref()
                .map(|waiting| waiting.reason.clone())
                .unwrap_or_default(),
            terminated: ended.map(|ended| Termination {
                reason: ended.reason.clone(),
                exit_code: ended.exit_code,
                signal: ended.signal,
                finished_ms: ended.finished_at.0,
            }),
        }
    }
}

impl Event {
    /// The pod it is about, if it is about one.
    #[must_use]
    pub fn pod(&self) -> Option<&str> {
        (self.involved_object.kind == "Pod").then_some(self.involved_object.name.as_str())
    }

    /// When it was last seen, milliseconds since the Unix epoch.
    #[must_use]
    pub fn last_ms(&self) -> Option<i64> {
        [
            self.series.last_observed_time,
            self.last_timestamp,
            self.event_time,
            self.metadata.creation_timestamp,
        ]
        .into_iter()
        .find_map(|time| time.0)
    }

    /// What the judge needs to know about it.
    #[must_use]
    pub fn evidence(&self) -> ClusterEvent {
        ClusterEvent {
            pod: self.involved_object.name.clone(),
            kind: self.r#type.clone(),
            reason: self.reason.clone(),
            // Probes' answers and commands stand in events: redacted before
            // they are cut, since a secret's half is not known for one.
            message: one_line(&judge::redact::redact(&self.message), MAX_EVENT_BYTES),
            count: self.count.max(self.series.count).max(1),
            last_ms: self.last_ms(),
        }
    }
}

fn null_is_empty<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::<T>::deserialize(deserializer)?.unwrap_or_default())
}

fn null_is_no_items<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    Ok(Option::<Vec<T>>::deserialize(deserializer)?.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod(json: serde_json::Value) -> PodState {
        serde_json::from_value::<Pod>(json).expect("a pod").state()
    }

    #[test]
    fn a_running_pod() {
        let state = pod(serde_json::json!({
            "metadata": {"name": "web-1", "creationTimestamp": "2026-01-02T03:04:05Z",
                "labels": null, "managedFields": [{"x": 1}]},
            "spec": {"containers": [{"name": "web"}], "initContainers": null},
            "status": {"phase": "Running", "startTime": "2026-01-02T03:04:06Z",
                "conditions": [{"type": "Ready", "status": "True",
                    "lastTransitionTime": "2026-01-02T03:04:10Z"}],
                "containerStatuses": [{"name": "web", "ready": true, "restartCount": 0,
                    "state": {"running": {"startedAt": "2026-01-02T03:04:07Z"}}, "lastState": {}}]}
        }));
        assert_eq!(state.phase, "Running");
        assert!(state.ready && !state.terminating);
        assert_eq!(state.created_ms, Some(1_767_323_045_000));
        assert_eq!(state.ready_since_ms, Some(1_767_323_050_000));
        assert_eq!(state.containers.len(), 1);
        assert_eq!(state.containers[0].terminated, None);
    }

    #[test]
    fn a_crash_loop_keeps_how_it_ended() {
        let state = pod(serde_json::json!({
            "metadata": {"name": "web-1", "creationTimestamp": null, "deletionTimestamp": null},
            "status": {"phase": "Running",
                "conditions": [{"type": "Ready", "status": "False",
                    "lastTransitionTime": "2026-01-02T03:04:10Z"}],
                "containerStatuses": [{"name": "web", "ready": false, "restartCount": 4,
                    "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off"}},
                    "lastState": {"terminated": {"exitCode": 137, "reason": "OOMKilled",
                        "finishedAt": "2026-01-02T03:04:05Z"}}}]}
        }));
        assert!(!state.ready);
        assert_eq!(state.ready_since_ms, None);
        let container = &state.containers[0];
        assert_eq!(container.waiting_reason, "CrashLoopBackOff");
        assert_eq!(container.restarts, 4);
        let ended = container.terminated.as_ref().expect("it ended");
        assert_eq!((ended.reason.as_str(), ended.exit_code), ("OOMKilled", 137));
        assert_eq!(ended.finished_ms, Some(1_767_323_045_000));
    }

    #[test]
    fn a_deleted_pod_is_terminating() {
        let state = pod(serde_json::json!({
            "metadata": {"name": "web-1", "deletionTimestamp": "2026-01-02T03:04:05Z"}
        }));
        assert!(state.terminating);
    }

    #[test]
    fn an_event_is_one_line_and_has_the_newest_time() {
        let event: Event = serde_json::from_value(serde_json::json!({
            "metadata": {"creationTimestamp": "2026-01-02T03:04:05Z"},
            "involvedObject": {"kind": "Pod", "name": "web-1"},
            "type": "Warning", "reason": "BackOff", "count": 7,
            "message": "Back-off\nrestarting\u{1b}[31m failed container",
            "lastTimestamp": "2026-01-02T03:04:09Z", "eventTime": null, "series": null
        }))
        .expect("an event");
        let evidence = event.evidence();
        assert_eq!(event.pod(), Some("web-1"));
        assert_eq!(evidence.count, 7);
        assert_eq!(evidence.last_ms, Some(1_767_323_049_000));
        assert!(
            !evidence.message.contains(['\n', '\u{1b}']),
            "{}",
            evidence.message
        );
    }

    #[test]
    fn an_event_is_not_longer_than_it_may_be() {
        let event: Event =
            serde_json::from_value(serde_json::json!({"message": "word ".repeat(10_000)}))
                .expect("an event");
        assert!(event.evidence().message.len() <= MAX_EVENT_BYTES);
    }

    #[test]
    fn an_event_is_redacted() {
        let event: Event = serde_json::from_value(serde_json::json!({
            "involvedObject": {"kind": "Pod", "name": "web-1"},
            "message": "Readiness probe failed: GET http://admin:hunter2@10.0.0.1/ password=hunter2",
        }))
        .expect("an event");
        assert!(!event.evidence().message.contains("hunter2"));
    }

    #[test]
    fn a_list_of_null_is_empty() {
        let list: List<Pod> =
            serde_json::from_str(r#"{"kind":"PodList","metadata":{},"items":null}"#)
                .expect("a list");
        assert!(list.items.is_empty() && list.metadata.next.is_empty());
    }
}
