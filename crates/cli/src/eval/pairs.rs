//! A folder of pairs: `FOLDER/<id>/` with `stable.log` and `canary.log` (or
//! `.log.gz`), and `label.json` where the truth is known.

use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::score::Truth;
use crate::mend::Failure;

/// Most pairs of a folder: an evaluation ends.
const MAX_PAIRS: usize = 100_000;

/// Bytes of one label, which is a few lines.
const MAX_LABEL_BYTES: u64 = 1 << 20;

/// Logs of a stable and a canary version.
#[derive(Debug, PartialEq, Eq)]
pub struct Pair {
    /// The folder's name.
    pub id: String,
    /// Stable's log.
    pub stable: PathBuf,
    /// The canary's log.
    pub canary: PathBuf,
    /// Where the truth may be written.
    label: PathBuf,
}

/// What somebody found out about a pair.
#[derive(Deserialize)]
struct Label {
    /// Whether the canary is as good as stable.
    promote: bool,
    /// How much of the fault the log shows.
    #[serde(default)]
    evidence_in_log: Shown,
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Shown {
    #[default]
    Strong,
    Weak,
    PodState,
    None,
}

impl Pair {
    /// What the label says; `None` without one.
    ///
    /// # Errors
    /// There is a label that cannot be read.
    pub fn truth(&self) -> Result<Option<Truth>, Failure> {
        let file = self.label.display();
        let unreadable = |error: io::Error| {
            Failure::new(
                format!("failed to read {file}: {error}"),
                "remove it, or let this user read it: pairs without a label are judged as well",
            )
        };
        let opened = match fs::File::open(&self.label) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            opened => opened.map_err(unreadable)?,
        };
        let mut text = Vec::new();
        opened
            .take(MAX_LABEL_BYTES)
            .read_to_end(&mut text)
            .map_err(unreadable)?;
        let label: Label = serde_json::from_slice(&text).map_err(|error| {
            Failure::new(
                format!("failed to parse {file}: {error}"),
                r#"a label is {"promote": true}, or {"promote": false, "evidence_in_log": "strong"} (or weak, pod-state, none)"#,
            )
        })?;
        Ok(Some(match (label.promote, label.evidence_in_log) {
            (true, _) => Truth::Healthy,
            (false, Shown::Strong) => Truth::Strong,
            (false, Shown::Weak) => Truth::Weak,
            (false, Shown::PodState) => Truth::PodState,
            (false, Shown::None) => Truth::Unseen,
        }))
    }
}

/// The pairs of a folder, in the order of their ids.
///
/// # Errors
/// The folder cannot be read, holds no pair, or one with half of its logs.
pub fn find(folder: &Path) -> Result<Vec<Pair>, Failure> {
    let unreadable = |error: io::Error| {
        Failure::new(
            format!("failed to read the folder {}: {error}", folder.display()),
            "name a folder that holds one folder for each pair: FOLDER/<id>/stable.log and FOLDER/<id>/canary.log",
        )
    };
    let mut pairs = Vec::new();
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if !path.is_dir() {
            continue;
        }
        if let Some(pair) = pair(&path)? {
            pairs.push(pair);
        }
        if pairs.len() > MAX_PAIRS {
            return Err(Failure::new(
                format!("{} holds more than {MAX_PAIRS} pairs", folder.display()),
                "evaluate a part of them at a time",
            ));
        }
    }
    if pairs.is_empty() {
        return Err(Failure::new(
            format!("{} holds no pair of logs", folder.display()),
            "a pair is a folder of its own: FOLDER/<id>/stable.log and FOLDER/<id>/canary.log",
        ));
    }
    pairs.sort_by(|a, b| a.id.cmp(&b.id));
    Ok(pairs)
}

/// The pair in a folder; `None` where there is no log at all.
fn pair(path: &Path) -> Result<Option<Pair>, Failure> {
    let logs = (log(path, "stable")?, log(path, "canary")?);
    let (stable, canary) = match logs {
        (Some(stable), Some(canary)) => (stable, canary),
        (None, None) => return Ok(None),
        (stable, _) => {
            let missing = if stable.is_none() { "stable" } else { "canary" };
            return Err(Failure::new(
                format!("{} has no {missing}.log", path.display()),
                "a pair needs both logs; move the folder away if it is none",
            ));
        }
    };
    let id = path.file_name().and_then(|name| name.to_str());
    let id = id.ok_or_else(|| {
        Failure::new(
            format!("the name of {} is not UTF-8", path.display()),
            "rename the folder: its name is the pair's id in the verdicts",
        )
    })?;
    Ok(Some(Pair {
        id: id.to_owned(),
        stable,
        canary,
        label: path.join("label.json"),
    }))
}

/// An arm's log, plain or gzip.
fn log(folder: &Path, arm: &str) -> Result<Option<PathBuf>, Failure> {
    let plain = folder.join(format!("{arm}.log"));
    let gzip = folder.join(format!("{arm}.log.gz"));
    match (plain.exists(), gzip.exists()) {
        (true, true) => Err(Failure::new(
            format!("{} has both {arm}.log and {arm}.log.gz", folder.display()),
            "keep the one that is to be judged",
        )),
        (true, false) => Ok(Some(plain)),
        (false, true) => Ok(Some(gzip)),
        (false, false) => Ok(None),
    }
}
