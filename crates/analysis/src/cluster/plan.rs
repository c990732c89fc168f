//! Which logs to read, and how much of each. Pure.

use judge::Arm;
use judge::evidence::LeftOut;

use crate::limits::Limits;
use crate::objects::{ContainerStatus, Pod};

/// Containers that stand beside an application and say nothing about it: the
/// names under which meshes, secret agents, log shippers and proxies are
/// injected.
const SIDECARS: &[&str] = &[
    "aws-xray",
    "cloud-sql-proxy",
    "cloudsql-proxy",
    "consul-connect-inject-init",
    "consul-dataplane",
    "daprd",
    "datadog-agent",
    "envoy",
    "envoy-sidecar",
    "filebeat",
    "fluent-bit",
    "fluentd",
    "gke-gcsfuse-sidecar",
    "istio-init",
    "istio-proxy",
    "istio-validation",
    "jaeger-agent",
    "kube-rbac-proxy",
    "kuma-init",
    "kuma-sidecar",
    "linkerd-debug",
    "linkerd-init",
    "linkerd-network-validator",
    "linkerd-proxy",
    "oauth2-proxy",
    "otc-container",
    "otel-collector",
    "promtail",
    "queue-proxy",
    "vault-agent",
    "vault-agent-init",
    "xray-daemon",
];

/// One log that is to be read.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct LogPlan {
    pub(super) arm: Arm,
    pub(super) pod: String,
    pub(super) container: String,
    /// Whether it is the log of the container before its last restart.
    pub(super) previous: bool,
}

impl LogPlan {
    /// What the log is called in messages.
    pub(super) fn name(&self) -> String {
        let previous = if self.previous { " (previous)" } else { "" };
        format!("{}/{}{previous}", self.pod, self.container)
    }
}

/// The logs of both arms in canonical order, and what is left out of them.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Plan {
    pub(super) logs: Vec<LogPlan>,
    /// Bytes that each log may have.
    pub(super) bytes_per_log: u64,
    pub(super) left_out: Vec<LeftOut>,
}

/// Plans the reading of both arms. `start_ms` is where the window starts.
pub(super) fn plan(stable: &[Pod], canary: &[Pod], start_ms: Option<i64>, limits: &Limits) -> Plan {
    let mut plan = Plan::default();
    for (arm, pods) in [(Arm::Stable, stable), (Arm::Canary, canary)] {
        // By name: a ReplicaSet's names end at random, so the first of them
        // are a fair sample, and the same one at every look.
        let mut pods: Vec<&Pod> = pods.iter().collect();
        pods.sort_by(|a, b| a.metadata.name.cmp(&b.metadata.name));
        let read = pods.len().min(limits.pods_per_arm);
        if pods.len() > read {
            plan.left_out.push(LeftOut {
                arm,
                what: format!("logs of {} of {} pods", pods.len() - read, pods.len()),
                why: format!(
                    "no more than {} pods of an arm are read",
                    limits.pods_per_arm
                ),
            });
        }
        for pod in &pods[..read] {
            plan_pod(arm, pod, start_ms, &mut plan);
        }
    }
    plan.logs.sort();
    let count = u64::try_from(plan.logs.len().max(1)).unwrap_or(u64::MAX);
    plan.bytes_per_log = limits.log_bytes.min(limits.all_log_bytes / count).max(1);
    plan
}

fn plan_pod(arm: Arm, pod: &Pod, start_ms: Option<i64>, plan: &mut Plan) {
    for container in application_containers(pod) {
        let status = pod
            .status
            .container_statuses
            .iter()
            .chain(&pod.status.init_container_statuses)
            .find(|status| status.name == container);
        let log = |previous| LogPlan {
            arm,
            pod: pod.metadata.name.clone(),
            container: container.to_owned(),
            previous,
        };
        if status.is_some_and(has_log) {
            plan.logs.push(log(false));
        } else {
            plan.left_out.push(LeftOut {
                arm,
                what: log(false).name(),
                why: "the container has not started".to_owned(),
            });
        }
        if status.is_some_and(|status| has_previous_log(status, start_ms)) {
            plan.logs.push(log(true));
        }
    }
}

/// The containers whose logs are the application's: all but sidecars. Init
/// containers count when they are native sidecars of the application's own.
/// Where every name is a sidecar's (a rollout of Envoy itself), all count.
fn application_containers(pod: &Pod) -> Vec<&str> {
    let containers = pod.spec.containers.iter().map(|c| c.name.as_str());
    let beside = pod
        .spec
        .init_containers
        .iter()
        .filter(|c| c.restart_policy == "Always")
        .map(|c| c.name.as_str());
    let own: Vec<&str> = containers
        .clone()
        .chain(beside)
        .filter(|name| SIDECARS.binary_search(name).is_err())
        .collect();
    if own.is_empty() {
        containers.collect()
    } else {
        own
    }
}

fn has_log(status: &ContainerStatus) -> bool {
    status.state.running.is_some()
        || status.state.terminated.is_some()
        || status.last_state.terminated.is_some()
}

/// Whether there is a log before the last restart that is not the one which
/// the API server gives as the current one: while a container waits, its
/// current log is that of its last run, and reading it twice would count every
/// line twice.
fn has_previous_log(status: &ContainerStatus, start_ms: Option<i64>) -> bool {
    let waits = status.state.running.is_none() && status.state.terminated.is_none();
    status.restart_count > 0
        && !waits
        && status.last_state.terminated.as_ref().is_some_and(|ended| {
            // What ended before the window has no line in it.
            match (ended.finished_at.0, start_ms) {
                (Some(finished_ms), Some(start_ms)) => finished_ms >= start_ms,
                _ => true,
            }
        })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn pod(name: &str, containers: &[&str], statuses: Value) -> Pod {
        let containers: Vec<_> = containers
            .iter()
            .map(|name| json!({"name": name}))
            .collect();
        serde_json::from_value(json!({
            "metadata": {"name": name},
            "spec": {"containers": containers},
            "status": {"containerStatuses": statuses}}))
        .expect("a pod")
    }

    fn running(name: &str) -> Value {
        json!({"name": name, "state": {"running": {}}})
    }

    fn names(plan: &Plan) -> Vec<String> {
        plan.logs.iter().map(LogPlan::name).collect()
    }

    fn of_canary(pod: Pod) -> Plan {
        plan(&[], &[pod], Some(1_767_323_045_000), &Limits::default())
    }

    #[test]
    fn the_table_of_sidecars_is_sorted() {
        assert!(SIDECARS.is_sorted(), "binary search needs it");
    }

    #[test]
    fn all_application_containers_and_no_sidecar() {
        let both = ["web", "istio-proxy", "worker", "linkerd-proxy"];
        let statuses: Vec<_> = both.iter().map(|name| running(name)).collect();
        assert_eq!(
            names(&of_canary(pod("p", &both, json!(statuses)))),
            ["p/web", "p/worker"]
        );
    }

    #[test]
    fn native_sidecars_of_the_application_count_init_containers_do_not() {
        let pod: Pod = serde_json::from_value(json!({
            "metadata": {"name": "p"},
            "spec": {"containers": [{"name": "web"}], "initContainers": [
                {"name": "migrate"}, {"name": "cache", "restartPolicy": "Always"},
                {"name": "istio-proxy", "restartPolicy": "Always"}]},
            "status": {"containerStatuses": [running("web")],
                "initContainerStatuses": [running("migrate"), running("cache"),
                    running("istio-proxy")]}}))
        .expect("a pod");
        assert_eq!(names(&of_canary(pod)), ["p/cache", "p/web"]);
    }

    #[test]
    fn a_rollout_of_a_proxy_itself_is_read() {
        let pod = pod("p", &["envoy"], json!([running("envoy")]));
        assert_eq!(names(&of_canary(pod)), ["p/envoy"]);
    }

    #[test]
    fn previous_logs_of_restarted_containers_once() {
        let ended = json!({"terminated": {"exitCode": 1, "finishedAt": "2026-01-02T03:04:06Z"}});
        let long_ago = json!({"terminated": {"exitCode": 1, "finishedAt": "2026-01-02T03:04:04Z"}});
        for (what, status, expected) in [
            (
                "runs again",
                json!({"state": {"running": {}}, "lastState": ended, "restartCount": 1}),
                vec!["p/web", "p/web (previous)"],
            ),
            (
                "ended again",
                json!({"state": ended, "lastState": ended, "restartCount": 1}),
                vec!["p/web", "p/web (previous)"],
            ),
            (
                "waits in a crash loop: the current log is the last run's",
                json!({"state": {"waiting": {"reason": "CrashLoopBackOff"}}, "lastState": ended,
                    "restartCount": 3}),
                vec!["p/web"],
            ),
            (
                "ended before the window",
                json!({"state": {"running": {}}, "lastState": long_ago, "restartCount": 1}),
                vec!["p/web"],
            ),
            (
                "was restarted, but nothing is known of it",
                json!({"state": {"running": {}}, "lastState": {}, "restartCount": 1}),
                vec!["p/web"],
            ),
            (
                "has not started",
                json!({"state": {"waiting": {"reason": "ImagePullBackOff"}}}),
                vec![],
            ),
        ] {
            let mut status = status;
            status["name"] = json!("web");
            let plan = of_canary(pod("p", &["web"], json!([status])));
            assert_eq!(names(&plan), expected, "{what}");
            assert_eq!(plan.left_out.is_empty(), !expected.is_empty(), "{what}");
        }
    }

    #[test]
    fn too_many_pods_are_cut_by_name_and_said() {
        let pods: Vec<_> = ["d", "b", "a", "c"]
            .iter()
            .map(|name| pod(name, &["web"], json!([running("web")])))
            .collect();
        let limits = Limits {
            pods_per_arm: 3,
            ..Limits::default()
        };
        let plan = plan(&pods, &[], None, &limits);
        assert_eq!(names(&plan), ["a/web", "b/web", "c/web"]);
        assert_eq!(plan.left_out[0].what, "logs of 1 of 4 pods");
    }

    #[test]
    fn all_logs_share_the_bytes_of_a_look() {
        let pods: Vec<_> = (0..4)
            .map(|n| pod(&format!("p{n}"), &["web"], json!([running("web")])))
            .collect();
        let limits = Limits {
            log_bytes: 1_000,
            all_log_bytes: 2_000,
            ..Limits::default()
        };
        assert_eq!(plan(&pods, &[], None, &limits).bytes_per_log, 500);
        assert_eq!(plan(&pods[..1], &[], None, &limits).bytes_per_log, 1_000);
    }
}
