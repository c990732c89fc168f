//! The Rollout as the API shows it. Pure.

use kube_stand_in::objects;
use serde_json::{Value, json};

use super::{NAMESPACE, ROLLOUT};
use crate::release::{FIRST_PAUSE_S, LEAST_CANARY};

/// What is shown of the rollout.
#[derive(Debug)]
pub(crate) struct Shown<'a> {
    /// Hash of the version that serves now.
    pub(crate) stable_hash: &'a str,
    /// Hash of the version being tried; the same where there is none.
    pub(crate) current_hash: &'a str,
    /// Weights of the steps, in percent.
    pub(crate) weights: &'a [u8],
    /// Which of them is under way, the first being 0.
    pub(crate) step: usize,
    /// Pods of the version that serves.
    pub(crate) replicas: usize,
}

impl Shown<'_> {
    pub(super) fn json(&self) -> Value {
        let mut rollout = objects::rollout(NAMESPACE, ROLLOUT, self.stable_hash, self.current_hash);
        // To the controller a scale, a weight, the first pause and an analysis
        // are steps of their own.
        let analysis = json!({"analysis": {"templates": [{"templateName": "canary-analysis"}]}});
        let mut steps: Vec<Value> = self
            .weights
            .iter()
            .flat_map(|weight| [json!({"setWeight": weight}), analysis.clone()])
            .collect();
        let pause = json!({"pause": {"duration": format!("{FIRST_PAUSE_S}s")}});
        steps.insert(steps.len().min(1), pause);
        let scale = json!({"setCanaryScale": {"replicas": LEAST_CANARY}});
        steps.insert(0, scale);
        rollout["spec"]["replicas"] = json!(self.replicas);
        rollout["spec"]["strategy"]["canary"]["steps"] = json!(steps);
        rollout["status"]["currentStepIndex"] = json!(2 * self.step + 3);
        rollout
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_step_under_way_is_the_analysis_of_its_weight() {
        let shown = Shown {
            stable_hash: "a",
            current_hash: "b",
            weights: &[20, 100],
            step: 1,
            replicas: 3,
        };
        let rollout = shown.json();
        let steps = &rollout["spec"]["strategy"]["canary"]["steps"];
        assert_eq!(steps[2]["pause"]["duration"], "6s");
        assert_eq!(steps[4]["setWeight"], 100);
        assert_eq!(rollout["status"]["currentStepIndex"], 5);
        assert!(steps[5]["analysis"].is_object());
        assert_eq!(rollout["status"]["stableRS"], "a");
    }
}
