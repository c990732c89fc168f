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
const MODEL: &str = "model-stand-in";
const AGENT: &str = "agent-stand-in";

/// Where they are.
pub(crate) struct Binaries {
    pub(crate) plugin: PathBuf,
    pub(crate) demo: PathBuf,
    /// Whom the plugin asks in tests; `None` where it asks nobody.
    pub(crate) stand_ins: Option<StandIns>,
}

/// The scripted model server and the scripted agent.
pub(crate) struct StandIns {
    pub(crate) model: PathBuf,
    pub(crate) agent: PathBuf,
}

/// The binaries of `folder`, or of a build made now.
pub(crate) fn get(folder: Option<&Path>, asked: Asked) -> anyhow::Result<Binaries> {
    let folder = match folder {
        Some(folder) => folder.to_owned(),
        None => build(asked)?,
    };
    let found = |name: &str| {
        let path = folder.join(name);
        if !path.is_file() {
            bail!("{} is missing\nhint: make build stand-ins", path.display());
        }
        Ok(path)
    };
    Ok(Binaries {
        plugin: found(PLUGIN)?,
        demo: found(DEMO)?,
        stand_ins: match asked {
            Asked::Nobody => None,
            Asked::StandIns => Some(StandIns {
                model: found(MODEL)?,
                agent: found(AGENT)?,
            }),
        },
    })
}

/// Whom the plugin asks in the scenarios that were chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asked {
    /// Nobody: it judges alone.
    Nobody,
    /// A model or an agent by script.
    StandIns,
}

fn build(asked: Asked) -> anyhow::Result<PathBuf> {
    let folder = build_packages(&["metric-ai", "demo-app"])?;
    if asked == Asked::StandIns {
        // Apart from the others: together they would change what features
        // those are built with, and so the binary under test.
        build_packages(&["model-stand-in", "agent-stand-in"])?;
    }
    Ok(folder)
}

fn build_packages(packages: &[&str]) -> anyhow::Result<PathBuf> {
    let target = format!("{}-unknown-linux-musl", std::env::consts::ARCH);
    // The tests lie in <target folder>/debug/deps.
    let tests = std::env::current_exe()?;
    let folder = tests.ancestors().nth(3).context("where cargo builds")?;
    let mut cargo = Command::new(env!("CARGO"));
    cargo
        .args(["build", "--release", "--locked"])
        .args(packages.iter().flat_map(|package| ["-p", package]))
        .arg("--target")
        .arg(&target)
        .arg("--target-dir")
        .arg(folder)
        .current_dir(env!("CARGO_MANIFEST_DIR"));
    progress::step(&format!("build {} static", packages.join(", ")), || {
        output(&mut cargo, BUILD_LIMIT)
    })
    .with_context(|| {
        format!("hint: rustup target add {target} && apt-get install -y musl-tools")
    })?;
    Ok(folder.join(target).join("release"))
}
