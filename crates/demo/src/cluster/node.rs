//! What all pods share: where they run, where their state and logs go, and
//! which of them take requests.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use kube_stand_in::StandIn;
use tokio::sync::watch;

use crate::arm::{Arm, Both};
use crate::http::Client;

/// A pod that takes requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Endpoint {
    pub(crate) pod: String,
    pub(crate) address: SocketAddr,
}

/// The machine that the pods run on.
#[derive(Debug)]
pub(crate) struct Node {
    /// The application's program.
    pub(crate) app: PathBuf,
    /// The API that the plugin reads.
    pub(crate) stand_in: StandIn,
    /// Most that a pod may hold resident, in bytes.
    pub(crate) memory_limit_bytes: u64,
    /// Asks pods whether they are ready.
    pub(crate) client: Client,
    pub(crate) clock: fn() -> Timestamp,
    endpoints: Mutex<Both<Arc<Vec<Endpoint>>>>,
    changed: watch::Sender<()>,
}

impl Node {
    pub(crate) fn new(
        app: PathBuf,
        stand_in: StandIn,
        memory_limit_bytes: u64,
        clock: fn() -> Timestamp,
    ) -> Self {
        Self {
            app,
            stand_in,
            memory_limit_bytes,
            client: Client::new(),
            clock,
            endpoints: Mutex::default(),
            changed: watch::Sender::new(()),
        }
    }

    pub(crate) fn now_ms(&self) -> i64 {
        (self.clock)().as_millisecond()
    }

    /// The pods of an arm that take requests.
    pub(crate) fn endpoints(&self, arm: Arm) -> Arc<Vec<Endpoint>> {
        Arc::clone(self.lock().of(arm))
    }

    /// Puts a pod among those that take requests, or takes it out. `false`:
    /// nothing changed.
    pub(crate) fn set_endpoint(&self, arm: Arm, pod: &str, address: Option<SocketAddr>) -> bool {
        let changed = {
            let mut endpoints = self.lock();
            let known = endpoints.of_mut(arm);
            let before = known.iter().find(|endpoint| endpoint.pod == pod);
            let changed = before.map(|endpoint| endpoint.address) != address;
            if changed {
                let mut next: Vec<Endpoint> = known
                    .iter()
                    .filter(|endpoint| endpoint.pod != pod)
                    .cloned()
                    .collect();
                next.extend(address.map(|address| Endpoint {
                    pod: pod.to_owned(),
                    address,
                }));
                *known = Arc::new(next);
            }
            changed
        };
        if changed {
            self.tell();
        }
        changed
    }

    /// Tells who waits that a pod's state has changed.
    pub(crate) fn tell(&self) {
        self.changed.send_replace(());
    }

    /// Changes of pods from now on.
    pub(crate) fn changes(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    fn lock(&self) -> MutexGuard<'_, Both<Arc<Vec<Endpoint>>>> {
        self.endpoints
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
