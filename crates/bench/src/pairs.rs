//! Labelled pairs of logs: `FOLDER/<id>/{stable.log,canary.log,label.json}`.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use serde::Deserialize;

/// What a pair is known to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Label {
    /// To be promoted, or inconclusive.
    Healthy,
    /// A fault that the log shows: to be aborted.
    Strong,
    /// A fault that the log hardly shows: not to be promoted.
    Weak,
}

/// One pair.
#[derive(Clone, Debug)]
pub struct Pair {
    /// Name of its folder.
    pub id: String,
    /// Log of the stable version.
    pub stable: PathBuf,
    /// Log of the canary.
    pub canary: PathBuf,
    /// What it is.
    pub label: Label,
}

#[derive(Deserialize)]
struct Known {
    promote: bool,
    evidence_in_log: Option<String>,
}

/// All pairs of a folder, by name.
///
/// # Errors
/// When the folder or a label cannot be read.
pub fn find(folder: &Path) -> Result<Vec<Pair>> {
    let mut pairs = Vec::new();
    let entries =
        fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))?;
    for entry in entries {
        let path = entry?.path();
        let label = path.join("label.json");
        if !label.exists() {
            continue;
        }
        let known: Known = serde_json::from_slice(&read(&label)?)
            .with_context(|| format!("{} is no label", label.display()))?;
        let strong = known.evidence_in_log.as_deref() != Some("weak");
        pairs.push(Pair {
            id: path
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned(),
            stable: path.join("stable.log"),
            canary: path.join("canary.log"),
            label: match (known.promote, strong) {
                (true, _) => Label::Healthy,
                (false, true) => Label::Strong,
                (false, false) => Label::Weak,
            },
        });
    }
    pairs.sort_by(|a, b| a.id.cmp(&b.id));
    Ok(pairs)
}

/// The bytes of a file.
///
/// # Errors
/// When it cannot be read; the error names it.
pub fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}
