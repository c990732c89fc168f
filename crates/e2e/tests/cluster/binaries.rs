//! The binaries under test: built static, as they are released, or given.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, bail};
use e2e::command::output;
use e2e::progress;

/// Longest time for a release build from nothing on two cores.
const BUILD_LIMIT: Duration = Duration::from_secs(40 * 60);
const PLUGIN: &str = "rollouts-plugin-metric-ai";
const DEMO: &str = "rollouts-demo";

/// Where they are.
pub(crate) struct Binaries {
    pub(crate) plugin: PathBuf,
    pub(crate) demo: PathBuf,
}

/// The binaries of `folder`, or of a build made now.
pub(crate) fn get(folder: Option<&Path>) -> anyhow::Result<Binaries> {
    let folder = match folder {
        Some(folder) => folder.to_owned(),
        None => build()?,
    };
    let binaries = Binaries {
        plugin: folder.join(PLUGIN),
        demo: folder.join(DEMO),
    };
    for path in [&binaries.plugin, &binaries.demo] {
        if !path.is_file() {
            bail!("{} is missing\nhint: make build", path.display());
        }
    }
    Ok(binaries)
}

fn build() -> anyhow::Result<PathBuf> {
    let target = format!("{}-unknown-linux-musl", std::env::consts::ARCH);
    // The tests lie in <target folder>/debug/deps.
    let tests = std::env::current_exe()?;
    let folder = tests.ancestors().nth(3).context("where cargo builds")?;
    let mut cargo = Command::new(env!("CARGO"));
    cargo
        .args([
            "build",
            "--release",
            "--locked",
            "-p",
            "metric-ai",
            "-p",
            "demo-app",
        ])
        .arg("--target")
        .arg(&target)
        .arg("--target-dir")
        .arg(folder)
        .current_dir(env!("CARGO_MANIFEST_DIR"));
    progress::step("build the static binaries", || {
        output(&mut cargo, BUILD_LIMIT)
    })
    .with_context(|| {
        format!("hint: rustup target add {target} && apt-get install -y musl-tools")
    })?;
    Ok(folder.join(target).join("release"))
}
