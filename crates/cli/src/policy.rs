//! The policy file, if one is named, from disk to thresholds.

use std::fs::File;
use std::io::{ErrorKind, Read as _};
use std::path::Path;

use analysis::message::one_line;
use analysis::policy_file::{self, MAX_FILE_BYTES, PolicyFile, Problem};

use crate::mend::Failure;
use crate::output;

/// The longest name of a file in a warning, in bytes.
const MAX_NAME_BYTES: usize = 400;

/// Reads the policy file; without one the defaults are in force. What has no
/// effect in it is told on standard error.
///
/// # Errors
/// It cannot be read, or has mistakes: all of them are told.
pub fn load(path: Option<&Path>) -> Result<PolicyFile, Failure> {
    let Some(path) = path else {
        return Ok(PolicyFile::default());
    };
    let file = path.display();
    let text = text(path)?;
    let today = jiff::Timestamp::now()
        .to_zoned(jiff::tz::TimeZone::UTC)
        .date();
    let policy = policy_file::parse(&text, today).map_err(|error| {
        let count = match error.problems.len() {
            1 => "a mistake".to_owned(),
            several => format!("{several} mistakes"),
        };
        Failure::new(
            format!("failed to use the policy {file}: it has {count}"),
            "`canary-judge explain-policy` shows every key with its range, `--format toml` writes a file to start from",
        )
        .with_details(error.problems.iter().map(Problem::to_string))
    })?;
    for warning in &policy.warnings {
        output::stderr(&format!(
            "warning: {}, {}\n",
            one_line(&file.to_string(), MAX_NAME_BYTES),
            one_line(&warning.to_string(), MAX_NAME_BYTES)
        ));
    }
    Ok(policy)
}

fn text(path: &Path) -> Result<String, Failure> {
    let file = path.display();
    let unreadable = |error: std::io::Error| {
        let hint = match error.kind() {
            ErrorKind::NotFound => {
                "check --policy and CANARY_JUDGE_POLICY; `canary-judge explain-policy --format toml` writes a file to start from"
            }
            ErrorKind::InvalidData => "save it as UTF-8",
            _ => "name a file that this user may read",
        };
        Failure::new(format!("failed to read the policy {file}: {error}"), hint)
    };
    let mut text = String::new();
    File::open(path)
        // One byte more, so that a file that is too large is seen to be.
        .and_then(|opened| opened.take(MAX_FILE_BYTES + 1).read_to_string(&mut text))
        .map_err(unreadable)?;
    Ok(text)
}
