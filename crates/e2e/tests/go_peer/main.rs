//! Both sides of the wire against Argo's own Go code. Needs Go, but no cluster.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod checker;
mod host;
mod values;

use std::path::PathBuf;
use std::sync::OnceLock;

use e2e::go_peer::{self, GoPeer};

/// The Go programs, built by whichever test comes first.
fn go_peer() -> &'static GoPeer {
    static BUILT: OnceLock<GoPeer> = OnceLock::new();
    BUILT.get_or_init(|| {
        let env = std::env::var_os;
        let cache = e2e::folders::cache_folder(
            env("CANARY_JUDGE_CACHE"),
            env("XDG_CACHE_HOME"),
            env("HOME"),
        )
        .unwrap();
        go_peer::build(&cache).unwrap_or_else(|error| panic!("{error}"))
    })
}

/// Our plugin, as `make build` leaves it.
fn our_plugin() -> PathBuf {
    let path = PathBuf::from(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../dist/rollouts-plugin-metric-ai"
    ));
    assert!(
        path.is_file(),
        "there is no {}: run `make build`",
        path.display()
    );
    path
}
