//! What is known of a pod, and how the API shows it. Pure.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use kube_stand_in::objects::{self, RolloutPod};
use serde_json::{Value, json};

use super::{NAMESPACE, ROLLOUT};
use crate::arm::Arm;

/// A version of the application: what its pods are started with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Version {
    /// Its name, which `/color` answers.
    pub(crate) name: String,
    /// Its `rollouts-pod-template-hash`.
    pub(crate) hash: String,
    /// What else it is started with.
    pub(crate) environment: BTreeMap<String, String>,
}

impl Version {
    /// The environment of its processes.
    pub(super) fn environment(&self) -> BTreeMap<String, String> {
        let mut all = self.environment.clone();
        let own = [
            ("COLOR", self.name.as_str()),
            ("LISTEN_ADDR", "127.0.0.1:0"),
            // No service has to learn that a pod goes: the proxy knows first.
            ("TERMINATION_DELAY", "0"),
        ];
        all.extend(own.map(|(name, value)| (name.to_owned(), value.to_owned())));
        all
    }

    /// Its colour: what follows the last `-` of its name.
    pub(crate) fn color(&self) -> &str {
        self.name.rsplit('-').next().unwrap_or(&self.name)
    }
}

/// What never changes of a pod.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    pub(crate) namespace: &'static str,
    pub(crate) rollout: &'static str,
    pub(crate) hash: String,
    pub(crate) suffix: String,
    pub(crate) start_ms: i64,
}

impl Identity {
    /// A pod of the demo's own rollout.
    pub(crate) fn new(hash: &str, suffix: String, start_ms: i64) -> Self {
        Self {
            namespace: NAMESPACE,
            rollout: ROLLOUT,
            hash: hash.to_owned(),
            suffix,
            start_ms,
        }
    }

    fn object(&self, arm: Arm) -> RolloutPod<'_> {
        RolloutPod {
            namespace: self.namespace,
            rollout: self.rollout,
            hash: &self.hash,
            suffix: &self.suffix,
            role: arm.as_str(),
            start_ms: self.start_ms,
        }
    }

    pub(crate) fn name(&self) -> String {
        self.object(Arm::Stable).name()
    }

    /// The pod as the API shows it.
    pub(super) fn json(&self, status: &Status) -> Value {
        let mut pod = self.object(status.arm).json();
        let ready = if status.ready { "True" } else { "False" };
        pod["status"]["conditions"][0]["status"] = json!(ready);
        let state = match &status.state {
            State::Waiting(reason) => json!({"waiting": {"reason": reason}}),
            State::Running { started_ms } => {
                json!({"running": {"startedAt": objects::time(*started_ms)}})
            }
            State::Ended => terminated(status.last.as_ref()),
        };
        let last = match status.state {
            State::Ended => json!({}),
            _ => terminated(status.last.as_ref()),
        };
        pod["status"]["containerStatuses"][0] =
            objects::container(status.ready, status.restarts, state, last);
        pod
    }
}

fn terminated(ended: Option<&Ended>) -> Value {
    let Some(ended) = ended else {
        return json!({});
    };
    let mut state = objects::terminated(ended.code, ended.finished_ms);
    state["terminated"]["reason"] = json!(ended.reason);
    state["terminated"]["startedAt"] = json!(objects::time(ended.started_ms));
    state
}

/// How a container ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ended {
    pub(crate) code: i32,
    pub(crate) reason: &'static str,
    started_ms: i64,
    finished_ms: i64,
}

impl Ended {
    pub(super) fn new(code: i32, reason: &'static str, started_ms: i64, finished_ms: i64) -> Self {
        Self {
            code,
            reason,
            started_ms,
            finished_ms,
        }
    }
}

/// What the container does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// It does not run yet, or not again yet.
    Waiting(&'static str),
    /// It runs.
    Running { started_ms: i64 },
    /// It has ended, and nothing has followed yet.
    Ended,
}

/// What changes of a pod.
#[derive(Clone, Debug)]
pub(crate) struct Status {
    pub(crate) arm: Arm,
    /// Whether the proxy sends it requests once it is ready.
    pub(crate) takes_requests: bool,
    pub(crate) ready: bool,
    /// Where it listens, once it has said so.
    pub(crate) address: Option<SocketAddr>,
    pub(crate) pid: Option<u32>,
    pub(crate) restarts: u32,
    pub(crate) state: State,
    pub(crate) last: Option<Ended>,
    /// What it wrote last.
    pub(crate) last_line: Option<String>,
}

impl Status {
    pub(super) fn new(arm: Arm) -> Self {
        Self {
            arm,
            takes_requests: true,
            ready: false,
            address: None,
            pid: None,
            restarts: 0,
            state: State::Waiting("ContainerCreating"),
            last: None,
            last_line: None,
        }
    }

    /// The container runs, perhaps not for the first time.
    pub(super) fn run(&mut self, pid: Option<u32>, started_ms: i64) {
        self.pid = pid;
        self.restarts += u32::from(self.last.is_some());
        self.state = State::Running { started_ms };
    }

    /// The container has ended, and will be started again.
    pub(super) fn end(&mut self, ended: Ended) {
        self.address = None;
        self.pid = None;
        self.state = State::Ended;
        self.last = Some(ended);
    }

    /// What is wrong with it, in one word; none while it runs as it should.
    pub(crate) fn reason(&self) -> Option<&'static str> {
        match (&self.state, &self.last) {
            (State::Waiting("ContainerCreating"), _) => None,
            (State::Waiting(reason), _) => Some(reason),
            (State::Ended, Some(ended)) => Some(ended.reason),
            // It runs again: why it had to be started again stays of interest.
            (State::Running { .. }, Some(ended)) => Some(ended.reason),
            (State::Running { .. } | State::Ended, None) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(status: &Status) -> Value {
        Identity::new("5f6d", "a".to_owned(), 1_700_000_000_000).json(status)
    }

    #[test]
    fn a_pod_in_a_crash_loop_is_shown_as_one() {
        let mut status = Status::new(Arm::Canary);
        status.end(Ended::new(1, "Error", 1_700_000_000_000, 1_700_000_002_000));
        status.run(Some(1), 1_700_000_002_000);
        status.end(Ended::new(1, "Error", 1_700_000_002_000, 1_700_000_004_000));
        status.state = State::Waiting("CrashLoopBackOff");
        let pod = shown(&status);
        let container = &pod["status"]["containerStatuses"][0];
        assert_eq!(container["restartCount"], 1);
        assert_eq!(container["state"]["waiting"]["reason"], "CrashLoopBackOff");
        assert_eq!(container["lastState"]["terminated"]["exitCode"], 1);
        assert_eq!(pod["status"]["conditions"][0]["status"], "False");
        assert_eq!(pod["metadata"]["labels"]["role"], "canary");
        assert_eq!(status.reason(), Some("CrashLoopBackOff"));
    }

    #[test]
    fn a_killed_container_says_why_in_its_own_words() {
        let mut status = Status::new(Arm::Canary);
        status.end(Ended::new(137, "OOMKilled", 0, 1_000));
        let ended = &shown(&status)["status"]["containerStatuses"][0]["state"]["terminated"];
        assert_eq!(
            (&ended["exitCode"], &ended["reason"]),
            (&json!(137), &json!("OOMKilled"))
        );
        // A signal from someone else is no want of memory.
        status.end(Ended::new(137, "Error", 0, 1_000));
        let ended = &shown(&status)["status"]["containerStatuses"][0]["state"]["terminated"];
        assert_eq!(ended["reason"], "Error");
    }

    #[test]
    fn a_versions_colour_is_its_last_word() {
        let version = |name: &str| Version {
            name: name.to_owned(),
            hash: String::new(),
            environment: BTreeMap::new(),
        };
        assert_eq!(version("bad-yellow").color(), "yellow");
        assert_eq!(version("blue").color(), "blue");
        assert_eq!(version("blue").environment()["COLOR"], "blue");
    }
}
