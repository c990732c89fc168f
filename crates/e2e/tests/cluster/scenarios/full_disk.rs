//! A box does not start on a disk that is too full for it, and says so.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::ensure;
use e2e::command::outcome;

use crate::stage::Stage;

/// Longest time for the refusal.
const LIMIT: Duration = Duration::from_secs(60);

/// On a small disk of its own, mounted where nobody else sees it.
pub(crate) fn refused(stage: &Stage<'_>, _name: &str) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let cache = stage.cluster.folders().cache();
    let mut unshare = Command::new("unshare");
    unshare
        .args(["--mount", "sh", "-ec"])
        .arg("mount -t tmpfs -o size=64m none \"$0\"; ln -s \"$1\" \"$0/bin\"; exec \"$2\" --cache \"$0\" up --name full")
        .args([folder.path(), &cache.join("bin"), Path::new(env!("CARGO_BIN_EXE_box"))]);
    let ended = outcome(&mut unshare, &[], LIMIT)?;
    ensure!(!ended.status.success(), "it started: {ended:?}");
    for words in [
        "0.1 GiB free",
        "the kubelet evicts pods",
        "CANARY_JUDGE_CACHE",
    ] {
        ensure!(
            ended.stderr.contains(words),
            "{words:?} is not in: {}",
            ended.stderr
        );
    }
    Ok(())
}
