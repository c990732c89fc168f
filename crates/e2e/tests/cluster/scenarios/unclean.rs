//! A box whose processes were all killed at once comes up again, and goes
//! without trace.

use std::path::Path;

use anyhow::{Context as _, ensure};
use e2e::cluster::{Cluster, State, state};
use e2e::folders::Folders;

use crate::stage::Stage;

/// Folders that a cluster usually leaves on its machine.
const USUAL_TRACES: &[&str] = &[
    "/run/netns",
    "/run/containerd",
    "/var/lib/cni",
    "/var/log/pods",
];

pub(crate) fn end(stage: &Stage<'_>, _name: &str) -> anyhow::Result<()> {
    let folders = Folders::new(stage.cluster.folders().cache().to_owned(), "unclean")?;
    let there_before: Vec<_> = USUAL_TRACES
        .iter()
        .map(|path| Path::new(path).exists())
        .collect();
    let cluster = Cluster::new(folders.clone(), env!("CARGO_BIN_EXE_box").into())?;
    cluster.up()?;
    let result = (|| {
        cluster.kill().context("kill every process of it")?;
        let left = state(&folders);
        ensure!(matches!(left, State::Remains(_)), "{left:?}");
        cluster.up().context("up after an unclean end")?;
        let said = cluster.kubectl(&["get", "nodes"])?;
        ensure!(said.contains(" Ready "), "{said}");
        Ok(())
    })();
    cluster.down()?;
    ensure!(state(&folders) == State::Down, "{:?}", state(&folders));
    ensure!(!folders.state().exists(), "its folder is gone");
    for (path, before) in USUAL_TRACES.iter().zip(there_before) {
        ensure!(
            before || !Path::new(path).exists(),
            "{path} was left behind"
        );
    }
    result
}
