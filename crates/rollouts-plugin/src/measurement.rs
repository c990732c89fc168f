//! Argo's measurement: the answer to one question about one metric.

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;

/// One measurement of one metric (Argo's `v1alpha1.Measurement`).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Measurement {
    /// Where the measurement stands.
    pub phase: Phase,
    /// Why: of a failed measurement, the line that people see in the Rollout's status.
    pub message: String,
    /// When it began.
    pub started_at: Option<Timestamp>,
    /// When it ended; set it whenever the phase is finished.
    pub finished_at: Option<Timestamp>,
    /// The measured value as text; a plain number shows in lists and charts.
    pub value: String,
    /// Anything else worth keeping; it comes back in `resume` and is stored in the analysis run.
    pub metadata: BTreeMap<String, String>,
    /// For a `Running` measurement, when the controller should call `resume`.
    pub resume_at: Option<Timestamp>,
}

impl Measurement {
    /// A measurement that begins at `at`, without a phase yet.
    pub fn started(at: Timestamp) -> Self {
        Self {
            started_at: Some(at),
            ..Self::default()
        }
    }

    /// The same measurement, `Running`, to be resumed at `resume_at`.
    pub fn waiting(self, resume_at: Timestamp, message: impl Into<String>) -> Self {
        Self {
            phase: Phase::Running,
            message: message.into(),
            resume_at: Some(resume_at),
            finished_at: None,
            ..self
        }
    }

    /// The same measurement, finished at `at` in `phase`.
    pub fn finished(self, phase: Phase, at: Timestamp, message: impl Into<String>) -> Self {
        Self {
            phase,
            message: message.into(),
            resume_at: None,
            finished_at: Some(at),
            ..self
        }
    }
}

/// The phase of a measurement, a metric or an analysis run (Argo's `v1alpha1.AnalysisPhase`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Phase {
    /// Not set yet: Go's zero value, the empty string.
    #[default]
    Unset,
    /// Waiting to start.
    Pending,
    /// Under way.
    Running,
    /// Finished: the metric is good.
    Successful,
    /// Finished: the metric is bad.
    Failed,
    /// Finished: it could not be measured.
    Error,
    /// Finished: measured, but neither good nor bad.
    Inconclusive,
}

impl Phase {
    /// Argo's spelling; empty for [`Phase::Unset`].
    pub fn as_str(self) -> &'static str {
        match self {
            Phase::Unset => "",
            Phase::Pending => "Pending",
            Phase::Running => "Running",
            Phase::Successful => "Successful",
            Phase::Failed => "Failed",
            Phase::Error => "Error",
            Phase::Inconclusive => "Inconclusive",
        }
    }

    /// Whether nothing more will happen (Argo's `AnalysisPhase.Completed`).
    pub fn is_completed(self) -> bool {
        matches!(
            self,
            Phase::Successful | Phase::Failed | Phase::Error | Phase::Inconclusive
        )
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl TryFrom<&str> for Phase {
    type Error = UnknownPhase;

    fn try_from(text: &str) -> Result<Self, UnknownPhase> {
        Ok(match text {
            "" => Phase::Unset,
            "Pending" => Phase::Pending,
            "Running" => Phase::Running,
            "Successful" => Phase::Successful,
            "Failed" => Phase::Failed,
            "Error" => Phase::Error,
            "Inconclusive" => Phase::Inconclusive,
            // The text is a peer's and may be megabytes: name its length, not its bytes.
            other => return Err(UnknownPhase { len: other.len() }),
        })
    }
}

/// A phase that Argo Rollouts does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("unknown analysis phase ({len} bytes)")]
pub struct UnknownPhase {
    len: usize,
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Phase; 7] = [
        Phase::Unset,
        Phase::Pending,
        Phase::Running,
        Phase::Successful,
        Phase::Failed,
        Phase::Error,
        Phase::Inconclusive,
    ];

    #[test]
    fn every_phase_reads_back_as_itself() {
        for phase in ALL {
            assert_eq!(Phase::try_from(phase.as_str()), Ok(phase));
        }
    }

    #[test]
    fn an_unknown_phase_is_an_error_and_not_a_success() {
        for text in ["successful", "Succeeded", " Running", "Failed\0"] {
            assert!(Phase::try_from(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn finished_phases_are_argos_four() {
        let finished: Vec<_> = ALL.into_iter().filter(|p| p.is_completed()).collect();
        assert_eq!(
            finished,
            [
                Phase::Successful,
                Phase::Failed,
                Phase::Error,
                Phase::Inconclusive
            ]
        );
    }
}
