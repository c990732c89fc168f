//! A real Kubernetes on one machine, and what the end-to-end tests and `box`
//! share to build, start, use and end it.
//!
//! ```text
//! tools   builds the programs from pinned Go modules into the cache
//! host    checks the machine, installs Debian packages
//! cluster up, down, kubectl, images          (outside the box)
//!   └─ init  mounts, network, programs       (inside, process 1)
//! ```

pub mod api;
mod cgroups;
pub mod cluster;
pub mod command;
mod components;
pub mod digest;
mod disk;
pub mod elf;
pub mod error;
pub mod folders;
pub mod go_peer;
mod host;
pub mod init;
mod lock;
mod network;
pub mod oci;
mod process;
pub mod progress;
pub mod tools;

pub use components::PAUSE_IMAGE;
pub use error::{Error, Result};
