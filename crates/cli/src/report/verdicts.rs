//! Verdicts that were given, wherever they were read.

use analysis::bundle::Bundle;
use judge::Decision;
use serde::{Deserialize, Serialize};

/// An AnalysisRun by its namespace and name.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct RunKey {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

/// What was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The canary may go on.
    Promote,
    /// The canary must go back.
    Abort,
    /// Neither was shown.
    Inconclusive,
    /// Nothing could be said: configuration, rights, the agent.
    Error,
}

impl Kind {
    /// What a phase of Argo says; `None` for one that is not finished.
    pub fn of_phase(phase: &str) -> Option<Self> {
        match phase {
            "Successful" => Some(Self::Promote),
            "Failed" => Some(Self::Abort),
            "Inconclusive" => Some(Self::Inconclusive),
            "Error" => Some(Self::Error),
            _ => None,
        }
    }

    fn of(decision: Decision) -> Self {
        match decision {
            Decision::Promote => Self::Promote,
            Decision::Abort => Self::Abort,
            Decision::Inconclusive => Self::Inconclusive,
        }
    }
}

/// What asking models cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Cost {
    /// Requests.
    pub calls: u64,
    /// Tokens, of prompts and answers.
    pub tokens: u64,
    /// Time, in seconds.
    pub seconds: f64,
    /// Money, in US dollars; 0 where no price is known.
    pub usd: f64,
}

impl Cost {
    /// The value of a measurement's metadata key `cost`; `None` where it makes
    /// no sense.
    pub fn read(text: &str) -> Option<Self> {
        let cost: Self = serde_json::from_str(text).ok()?;
        let sound = |number: f64| number.is_finite() && number >= 0.0;
        (sound(cost.seconds) && sound(cost.usd)).then_some(cost)
    }

    /// Both together.
    pub fn plus(self, other: Self) -> Self {
        Self {
            calls: self.calls.saturating_add(other.calls),
            tokens: self.tokens.saturating_add(other.tokens),
            seconds: self.seconds + other.seconds,
            usd: self.usd + other.usd,
        }
    }
}

/// One verdict: of one metric of one AnalysisRun, or of one bundle.
#[derive(Clone, Debug, PartialEq)]
pub struct Given {
    /// The AnalysisRun; empty for files.
    pub run: RunKey,
    /// The Rollout; empty when unknown.
    pub rollout: String,
    /// The metric.
    pub metric: String,
    /// Whether Argo was told not to act on it.
    pub dry_run: bool,
    /// What was answered.
    pub kind: Kind,
    /// When, milliseconds since the epoch.
    pub at_ms: Option<i64>,
    /// How long it took, from the first look to the answer.
    pub took_ms: Option<u64>,
    /// What asking models cost, where it is known.
    pub cost: Option<Cost>,
}

impl Given {
    /// Takes a later verdict of the same metric of the same run in: an abort
    /// stands, else the later one counts.
    pub fn join(&mut self, later: Self) {
        self.cost = match (self.cost, later.cost) {
            (Some(own), Some(later)) => Some(own.plus(later)),
            (own, later) => own.or(later),
        };
        if self.kind != Kind::Abort {
            self.kind = later.kind;
            self.at_ms = later.at_ms;
        }
    }

    /// The verdict in a bundle.
    pub fn of_bundle(bundle: Bundle) -> Option<Self> {
        let said = bundle.verdict.said()?;
        let spent = bundle.explained.spent;
        #[expect(
            clippy::cast_precision_loss,
            reason = "money and time, shown to a few digits"
        )]
        let cost = Cost {
            calls: spent.calls.into(),
            tokens: spent.tokens,
            seconds: spent.took_ms as f64 / 1e3,
            usd: spent.micro_usd as f64 / 1e6,
        };
        Some(Self {
            run: RunKey {
                namespace: bundle.about.namespace,
                name: bundle.about.run,
            },
            rollout: bundle.about.rollout,
            metric: bundle.about.metric,
            dry_run: false,
            kind: Kind::of(said.decision),
            at_ms: Some(bundle.at_ms),
            took_ms: None,
            cost: (spent.calls > 0).then_some(cost),
        })
    }
}
