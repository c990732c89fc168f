//! Builds the Go programs of `crates/e2e/go`: the other side of the wire, on
//! Argo's own code.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::command::output;
use crate::error::{Error, Result};
use crate::lock::Lock;
use crate::progress;

/// Longest time for the build: two minutes cold on two cores, a second when
/// Go's own cache has it.
const BUILD_LIMIT: Duration = Duration::from_secs(20 * 60);

/// The programs, by path.
#[derive(Debug, Clone)]
pub struct GoPeer {
    /// Loads a plugin as the controller does, and checks it.
    pub checker: PathBuf,
    /// A metric plugin on Argo's SDK, which does as little as a plugin can.
    pub plugin: PathBuf,
    /// Says what bytes of ours mean to Go.
    pub record: PathBuf,
}

/// Builds what has changed into the cache, and returns where it is.
///
/// # Errors
/// When there is no Go, a module cannot be fetched or built, or the cache
/// cannot be written.
pub fn build(cache: &Path) -> Result<GoPeer> {
    let folder = cache.join("go-peer");
    let unfinished = folder.join("unfinished");
    let _building = Lock::take(&cache.join("go-peer.lock"))?;
    fs::create_dir_all(&unfinished).map_err(Error::file("create", &unfinished))?;
    // Go decides by itself what is out of date: it looks at every source file.
    progress::step("build the Go peers", || {
        let mut go = Command::new("go");
        go.current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("go"))
            .env("CGO_ENABLED", "0")
            .env("GOWORK", "off")
            .env("GOFLAGS", "-mod=readonly -buildvcs=false")
            .args(["build", "-trimpath", "-ldflags", "-s -w", "-o"])
            .arg(&unfinished)
            .args(["./checker", "./goplugin", "./record"]);
        match output(&mut go, BUILD_LIMIT) {
            Err(Error::Spawn { .. }) => Err(Error::Missing {
                what: "there is no `go` to build Argo's side of the wire with".to_owned(),
                mend: "install Go 1.26.1 or newer and put it on the PATH".to_owned(),
            }),
            other => other,
        }
    })?;
    let finished = |name: &str| {
        // A rename leaves a program that is running alone.
        let (from, to) = (unfinished.join(name), folder.join(name));
        fs::rename(&from, &to).map_err(Error::file("rename", &from))?;
        Ok(to)
    };
    Ok(GoPeer {
        checker: finished("checker")?,
        plugin: finished("goplugin")?,
        record: finished("record")?,
    })
}
