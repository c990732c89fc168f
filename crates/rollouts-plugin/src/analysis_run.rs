//! Argo's analysis run: which rollout is analysed, with what, and how far it has come.

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;

use crate::{Measurement, Metric, Phase};

/// One run of one or more analysis templates (Argo's `v1alpha1.AnalysisRun`).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AnalysisRun {
    /// Name, namespace, labels, owner.
    pub metadata: ObjectMeta,
    /// What is measured.
    pub spec: AnalysisRunSpec,
    /// What has been measured so far.
    pub status: AnalysisRunStatus,
}

/// The Kubernetes metadata of an object, as far as a plugin may need it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ObjectMeta {
    /// Name in its namespace.
    pub name: String,
    /// Namespace.
    pub namespace: String,
    /// Unique in the cluster and over time.
    pub uid: String,
    /// Grows with each change of the spec.
    pub generation: i64,
    /// When the API server created it.
    pub creation_timestamp: Option<Timestamp>,
    /// When it is to be deleted, if it is.
    pub deletion_timestamp: Option<Timestamp>,
    /// Labels; a run has `rollout-type` and `rollouts-pod-template-hash`.
    pub labels: BTreeMap<String, String>,
    /// Annotations.
    pub annotations: BTreeMap<String, String>,
    /// Who owns it; of a run that is its Rollout (or its Experiment).
    pub owner_references: Vec<OwnerReference>,
}

/// An owner of a Kubernetes object.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OwnerReference {
    /// The owner's API version, such as `argoproj.io/v1alpha1`.
    pub api_version: String,
    /// The owner's kind, such as `Rollout`.
    pub kind: String,
    /// The owner's name, in the same namespace.
    pub name: String,
    /// The owner's uid.
    pub uid: String,
    /// Whether it is the controlling owner. Gob does not tell `false` from unset.
    pub controller: bool,
}

/// What a run measures (Argo's `v1alpha1.AnalysisRunSpec`).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AnalysisRunSpec {
    /// The metrics, their arguments not resolved; the metric of a call has them resolved.
    pub metrics: Vec<Metric>,
    /// The run's arguments.
    pub args: Vec<Argument>,
    /// Set to end the run.
    pub terminate: bool,
    /// Metrics whose outcome does not count.
    pub dry_run: Vec<DryRun>,
}

/// An argument of a run. Its value may be a credential, so `Debug` does not show it.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Argument {
    /// The name used in `{{args.name}}`.
    pub name: String,
    /// The value; none where it comes from a secret or a field (and gob sends none for an empty
    /// one).
    pub value: Option<String>,
}

impl fmt::Debug for Argument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Argument")
            .field("name", &self.name)
            .field("value", &self.value.as_ref().map(|_| "***"))
            .finish()
    }
}

/// Names metrics whose outcome does not count.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DryRun {
    /// A metric's name, or a regular expression over names.
    pub metric_name: String,
}

/// How far a run has come (Argo's `v1alpha1.AnalysisRunStatus`).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AnalysisRunStatus {
    /// The run's phase.
    pub phase: Phase,
    /// Why.
    pub message: String,
    /// One entry per metric that has been measured.
    pub metric_results: Vec<MetricResult>,
    /// When the run began.
    pub started_at: Option<Timestamp>,
    /// When the run ended (Argo 1.8 and later).
    pub completed_at: Option<Timestamp>,
}

/// What has been measured for one metric (Argo's `v1alpha1.MetricResult`).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MetricResult {
    /// The metric's name.
    pub name: String,
    /// The metric's phase.
    pub phase: Phase,
    /// The newest measurements (10 by default), oldest first.
    pub measurements: Vec<Measurement>,
    /// Why.
    pub message: String,
    /// Measurements that counted, errors not among them.
    pub count: i32,
    /// Of those, successful.
    pub successful: i32,
    /// Of those, failed.
    pub failed: i32,
    /// Of those, inconclusive.
    pub inconclusive: i32,
    /// Measurements that ended in an error.
    pub error: i32,
    /// Errors in a row, up to now.
    pub consecutive_error: i32,
    /// Successes in a row, up to now (Argo 1.8 and later).
    pub consecutive_success: i32,
    /// Whether the metric's outcome does not count.
    pub dry_run: bool,
    /// What the provider's `metadata` returned.
    pub metadata: BTreeMap<String, String>,
}

impl AnalysisRun {
    /// The result so far of the metric called `name`.
    pub fn metric_result(&self, name: &str) -> Option<&MetricResult> {
        self.status
            .metric_results
            .iter()
            .find(|result| result.name == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_argument_that_may_be_a_credential_does_not_show_in_debug() {
        let argument = Argument {
            name: "token".into(),
            value: Some("hunter2".into()),
        };
        assert_eq!(
            format!("{argument:?}"),
            r#"Argument { name: "token", value: Some("***") }"#
        );
    }
}
