//! The SDK for Argo Rollouts metric plugins: implement [`MetricProvider`], hand it to [`serve`].
//!
//! Argo Rollouts runs a metric plugin as a child process of its controller and asks it for
//! measurements. This crate has the trait that a plugin implements, Argo's own types as typed
//! Rust, and both ends of the wire; the wire itself is HashiCorp's go-plugin over net/rpc, in
//! [`go_plugin`]. Works with Argo Rollouts 1.8 to 1.10.
//!
//! # A complete plugin
//!
//! This is `examples/freeze.rs`, whole. It lets a rollout wait while a change freeze lasts.
//!
//! ```no_run
#![doc = include_str!("../examples/freeze.rs")]
//! ```
//!
//! What happens, in order:
//!
//! 1. At the first measurement the controller starts the binary. [`serve`] checks that it really
//!    was a controller, listens on a private Unix socket, and announces it in one line on stdout.
//!    Nothing else may ever be written to stdout.
//! 2. The controller connects and calls `init`. An error there is logged and not much else: report
//!    what is wrong in each measurement.
//! 3. For each measurement it calls `run`. All metrics of an analysis run, and one of the
//!    controller's few workers, wait until it answers. So `run` answers at once: with a finished
//!    measurement, or with one that is `Running` and says in `resume_at` when to ask again.
//! 4. At that time it calls `resume` with the measurement as it was returned, metadata included.
//!    The process may be another one by then: what a plugin has to remember belongs in
//!    [`Measurement::metadata`].
//! 5. If the analysis run ends first, it calls `terminate`.
//! 6. When the controller quits or dies, `serve` returns and the process should end. (With Tokio,
//!    a runtime that is dropped waits for blocking tasks; call `shutdown_background` if there may
//!    be some.)
//!
//! Configuration arrives in [`Metric::provider`] as JSON, with arguments and secrets resolved:
//! keep it out of messages and logs. What goes to stderr ends up in the controller's log.
//!
//! To register the plugin, name it in the ConfigMap `argo-rollouts-config`:
//!
//! ```yaml
//! data:
//!   metricProviderPlugins: |-
//!     - name: example/freeze
//!       location: file:///plugins/freeze
//! ```
//!
//! # Testing a plugin
//!
//! [`host::MetricPlugin`] starts a plugin and calls it as the controller does.

mod analysis_run;
pub mod host;
mod measurement;
mod metric;
mod provider;
#[cfg(test)]
mod recorded;
mod serve;
mod wire;

pub use analysis_run::{
    AnalysisRun, AnalysisRunSpec, AnalysisRunStatus, Argument, DryRun, MetricResult, ObjectMeta,
    OwnerReference,
};
pub use measurement::{Measurement, Phase, UnknownPhase};
pub use metric::{IntOrString, Metric, Provider};
pub use provider::{MetricProvider, RpcError};
pub use serve::{HANDSHAKE, is_started_by_host, serve};

pub use go_plugin::Error;
pub use go_plugin::plugin::Ended;
