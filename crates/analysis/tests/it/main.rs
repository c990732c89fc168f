//! The pipeline against stand-ins of the Kubernetes API and of the model APIs.
//!
//! Most tests talk to the first in memory and with a paused clock: nothing
//! waits, and nothing depends on how fast the machine is. Models are asked over
//! HTTP on loopback.

mod cluster_limits;
mod cluster_reads;
mod cluster_refuses;
mod files;
mod injections;
mod messages;
mod models;
mod models_fail;
mod models_share;
mod pages;
/// The judge's, so that what is planted is the same everywhere.
#[path = "../../../judge/tests/planted/mod.rs"]
mod planted;
mod prometheus;
mod prometheus_access;
mod prometheus_real;
mod scene;
mod scripted;
mod secrets;
