//! Which pods are really this rollout's, and in which arm. Pure.
//!
//! A label selector alone is not enough: a second rollout in the namespace may
//! use the same role labels. So a pod counts only when it also belongs to the
//! Rollout, by the Rollout's own selector, and to the right version, by its
//! template hash.

use judge::Arm;

use crate::objects::{HASH_LABEL, Pod, Rollout};
use crate::request::Request;
use crate::selector::Selector;

/// What decides whether a pod belongs to an arm.
pub(super) struct Membership<'a> {
    request: &'a Request,
    owned_by: OwnedBy,
    canary_hash: Option<&'a str>,
    stable_hash: Option<&'a str>,
}

/// How a pod is known to be the Rollout's.
enum OwnedBy {
    /// The Rollout's own selector, as an object.
    Selector(crate::selector::LabelSelector),
    /// The same as text, which is there with `workloadRef` too.
    Text(Selector),
    /// The Rollout may not be read: its ReplicaSets are called
    /// `<rollout>-<hash>`.
    ReplicaSet,
}

impl<'a> Membership<'a> {
    pub(super) fn new(request: &'a Request, rollout: Option<&'a Rollout>) -> Self {
        let status = rollout.map(|rollout| &rollout.status);
        let owned_by = match rollout {
            Some(rollout) if !rollout.spec.selector.is_empty() => {
                OwnedBy::Selector(rollout.spec.selector.clone())
            }
            Some(rollout) => {
                Selector::parse(&rollout.status.selector).map_or(OwnedBy::ReplicaSet, OwnedBy::Text)
            }
            None => OwnedBy::ReplicaSet,
        };
        let known = |hash: &'a String| (!hash.is_empty()).then_some(hash.as_str());
        Self {
            request,
            owned_by,
            canary_hash: request
                .canary_hash
                .as_deref()
                .filter(|hash| !hash.is_empty())
                .or_else(|| known(&status?.current_pod_hash)),
            stable_hash: status.and_then(|status| known(&status.stable_hash)),
        }
    }

    /// Whether a pod that the arm's selector found belongs to that arm.
    pub(super) fn has(&self, arm: Arm, pod: &Pod) -> bool {
        let Some(hash) = pod.hash() else {
            return false;
        };
        if !self.owns(pod, hash) {
            return false;
        }
        match (arm, self.canary_hash) {
            (Arm::Canary, Some(canary)) => hash == canary,
            (Arm::Stable, Some(canary)) => {
                hash != canary && self.stable_hash.is_none_or(|stable| hash == stable)
            }
            // Without a hash only the labels tell the arms apart. A pod that
            // both selectors take would be compared with itself, and a canary
            // that is its own stable is always as good.
            (Arm::Canary, None) => !self.request.stable.matches(&pod.metadata.labels),
            (Arm::Stable, None) => !self.request.canary.matches(&pod.metadata.labels),
        }
    }

    fn owns(&self, pod: &Pod, hash: &str) -> bool {
        match &self.owned_by {
            OwnedBy::Selector(selector) => selector.matches(&pod.metadata.labels),
            OwnedBy::Text(selector) => selector.matches(&pod.metadata.labels),
            OwnedBy::ReplicaSet => {
                let name = format!("{}-{hash}", self.request.rollout);
                pod.metadata
                    .owner_references
                    .iter()
                    .any(|owner| owner.kind == "ReplicaSet" && owner.name == name)
            }
        }
    }

    /// What an arm's pods are sought by, in words for people.
    pub(super) fn sought(&self, arm: Arm) -> String {
        let Request {
            namespace, rollout, ..
        } = self.request;
        let (selector, version) = match (arm, self.canary_hash, self.stable_hash) {
            (Arm::Canary, Some(canary), _) => {
                (&self.request.canary, format!(",{HASH_LABEL}={canary}"))
            }
            (Arm::Stable, Some(canary), Some(stable)) if stable != canary => {
                (&self.request.stable, format!(",{HASH_LABEL}={stable}"))
            }
            (Arm::Stable, Some(canary), _) => {
                (&self.request.stable, format!(",{HASH_LABEL}!={canary}"))
            }
            (Arm::Canary, None, _) => (&self.request.canary, String::new()),
            (Arm::Stable, None, _) => (&self.request.stable, String::new()),
        };
        format!("{selector}{version} of rollout {rollout} in namespace {namespace}")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::limits::Limits;
    use crate::request::Earlier;

    fn request(canary_hash: Option<&str>) -> Request {
        Request {
            namespace: "shop".into(),
            rollout: "web".into(),
            canary_hash: canary_hash.map(Into::into),
            stable: Selector::parse("role=stable").expect("a selector"),
            canary: Selector::parse("role=canary").expect("a selector"),
            earlier: Earlier::default(),
            limits: Limits::default(),
            now_ms: 0,
        }
    }

    fn rollout(json: serde_json::Value) -> Rollout {
        serde_json::from_value(json).expect("a rollout")
    }

    fn pod(app: &str, role: &str, hash: &str) -> Pod {
        serde_json::from_value(json!({"metadata": {
            "name": format!("{app}-{hash}-x"),
            "labels": {"app": app, "role": role, "rollouts-pod-template-hash": hash},
            "ownerReferences": [{"kind": "ReplicaSet", "name": format!("{app}-{hash}")}]}}))
        .expect("a pod")
    }

    fn members(request: &Request, rollout: Option<&Rollout>, pods: &[(Arm, Pod)]) -> Vec<bool> {
        let membership = Membership::new(request, rollout);
        pods.iter()
            .map(|(arm, pod)| membership.has(*arm, pod))
            .collect()
    }

    /// One pod of each arm, one of each arm of another rollout with the same
    /// role labels, an earlier version's, and pods in the wrong arm.
    fn pods() -> Vec<(Arm, Pod)> {
        vec![
            (Arm::Stable, pod("web", "stable", "aaa")),
            (Arm::Canary, pod("web", "canary", "ccc")),
            (Arm::Stable, pod("other", "stable", "aaa")),
            (Arm::Canary, pod("other", "canary", "ccc")),
            (Arm::Stable, pod("web", "stable", "old")),
            (Arm::Canary, pod("web", "canary", "aaa")),
            (Arm::Stable, pod("web", "stable", "ccc")),
        ]
    }

    #[test]
    fn by_the_rollouts_selector_and_hashes() {
        let rollout = rollout(json!({
            "spec": {"selector": {"matchLabels": {"app": "web"}}},
            "status": {"stableRS": "aaa", "currentPodHash": "ccc"}}));
        let expected = [true, true, false, false, false, false, false];
        assert_eq!(
            members(&request(Some("ccc")), Some(&rollout), &pods()),
            expected
        );
        assert_eq!(
            members(&request(None), Some(&rollout), &pods()),
            expected,
            "the Rollout's current hash stands in for the run's"
        );
    }

    #[test]
    fn with_workload_ref_by_the_selector_in_the_status() {
        let rollout = rollout(json!({
            "spec": {"workloadRef": {"kind": "Deployment", "name": "web"}},
            "status": {"stableRS": "aaa", "selector": "app=web"}}));
        assert_eq!(
            members(&request(Some("ccc")), Some(&rollout), &pods()),
            [true, true, false, false, false, false, false]
        );
    }

    #[test]
    fn without_the_rollout_by_the_replica_sets_name() {
        assert_eq!(
            members(&request(Some("ccc")), None, &pods()),
            [true, true, false, false, true, false, false],
            "which of two older versions is stable cannot be known then"
        );
        let mut orphan = pod("web", "canary", "ccc");
        orphan.metadata.owner_references.clear();
        assert_eq!(
            members(&request(Some("ccc")), None, &[(Arm::Canary, orphan)]),
            [false]
        );
    }

    #[test]
    fn when_stable_is_the_canary_already_nothing_is_stable() {
        let rollout = rollout(json!({
            "spec": {"selector": {"matchLabels": {"app": "web"}}},
            "status": {"stableRS": "ccc"}}));
        assert_eq!(
            members(&request(Some("ccc")), Some(&rollout), &pods()),
            [false, true, false, false, false, false, false]
        );
    }

    #[test]
    fn without_any_hash_no_pod_is_in_both_arms() {
        let mut both = request(None);
        both.stable = Selector::parse("app=web").expect("a selector");
        both.canary = Selector::parse("app=web").expect("a selector");
        let pod = pod("web", "canary", "ccc");
        assert_eq!(
            members(
                &both,
                None,
                &[(Arm::Stable, pod.clone()), (Arm::Canary, pod)]
            ),
            [false, false]
        );
    }

    #[test]
    fn a_pod_without_a_hash_is_nobodys() {
        let rollout = rollout(json!({"spec": {"selector": {"matchLabels": {"app": "web"}}}}));
        let mut pod = pod("web", "stable", "aaa");
        pod.metadata.labels.remove(HASH_LABEL);
        assert_eq!(
            members(&request(Some("ccc")), Some(&rollout), &[(Arm::Stable, pod)]),
            [false]
        );
    }

    #[test]
    fn what_is_sought_can_be_pasted_into_kubectl() {
        let rollout = rollout(json!({"status": {"stableRS": "aaa"}}));
        let request = request(Some("ccc"));
        let membership = Membership::new(&request, Some(&rollout));
        assert_eq!(
            membership.sought(Arm::Canary),
            "role=canary,rollouts-pod-template-hash=ccc of rollout web in namespace shop"
        );
        assert_eq!(
            membership.sought(Arm::Stable),
            "role=stable,rollouts-pod-template-hash=aaa of rollout web in namespace shop"
        );
    }
}
