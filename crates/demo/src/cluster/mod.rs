//! A cluster without a cluster: local processes as pods, and an API that shows
//! them.

mod lines;
mod memory;
mod node;
mod output;
mod pod;
mod rollout;
mod status;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use kube_stand_in::{Server, StandIn, World};
use tokio::time::timeout;

use crate::arm::{Arm, Both};
use crate::error::DemoError;
use crate::state::PodState;

pub(crate) use node::{Endpoint, Node};
pub(crate) use rollout::Shown;
pub(crate) use status::Version;

use pod::Pod;
use status::Identity;

/// The namespace that everything is in.
pub(crate) const NAMESPACE: &str = "demo";

/// The rollout, which is also the pods' label `app`.
pub(crate) const ROLLOUT: &str = "rollouts-demo";

/// Another rollout of the namespace, for scenarios that want one.
const NEIGHBOUR: &str = "neighbour";

/// Most that a pod may hold resident: six times what a healthy one does.
pub(crate) const MEMORY_LIMIT_BYTES: u64 = 48 << 20;

/// Most pods of one version.
pub(crate) const MAX_REPLICAS: usize = 10;

/// How long new pods may take to be ready before what follows begins without
/// them. The controller waits for ten minutes (`progressDeadlineSeconds`); a
/// local process that is not ready after this will not be.
const AVAILABLE_LIMIT_MS: u64 = 5_000;

/// All pods, and the API that shows them.
#[derive(Debug)]
pub(crate) struct Cluster {
    node: Arc<Node>,
    server: Server,
    pods: Mutex<Pods>,
    /// Names of pods end in a number that never comes back.
    started: AtomicU64,
}

#[derive(Debug, Default)]
struct Pods {
    arms: Both<Vec<Pod>>,
    neighbours: Vec<Pod>,
}

impl Cluster {
    /// A cluster without pods.
    ///
    /// # Errors
    /// No port can be bound.
    pub(crate) async fn start(app: PathBuf, clock: fn() -> Timestamp) -> Result<Self, DemoError> {
        let stand_in = StandIn::new(World::default());
        let server = stand_in.serve().await.map_err(DemoError::Listen)?;
        let node = Node::new(app, stand_in, MEMORY_LIMIT_BYTES, clock);
        Ok(Self {
            node: Arc::new(node),
            server,
            pods: Mutex::default(),
            started: AtomicU64::new(0),
        })
    }

    pub(crate) fn node(&self) -> &Arc<Node> {
        &self.node
    }

    /// What a client needs to find the API.
    pub(crate) fn kubeconfig(&self) -> String {
        self.server.kubeconfig(None)
    }

    /// Starts or ends pods of an arm until there are so many.
    pub(crate) async fn scale(&self, arm: Arm, version: &Version, replicas: usize) {
        let replicas = replicas.min(MAX_REPLICAS);
        let over = {
            let mut pods = self.lock();
            let pods = pods.arms.of_mut(arm);
            while pods.len() < replicas {
                let identity = self.identity(version);
                pods.push(Pod::start(&self.node, identity, version, arm));
            }
            pods.split_off(replicas)
        };
        stop_all(over).await;
    }

    fn identity(&self, version: &Version) -> Identity {
        let number = self.started.fetch_add(1, Ordering::Relaxed);
        Identity::new(&version.hash, format!("{number:05}"), self.node.now_ms())
    }

    /// Adds a pod of another rollout, with the same role.
    pub(crate) fn add_neighbour(&self, version: &Version, arm: Arm) {
        let identity = Identity {
            rollout: NEIGHBOUR,
            ..self.identity(version)
        };
        let pod = Pod::start_beside(&self.node, identity, version, arm);
        self.lock().neighbours.push(pod);
    }

    /// Where the neighbours listen, as far as they do.
    pub(crate) fn neighbours(&self) -> Vec<SocketAddr> {
        let pods = self.lock();
        let addresses = pods.neighbours.iter().map(|pod| pod.status().address);
        addresses.flatten().collect()
    }

    pub(crate) async fn remove_neighbours(&self) {
        let neighbours = std::mem::take(&mut self.lock().neighbours);
        stop_all(neighbours).await;
    }

    /// Waits until all pods of an arm are ready, within a limit; says whether
    /// they are.
    pub(crate) async fn available(&self, arm: Arm) -> bool {
        let mut changes = self.node.changes();
        let all_ready = async {
            while !self.all_ready(arm) {
                if changes.changed().await.is_err() {
                    return;
                }
            }
        };
        timeout(Duration::from_millis(AVAILABLE_LIMIT_MS), all_ready)
            .await
            .is_ok()
    }

    fn all_ready(&self, arm: Arm) -> bool {
        self.lock()
            .arms
            .of(arm)
            .iter()
            .all(|pod| pod.status().ready)
    }

    /// Makes the canary's pods stable, and ends those that were.
    pub(crate) async fn promote(&self) {
        let before = {
            let mut pods = self.lock();
            let canary = std::mem::take(&mut pods.arms.canary);
            for pod in &canary {
                pod.set_arm(Arm::Stable);
            }
            std::mem::replace(&mut pods.arms.stable, canary)
        };
        stop_all(before).await;
    }

    /// Shows the rollout in the API.
    pub(crate) fn show(&self, shown: &Shown<'_>) {
        let rollout = shown.json();
        self.node.stand_in.change(|world| {
            world.set_rollout(rollout);
        });
    }

    /// What there is to say of the pods of an arm.
    pub(crate) fn states(&self, arm: Arm) -> Vec<PodState> {
        let pods = self.lock();
        let states = pods.arms.of(arm).iter().map(|pod| {
            let status = pod.status();
            PodState {
                name: pod.name(),
                ready: status.ready,
                restarts: status.restarts,
                reason: status.reason().map(str::to_owned),
            }
        });
        states.collect()
    }

    /// The processes that run.
    pub(crate) fn pids(&self) -> Vec<u32> {
        let pods = self.lock();
        let arms = pods.arms.stable.iter().chain(&pods.arms.canary);
        arms.chain(&pods.neighbours).filter_map(Pod::pid).collect()
    }

    /// The newest lines that a pod of an arm has written, for who wants to know
    /// why it is not ready.
    pub(crate) fn last_words(&self, arm: Arm) -> Option<String> {
        let pods = self.lock();
        pods.arms.of(arm).iter().find_map(Pod::last_words)
    }

    /// Ends all pods.
    pub(crate) async fn stop(&self) {
        let Pods { arms, neighbours } = std::mem::take(&mut *self.lock());
        let all = arms.stable.into_iter().chain(arms.canary);
        stop_all(all.chain(neighbours).collect()).await;
    }

    fn lock(&self) -> MutexGuard<'_, Pods> {
        self.pods.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn stop_all(pods: Vec<Pod>) {
    futures::future::join_all(pods.into_iter().map(Pod::stop)).await;
}
