//! A whole rollout on one machine, without a cluster: what `canary-judge demo`
//! shows.
//!
//! ```text
//! traffic ─► proxy ─┬► stable's pods ─┐ local `rollouts-demo` processes,
//!                   └► canary's pods ─┤ kept running as a kubelet does
//!                                     ▼
//! release ─► analysis ─► plugin ─► kube-stand-in: pods, logs, events
//!    │        (the controller's metric loop, over go-plugin)
//!    └─► weight 20, 40, 60, 80, 100, then promotion; or back
//! ```
//!
//! What is real: the plugin's binary and the way it is loaded and asked, the
//! application, its log lines, crashes and memory, each request. What stands in
//! for something: the Kubernetes API, the kubelet, the service mesh and the
//! rollout controller. `docs/demo.md` says where they differ.

mod analysis;
mod arm;
mod assess;
mod board;
mod cluster;
mod engine;
mod error;
mod findings;
mod http;
mod model;
mod play;
mod plugin;
mod programs;
mod proxy;
mod publish;
mod release;
mod scenario;
mod server;
pub mod state;
mod tally;
mod terminal;
mod traffic;

pub use arm::{Arm, Both};
pub use engine::{Config, Demo, FIRST_SQUARE_LIMIT};
pub use error::{DemoError, Refusal};
pub use model::ModelChoice;
pub use play::{MOST_WEIGHT, STOP_LIMIT, Series, Table};
pub use programs::Programs;
pub use release::{Outcome, Verdict};
pub use scenario::{
    Expect, Fault, MAX_RATE, ProcessFault, RequestFault, Scenario, ScenarioError, own,
};
pub use server::{MAX_BODY_BYTES, PageServer};
pub use terminal::{Screen, Style};
