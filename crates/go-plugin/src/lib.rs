//! HashiCorp's [go-plugin](https://github.com/hashicorp/go-plugin) over net/rpc: the plugin side
//! and the host side.
//!
//! A host starts a plugin as a child process. The two agree by a magic cookie in the environment,
//! the plugin listens on a Unix socket and announces it in one line on stdout, and the host
//! connects. On that connection yamux carries several streams, and on some of the streams Go's
//! `net/rpc` carries calls, encoded in Go's `gob`. A layer of that is a module here, and each
//! knows only the one below:
//!
//! ```text
//! plugin, host    processes, handshake, control, stdio, dispenser, broker
//!   session       yamux: one connection, many streams          (crate tokio-yamux)
//!     rpc         net/rpc: calls side by side on one stream
//!       gob       values of a stream, bounded
//! ```
//!
//! What runs over it is up to the caller: a plugin is a [`rpc::Service`] that [`plugin::serve`]
//! offers under a name, and [`host::Process`] is the other end. Bytes from the peer are hostile
//! until proven otherwise: every length, count, depth and queue has a limit, each a constant that
//! says why, and going over one ends the call or the connection with an [`Error`], not the process.

mod error;
pub mod gob;
pub mod handshake;
pub mod host;
pub mod plugin;
pub mod rpc;
mod session;

pub use error::Error;
pub use handshake::Handshake;
