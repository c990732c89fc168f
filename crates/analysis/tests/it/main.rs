//! The pipeline against a stand-in of the Kubernetes API.
//!
//! Most tests talk to it in memory and with a paused clock: nothing waits, and
//! nothing depends on how fast the machine is.

mod cluster_limits;
mod cluster_reads;
mod cluster_refuses;
mod files;
mod messages;
mod pages;
mod prometheus;
mod prometheus_access;
mod prometheus_real;
mod scene;
mod scripted;
