//! What people know about versions: incidents that were found later, aborts
//! that were right or wrong.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;

use crate::mend::Failure;

/// Bytes of a file of outcomes: some ten thousand of them.
pub const MAX_FILE_BYTES: u64 = 1 << 20;

/// Whether a version was fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Version {
    /// It was.
    Good,
    /// It was not.
    Bad,
}

/// Outcomes by run: `namespace/run`, or the run's name alone.
pub type Outcomes = BTreeMap<String, Version>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    outcome: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    run: String,
    version: Version,
    /// For people.
    #[serde(default, rename = "note")]
    _note: String,
}

/// Reads a file of outcomes, TOML or CSV by its name.
///
/// # Errors
///
/// It is not in the form that the help shows, or says two things of one run.
pub fn read(path: &Path, text: &str) -> Result<Outcomes, Failure> {
    let entries = if path.extension().is_some_and(|end| end == "csv") {
        csv(path, text)?
    } else {
        let file: File = toml::from_str(text).map_err(|error| {
            let at = error.span().map_or(0, |span| span.start);
            let line = text.get(..at).unwrap_or_default().lines().count().max(1);
            mistake(path, line, error.message())
        })?;
        let pairs = file.outcome.into_iter();
        pairs.map(|entry| (entry.run, entry.version)).collect()
    };
    let mut outcomes = Outcomes::new();
    for (run, version) in entries {
        if outcomes
            .insert(run.clone(), version)
            .is_some_and(|before| before != version)
        {
            return Err(Failure::new(
                format!("{}: run {run} is called good and bad", path.display()),
                "leave the line that is true",
            ));
        }
    }
    Ok(outcomes)
}

/// Lines of `RUN,good` or `RUN,bad`; what follows a second comma is a note.
fn csv(path: &Path, text: &str) -> Result<Vec<(String, Version)>, Failure> {
    let mut entries = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let mut fields = line.split(',').map(str::trim);
        let run = fields.next().unwrap_or_default();
        if run.is_empty() || run.starts_with('#') || index == 0 && run == "run" {
            continue;
        }
        let version = match fields.next() {
            Some("good") => Version::Good,
            Some("bad") => Version::Bad,
            _ => {
                return Err(mistake(
                    path,
                    index + 1,
                    "neither `good` nor `bad` follows the run",
                ));
            }
        };
        entries.push((run.to_owned(), version));
    }
    Ok(entries)
}

fn mistake(path: &Path, line: usize, what: &str) -> Failure {
    Failure::new(
        format!("{}, line {line}: {what}", path.display()),
        "`canary-judge report --help` shows both forms of a file of outcomes",
    )
}
