//! The pipeline: gather, judge, explain, decide.
//!
//! ```text
//! Request ─► gather (I/O) ─► judge (pure) ─► explain (I/O) ─► decide (pure) ─► Verdict
//!                ▲                              ▲                │
//! cluster and Prometheus, or files            models      message (the reason in one line)
//! ```
//!
//! Gathering is the only step that can fail. It profiles each log as it streams
//! and keeps no log in memory; what it could not read is recorded as left out,
//! never hidden. Models come between `judge` and `decide`: they explain a
//! judgement, and do not replace it; one that does not answer is a missing
//! opinion, not a failure.
//!
//! | module | job | I/O |
//! | --- | --- | --- |
//! | [`cluster`] | evidence from a Kubernetes cluster | yes |
//! | [`prometheus`] | metric samples of both arms | yes |
//! | [`sources`] | the cluster's evidence, then the metrics | yes |
//! | [`files`] | evidence from files and `kubectl` output | yes |
//! | [`explain`] | judgement → what models say of it | yes |
//! | [`decide`](mod@decide) | judgement and opinions → verdict | no |
//! | [`bundle`] | a verdict with all that it was made from, to be decided again | yes |
//! | [`opinion`] | what models say of a judgement | no |
//! | [`outbound`] | the one way out to servers that a person named | yes |
//! | [`message`] | the reason in one line | no |
//! | [`report`] | the reason in a page of text | no |
//! | [`policy_file`] | thresholds from a file | no |
//! | [`steps`] | when a rollout's last step can end | no |
//! | [`selector`] | label selectors | no |

pub mod bundle;
pub mod cluster;
pub mod decide;
pub mod error;
pub mod explain;
pub mod files;
pub mod limits;
pub mod message;
pub mod objects;
pub mod opinion;
pub mod outbound;
pub mod policy_file;
pub mod prometheus;
pub mod report;
pub mod request;
mod secret;
pub mod selector;
pub mod sources;
pub mod steps;

use judge::{Decision, Policy};

pub use bundle::{Bundle, BundleError};
pub use cluster::{Access, Cluster};
pub use decide::{ModelResult, Rules, Verdict, Waiting, decide};
pub use error::GatherError;
pub use explain::{Ask, Explainer};
pub use limits::Limits;
use opinion::Unasked;
pub use opinion::{Explained, Opinion};
pub use request::{Earlier, Gathered, Request};
pub use secret::Secret;
pub use selector::Selector;
pub use sources::{Metrics, Sources};

/// One look at a canary in a cluster, from the first request to the verdict,
/// where no model is asked: [`judged`], then the judge's word alone.
///
/// Dropping the future ends the look: no task and no socket stays behind.
///
/// # Errors
///
/// As [`judged`].
pub async fn analyse(
    sources: Sources<'_>,
    request: &Request,
    policy: &Policy,
) -> Result<Look, GatherError> {
    let judged = judged(sources, request, policy).await?; // I/O
    let explained = Explained::not_asked(Unasked::NotConfigured);
    Ok(judged.decided(explained, &Rules::default())) // pure
}

/// The first half of a look: gather and judge. What follows is
/// [`Explainer::explain`] and [`Judged::decided`]; between the halves a caller
/// can give up the turn that reading logs needs and asking models does not.
///
/// # Errors
///
/// [`GatherError`] when the evidence cannot be had at all. A canary without
/// pods, logs or traffic is no error: the verdict is then inconclusive.
pub async fn judged(
    sources: Sources<'_>,
    request: &Request,
    policy: &Policy,
) -> Result<Judged, GatherError> {
    let gathered = sources.gather(request).await?; // I/O
    let judgement = judge::judge(&gathered.evidence, policy); // pure
    Ok(Judged {
        gathered,
        judgement,
    })
}

/// Evidence with what the judge makes of it: what models may be asked about.
#[derive(Clone, Debug, PartialEq)]
pub struct Judged {
    /// What was gathered.
    pub gathered: Gathered,
    /// What the judge says.
    pub judgement: judge::Judgement,
}

impl Judged {
    /// The verdict. Pure.
    #[must_use]
    pub fn decided(self, explained: Explained, rules: &Rules) -> Look {
        Look {
            verdict: decide(self.judgement, &self.gathered, explained, rules),
            gathered: self.gathered,
        }
    }
}

/// Judges evidence that is already there, as the command line does.
#[must_use]
pub fn judge_gathered(gathered: &Gathered, policy: &Policy) -> Verdict {
    decide::alone(judge::judge(&gathered.evidence, policy), gathered)
}

/// What one look at a cluster gave.
#[derive(Clone, Debug, PartialEq)]
pub struct Look {
    /// Go on, go back, or not known yet, and why.
    pub verdict: Verdict,
    /// What it was made from. Its window's start is to be handed to the next
    /// look as [`Earlier::canary_start_ms`].
    pub gathered: Gathered,
}

impl Look {
    /// The decision of the verdict.
    #[must_use]
    pub fn decision(&self) -> Decision {
        self.verdict.decision
    }
}
