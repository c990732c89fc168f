//! The SDK for Argo Rollouts metric plugins: implement [`MetricProvider`], hand it to `serve`.
//!
//! Argo Rollouts runs a metric plugin as a child process and asks it for measurements. This crate
//! has the trait a plugin implements, Argo's own types as typed Rust, and both ends of the wire.

mod analysis_run;
pub mod host;
mod measurement;
mod metric;
mod provider;
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
