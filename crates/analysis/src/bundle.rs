//! A verdict with all that it was made from, as one file that can be decided
//! again.
//!
//! ```text
//! {"bundle":{"format":1,"tool":"0.1.0","atMs":…,"about":{…},"gathered":{…},
//!            "policy":{…},"rules":{…},"explained":{…},"verdict":{…}},
//!  "sha256":"<of the bytes of bundle, as they stand here>"}
//! ```
//!
//! The bytes are canonical: fields in the order in which they are declared, no
//! white space, numbers in their shortest form that reads back as the same
//! number. So equal bundles have equal bytes, and equal names.
//!
//! A bundle holds no text that was not redacted before: profiles and events
//! redact as they are made. The hash tells damage and edits, not who made the
//! file: whoever can write it can hash it. So what is read is held to the
//! limits of `bounds` before it is judged.

mod bounds;
mod canonical;
mod error;
mod file;
mod replay;
#[cfg(test)]
mod tests;

use judge::{Decision, Policy};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

pub use error::BundleError;
pub use file::{
    MAX_BUNDLE_BYTES, MAX_FOLDER_BYTES, MAX_FOLDER_FILES, PARTS_KEPT_MS, bytes, file_name, read,
    save, write,
};
pub use replay::{Difference, MAX_DIFFERENCES, Replayed, With, replay};

use crate::decide::{Rules, Verdict};
use crate::opinion::Explained;
use crate::request::Gathered;

/// Which form the file has. Grows when a reader of the form before would
/// misunderstand it.
pub const FORMAT: u32 = 1;

/// The version that writes and replays bundles: another may judge otherwise.
pub const TOOL_VERSION: &str = env!("CARGO_PKG_VERSION");

/// What a verdict is about. Empty where it is not known, as for files.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct About {
    /// The namespace of the AnalysisRun and of the Rollout.
    pub namespace: String,
    /// The Rollout.
    pub rollout: String,
    /// The AnalysisRun.
    pub run: String,
    /// The metric in it.
    pub metric: String,
    /// The measurement's identity: run UID, metric and its count.
    pub measurement: String,
}

/// What a verdict was made from, beside what was gathered.
#[derive(Clone, Copy, Debug)]
pub struct Terms<'a> {
    /// The thresholds in force, with what they ignore.
    pub policy: &'a Policy,
    /// What a promotion needed beside the judge's word.
    pub rules: &'a Rules,
}

/// A verdict with all that it was made from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Bundle {
    /// The form of the file, [`FORMAT`].
    pub format: u32,
    /// The version that made the verdict.
    pub tool: String,
    /// When the verdict was made, milliseconds since the Unix epoch.
    pub at_ms: i64,
    /// What it is about.
    pub about: About,
    /// The judge's whole input, and how much of what was sought it is.
    pub gathered: Gathered,
    /// The thresholds in force.
    pub policy: Policy,
    /// What a promotion needed beside the judge's word.
    pub rules: Rules,
    /// What models said.
    pub explained: Explained,
    /// The verdict.
    pub verdict: Recorded,
}

/// A verdict as it was written: the bytes by which another is compared.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Recorded(Box<RawValue>);

impl PartialEq for Recorded {
    fn eq(&self, other: &Self) -> bool {
        self.json() == other.json()
    }
}

impl Recorded {
    fn of(verdict: &Verdict) -> Result<Self, BundleError> {
        serde_json::value::to_raw_value(verdict)
            .map(Self)
            .map_err(BundleError::Serialise)
    }

    /// The verdict as canonical JSON.
    #[must_use]
    pub fn json(&self) -> &str {
        self.0.get()
    }

    /// What it says; `None` where it is no verdict.
    #[must_use]
    pub fn said(&self) -> Option<Said> {
        serde_json::from_str(self.json()).ok()
    }
}

/// A verdict in short.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Said {
    /// Go on, go back, or not known yet.
    pub decision: Decision,
    /// In percent.
    pub confidence: u8,
    /// The reason in one line. From a file: hostile until it is shown through
    /// [`one_line`](crate::message::one_line).
    pub message: String,
}

/// The file, with the bundle as it stands in it.
#[derive(Deserialize)]
struct Sealed<'a> {
    sha256: String,
    #[serde(borrow)]
    bundle: &'a RawValue,
}

/// What every form of the file has, read first: what another version wrote may
/// lack all else.
#[derive(Deserialize)]
struct Made {
    format: u32,
    tool: String,
}

impl Bundle {
    /// The bundle of a verdict: no I/O, and no clock, since the time is given
    /// (milliseconds since the Unix epoch).
    ///
    /// What models said is taken from the verdict.
    ///
    /// # Errors
    ///
    /// [`BundleError::OutOfBounds`] for evidence that would not be read again:
    /// numbers that are none, or more than any cluster has.
    pub fn of(
        about: About,
        at_ms: i64,
        gathered: &Gathered,
        terms: Terms<'_>,
        verdict: &Verdict,
    ) -> Result<Self, BundleError> {
        let bundle = Self {
            format: FORMAT,
            tool: TOOL_VERSION.to_owned(),
            at_ms,
            about,
            gathered: gathered.clone(),
            policy: terms.policy.clone(),
            rules: *terms.rules,
            explained: verdict.explained.clone(),
            verdict: Recorded::of(verdict)?,
        };
        bounds::check(&bundle)?;
        Ok(bundle)
    }

    /// The file's bytes, canonical, and the hash in them (64 hex digits).
    ///
    /// # Errors
    ///
    /// [`BundleError::TooLarge`] above [`MAX_BUNDLE_BYTES`].
    pub fn to_bytes(&self) -> Result<(Vec<u8>, String), BundleError> {
        let mut bytes = Vec::new();
        let sha256 = canonical::write(self, &mut bytes)?;
        Ok((bytes, sha256))
    }

    /// Reads and verifies the bytes of a file (not compressed).
    ///
    /// # Errors
    ///
    /// [`BundleError`]: no bundle, changed since it was written, made by
    /// another version in a form that this one does not know, or beyond what
    /// any verdict is made from.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, BundleError> {
        if bytes.len() as u64 > MAX_BUNDLE_BYTES {
            return Err(BundleError::TooLarge {
                limit_mib: MAX_BUNDLE_BYTES >> 20,
            });
        }
        let sealed: Sealed<'_> = serde_json::from_slice(bytes).map_err(BundleError::NoBundle)?;
        let raw = sealed.bundle.get();
        if canonical::sha256(raw) != sealed.sha256 {
            return Err(BundleError::Changed);
        }
        let made: Made = serde_json::from_str(raw).map_err(BundleError::NoBundle)?;
        let other = |source| BundleError::OtherVersion {
            tool: made.tool.clone(),
            source,
        };
        if made.format != FORMAT {
            return Err(other(None));
        }
        let bundle: Self = serde_json::from_str(raw).map_err(|source| other(Some(source)))?;
        bounds::check(&bundle)?;
        // What this version would write otherwise it has not understood whole:
        // a field that it does not know, a form that is not canonical.
        if !canonical::is(&bundle, raw) {
            return Err(other(None));
        }
        Ok(bundle)
    }
}
