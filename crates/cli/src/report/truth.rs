//! What became of the version that a verdict is about, as far as that says
//! whether the verdict was right.
//!
//! An abort that Argo carried out proves nothing by having been carried out.
//! So what became of a rollout counts only where something else decided it:
//! another metric, a person, a later success of the same version, or what the
//! file of outcomes says.

use std::collections::BTreeMap;

use super::objects::{Rollout, Run, is_failure};
use super::outcome::{Outcomes, Version};
use super::verdicts::{Given, Kind, RunKey};

/// What is known of a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Truth {
    /// It was fit.
    Good,
    /// It was not.
    Bad,
    /// It was sent back because of our verdict, and nothing else is known.
    OwnDoing,
    /// Nothing is known.
    Unknown,
}

/// A version of a Rollout.
type VersionKey<'a> = (&'a str, &'a str, &'a str);

/// What is known of one version from its runs.
#[derive(Default)]
struct Fate {
    /// A run failed for something else than our verdict.
    failed: bool,
    /// A run of ours that counts said abort.
    by_us: bool,
    /// A run that could have stopped it did not.
    passed: bool,
}

/// All that is known about what became of versions.
pub struct Known<'a> {
    outcomes: &'a Outcomes,
    rollouts: BTreeMap<(&'a str, &'a str), &'a Rollout>,
    versions: BTreeMap<VersionKey<'a>, Fate>,
    runs: BTreeMap<&'a RunKey, &'a Run>,
}

impl<'a> Known<'a> {
    /// Brings it together.
    pub fn new(runs: &'a [Run], rollouts: &'a [Rollout], outcomes: &'a Outcomes) -> Self {
        let mut versions: BTreeMap<VersionKey<'a>, Fate> = BTreeMap::new();
        for run in runs {
            let fate = versions.entry(version(run)).or_default();
            let by_us = run
                .given
                .iter()
                .any(|given| !given.dry_run && matches!(given.kind, Kind::Abort | Kind::Error));
            fate.by_us |= by_us;
            fate.failed |= run.others_failed || is_failure(&run.phase) && !by_us;
            fate.passed |= run.phase == "Successful" && run.enforces;
        }
        Self {
            outcomes,
            rollouts: rollouts
                .iter()
                .map(|one| ((one.namespace.as_str(), one.name.as_str()), one))
                .collect(),
            versions,
            runs: runs.iter().map(|run| (&run.key, run)).collect(),
        }
    }

    /// What is known of the version that a verdict is about.
    pub fn truth(&self, given: &Given) -> Truth {
        let full = format!("{}/{}", given.run.namespace, given.run.name);
        let told = self
            .outcomes
            .get(&full)
            .or(self.outcomes.get(&given.run.name));
        if let Some(version) = told {
            return match version {
                Version::Good => Truth::Good,
                Version::Bad => Truth::Bad,
            };
        }
        let Some(run) = self.runs.get(&given.run) else {
            return Truth::Unknown;
        };
        if run.hash.is_empty() || run.rollout.is_empty() {
            return Truth::Unknown;
        }
        let none = Fate::default();
        let fate = self.versions.get(&version(run)).unwrap_or(&none);
        let key = (run.key.namespace.as_str(), run.rollout.as_str());
        let rollout = self.rollouts.get(&key);
        if rollout.is_some_and(|rollout| rollout.stable_hash == run.hash) {
            return Truth::Good;
        }
        let sent_back =
            rollout.is_some_and(|rollout| rollout.failed && rollout.current_hash == run.hash);
        if fate.failed {
            Truth::Bad
        } else if fate.by_us {
            Truth::OwnDoing
        } else if sent_back {
            Truth::Bad
        } else if fate.passed {
            Truth::Good
        } else {
            Truth::Unknown
        }
    }
}

fn version(run: &Run) -> VersionKey<'_> {
    (&run.key.namespace, &run.rollout, &run.hash)
}
