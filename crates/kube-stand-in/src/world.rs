//! What there is in the cluster.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::fault::Fault;
use crate::log::Log;

/// Which log: of which container of which pod, before or since its restart.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LogOf {
    /// The pod's namespace.
    pub namespace: String,
    /// The pod.
    pub pod: String,
    /// The container.
    pub container: String,
    /// Whether it is the log before the last restart.
    pub previous: bool,
}

impl LogOf {
    /// The current log of a container.
    #[must_use]
    pub fn current(namespace: &str, pod: &str, container: &str) -> Self {
        Self {
            namespace: namespace.to_owned(),
            pod: pod.to_owned(),
            container: container.to_owned(),
            previous: false,
        }
    }

    /// The same container's log before its last restart.
    #[must_use]
    pub fn before_restart(mut self) -> Self {
        self.previous = true;
        self
    }
}

/// The objects, logs and faults of a cluster. Objects are the JSON that the
/// API server would answer with; [`crate::objects`] makes the usual ones.
#[derive(Debug, Default)]
pub struct World {
    pub(crate) pods: Vec<Value>,
    pub(crate) rollouts: Vec<Value>,
    pub(crate) events: Vec<Value>,
    pub(crate) secrets: Vec<Value>,
    pub(crate) logs: BTreeMap<LogOf, Log>,
    pub(crate) faults: Vec<Fault>,
    pub(crate) token: Option<String>,
}

impl World {
    /// Adds a pod.
    pub fn add_pod(&mut self, pod: Value) -> &mut Self {
        self.pods.push(pod);
        self
    }

    /// Adds a rollout.
    pub fn add_rollout(&mut self, rollout: Value) -> &mut Self {
        self.rollouts.push(rollout);
        self
    }

    /// Adds a rollout, or takes it for the one of its name.
    pub fn set_rollout(&mut self, rollout: Value) -> &mut Self {
        let (name, namespace) = (
            &rollout["metadata"]["name"],
            &rollout["metadata"]["namespace"],
        );
        self.rollouts.retain(|known| {
            known["metadata"]["name"] != *name || known["metadata"]["namespace"] != *namespace
        });
        self.add_rollout(rollout)
    }

    /// Adds an event.
    pub fn add_event(&mut self, event: Value) -> &mut Self {
        self.events.push(event);
        self
    }

    /// Adds an event, or counts it once more where one of its name is there, as
    /// the kubelet does.
    pub fn set_event(&mut self, mut event: Value) -> &mut Self {
        let name = event["metadata"]["name"].clone();
        let namespace = event["metadata"]["namespace"].clone();
        let same = |known: &&mut Value| {
            known["metadata"]["name"] == name && known["metadata"]["namespace"] == namespace
        };
        match self.events.iter_mut().find(same) {
            Some(known) => {
                let count = known["count"].as_u64().unwrap_or_default();
                event["count"] = (count + 1).into();
                event["firstTimestamp"] = known["firstTimestamp"].take();
                *known = event;
            }
            None => self.events.push(event),
        }
        self
    }

    /// Removes the events about a pod: the API server forgets them in time.
    pub fn remove_events(&mut self, namespace: &str, pod: &str) -> &mut Self {
        self.events.retain(|event| {
            !in_namespace(event, namespace) || event["involvedObject"]["name"] != pod
        });
        self
    }

    /// Adds a Secret.
    pub fn add_secret(&mut self, secret: Value) -> &mut Self {
        self.secrets.push(secret);
        self
    }

    /// Sets a log. A container without one has an empty log.
    pub fn set_log(&mut self, of: LogOf, log: Log) -> &mut Self {
        self.logs.insert(of, log);
        self
    }

    /// Removes a pod and its logs, as its deletion does.
    pub fn remove_pod(&mut self, namespace: &str, name: &str) -> &mut Self {
        self.pods.retain(|pod| !is(pod, namespace, name));
        self.logs
            .retain(|of, _| of.namespace != namespace || of.pod != name);
        self
    }

    /// Changes a pod in place; does nothing when it is not there.
    pub fn change_pod(
        &mut self,
        namespace: &str,
        name: &str,
        change: impl FnOnce(&mut Value),
    ) -> &mut Self {
        if let Some(pod) = self.pods.iter_mut().find(|pod| is(pod, namespace, name)) {
            change(pod);
        }
        self
    }

    /// Changes a rollout in place; does nothing when it is not there.
    pub fn change_rollout(
        &mut self,
        namespace: &str,
        name: &str,
        change: impl FnOnce(&mut Value),
    ) -> &mut Self {
        let mut rollouts = self.rollouts.iter_mut();
        if let Some(rollout) = rollouts.find(|rollout| is(rollout, namespace, name)) {
            change(rollout);
        }
        self
    }

    /// Adds a fault. The first one that meets a request is the one that acts.
    pub fn add_fault(&mut self, fault: Fault) -> &mut Self {
        self.faults.push(fault);
        self
    }

    /// Ends all faults.
    pub fn clear_faults(&mut self) -> &mut Self {
        self.faults.clear();
        self
    }

    /// Answers 401 to who does not bring this bearer token.
    pub fn require_token(&mut self, token: &str) -> &mut Self {
        self.token = Some(token.to_owned());
        self
    }
}

/// Whether an object has this namespace and name.
pub(crate) fn is(object: &Value, namespace: &str, name: &str) -> bool {
    in_namespace(object, namespace) && object["metadata"]["name"] == name
}

pub(crate) fn in_namespace(object: &Value, namespace: &str) -> bool {
    object["metadata"]["namespace"] == namespace
}
