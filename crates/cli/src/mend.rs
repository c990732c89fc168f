//! Errors as people read them: what failed, why, and what mends it.

use std::error::Error;
use std::fmt;
use std::io::ErrorKind;

use std::path::Path;

use analysis::GatherError;
use analysis::bundle::BundleError;
use analysis::message::one_line;

/// Longest that a failure's text gets, in bytes: paths and parser messages
/// come from outside.
const MAX_TEXT_BYTES: usize = 1_000;

/// Why there is no verdict, with the mend.
#[derive(Debug, PartialEq, Eq)]
pub struct Failure {
    text: String,
    /// What belongs to the text, a line each.
    details: Vec<String>,
    hint: String,
}

impl Failure {
    /// A failure in one sentence, and the change or command that mends it.
    pub fn new(text: impl Into<String>, hint: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            details: Vec::new(),
            hint: hint.into(),
        }
    }

    /// The same with a line for each detail.
    pub fn with_details(self, details: impl IntoIterator<Item = String>) -> Self {
        Self {
            details: details.into_iter().collect(),
            ..self
        }
    }

    /// A failure that only we can mend.
    pub fn defect(error: &dyn Error) -> Self {
        Self::caused(error, "this is a defect of canary-judge: please report it")
    }

    /// A failure that carries its causes.
    pub fn caused(error: &dyn Error, hint: impl Into<String>) -> Self {
        let mut text = error.to_string();
        let mut cause = error.source();
        while let Some(error) = cause {
            text = format!("{text}: {error}");
            cause = error.source();
        }
        Self::new(text, hint)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(out, "error: {}", one_line(&self.text, MAX_TEXT_BYTES))?;
        for detail in &self.details {
            writeln!(out, "  {}", one_line(detail, MAX_TEXT_BYTES))?;
        }
        writeln!(out, "hint: {}", one_line(&self.hint, MAX_TEXT_BYTES))
    }
}

impl From<GatherError> for Failure {
    fn from(error: GatherError) -> Self {
        let hint = hint(&error);
        Self::caused(&error, hint)
    }
}

/// What went wrong with a bundle, naming its file.
pub fn bundle(file: &Path, error: &BundleError) -> Failure {
    let name = file.display();
    let hint = match error {
        BundleError::Serialise(_) => return Failure::defect(error),
        BundleError::Read { source, .. } => {
            let hint = match source.kind() {
                ErrorKind::NotFound => {
                    "check the path; `canary-judge analyze --bundle FILE` and the plugin write bundles"
                }
                ErrorKind::PermissionDenied => {
                    "bundles are readable by who made them only: run this as that user, or copy the file"
                }
                ErrorKind::InvalidInput | ErrorKind::UnexpectedEof | ErrorKind::InvalidData => {
                    "the file is damaged: copy it again from where it was written"
                }
                _ => "copy it to a local disk and try again",
            };
            return Failure::caused(error, hint);
        }
        BundleError::Write { .. } | BundleError::MakeRoom { .. } => {
            return Failure::caused(error, "name a file in a folder that is there and writable");
        }
        BundleError::Changed => {
            "use the file as it was written; what was edited, or copied as text, proves nothing any more"
        }
        BundleError::OtherVersion { .. } => {
            "replay it with the version that made it (`canary-judge --version` says which this is)"
        }
        BundleError::NoBundle(_) => {
            "give files that `canary-judge analyze --bundle FILE` or the plugin wrote"
        }
        BundleError::TooLarge { .. } | BundleError::OutOfBounds { .. } => {
            "no verdict of a rollout is made from so much: judge fewer or shorter logs"
        }
    };
    let text = Failure::caused(error, hint);
    Failure {
        text: format!("{name}: {}", text.text),
        ..text
    }
}

fn hint(error: &GatherError) -> String {
    match error {
        GatherError::OpenFile { file, source } => match source.kind() {
            ErrorKind::NotFound => format!(
                "check the path; a pod's log is saved by `kubectl logs POD --timestamps > {file}`"
            ),
            ErrorKind::PermissionDenied => format!("let this user read it: `chmod +r {file}`"),
            _ => "check the path".to_owned(),
        },
        GatherError::Folder { file } => {
            format!("let the shell name the files in it: `{}/*.log`", file.trim_end_matches('/'))
        }
        GatherError::BinaryFile { .. } => {
            "give the log itself; of compressed files only gzip is read, and no archives".to_owned()
        }
        GatherError::Gunzip { file, .. } => {
            format!("`gzip -t {file}` checks it; save or copy it again")
        }
        GatherError::ParseJson { file, .. } => format!(
            "save it as JSON: `kubectl get pods -l role=canary -o json > {file}` (or `kubectl get events -o json`)"
        ),
        GatherError::JsonTooLarge { .. } => {
            "save only what belongs to this rollout, by label: `kubectl get pods -l role=canary -o json`"
                .to_owned()
        }
        GatherError::ReadFile { .. } => "copy it to a local disk and try again".to_owned(),
        // What is left concerns a cluster, and says its mend itself.
        _ => "`canary-judge analyze --help` has examples".to_owned(),
    }
}
