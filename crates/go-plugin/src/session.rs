//! yamux, as both sides of go-plugin use it.

use tokio_yamux::Config;

/// Most streams of a session. A host opens three and one per dispensed plugin.
pub(crate) const MAX_STREAMS: usize = 64;

/// The configuration of both sides: Go's defaults (a keepalive every 30 s, 256 KiB of window), with
/// fewer streams.
pub(crate) fn config() -> Config {
    Config {
        max_stream_count: MAX_STREAMS,
        accept_backlog: MAX_STREAMS,
        ..Config::default()
    }
}
