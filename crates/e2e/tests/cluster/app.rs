//! The demo application in a namespace of its own: deployed, released anew,
//! watched, and shown when something fails.

use std::fmt::Write as _;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use serde_json::{Value, json};

use crate::manifests::render;
use crate::stage::Stage;

/// How often a state is looked at: often enough to see every step of a
/// rollout, whose shortest pause is two seconds.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// Longest time for the first version to be there.
const DEPLOY_LIMIT: Duration = Duration::from_secs(150);
/// Longest time for the controller to see a change: a new one has to take
/// over the lease of the one before.
const SEEN_LIMIT: Duration = Duration::from_secs(90);
/// The rollout's name in `deploy/demo`.
pub(crate) const ROLLOUT: &str = "rollouts-demo";
const ROLLOUTS: &str = "apis/argoproj.io/v1alpha1";

/// What is changed about `deploy/demo`.
#[derive(Debug, Clone)]
pub(crate) struct Setup {
    /// Pods of the rollout.
    pub(crate) replicas: u32,
    /// The weight at which a canary is judged first: a share that so many pods
    /// can have.
    pub(crate) first_weight_percent: u64,
    /// The environment of the first version.
    pub(crate) stable: Environment,
    /// Requests a second to all of them; 0 for no load at all.
    pub(crate) rate_per_s: f64,
    /// How it is rolled out.
    pub(crate) strategy: Strategy,
    /// Keys added to the plugin's configuration.
    pub(crate) plugin: Value,
    /// Keys of the role taken away: resources that the plugin may not read.
    pub(crate) forbidden: &'static [&'static str],
}

/// The environment of a version: names with their values.
pub(crate) type Environment = Vec<(&'static str, String)>;

/// How the new version gets its traffic, and when it is judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Strategy {
    /// As `deploy/demo` has it: judged in the background through all steps.
    Talk,
    /// The first weight, then one measurement as a step of its own, then the
    /// rest.
    Step,
    /// The first weight until it is judged in the background, from the very
    /// start.
    Watched,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            replicas: 4,
            first_weight_percent: 25,
            stable: vec![("COLOR", "blue".to_owned())],
            rate_per_s: 100.0,
            strategy: Strategy::Step,
            plugin: json!({}),
            forbidden: &[],
        }
    }
}

impl Setup {
    /// As a user applies it.
    pub(crate) fn as_shipped() -> Self {
        Self {
            replicas: 10,
            strategy: Strategy::Talk,
            ..Self::default()
        }
    }

    fn overlay(&self) -> Value {
        let canary = match self.strategy {
            Strategy::Talk => json!({}),
            Strategy::Step => json!({
                "analysis": null,
                "steps": [
                    {"setWeight": self.first_weight_percent},
                    {"analysis": {"templates": [{"templateName": "canary-analysis"}]}},
                    {"setWeight": 50},
                    {"pause": {"duration": "2s"}},
                ],
            }),
            Strategy::Watched => json!({
                "analysis": {"startingStep": null},
                "steps": [
                    {"setWeight": self.first_weight_percent},
                    {"pause": {"duration": "180s"}},
                ],
            }),
        };
        let rollout = json!({
            "apiVersion": "argoproj.io/v1alpha1",
            "kind": "Rollout",
            "metadata": {"name": ROLLOUT},
            "spec": {"replicas": self.replicas, "strategy": {"canary": canary}},
        });
        let mut template = vec![json!({
            "op": "add",
            "path": "/spec/metrics/0/provider/plugin/argoproj-labs~1metric-ai",
            "value": self.plugin_block(),
        })];
        if self.strategy == Strategy::Step {
            // A step takes one measurement.
            template.push(json!({"op": "remove", "path": "/spec/metrics/0/interval"}));
        }
        json!({
            "apiVersion": "kustomize.config.k8s.io/v1beta1",
            "kind": "Kustomization",
            "resources": ["demo", "controller/access"],
            "patches": [
                {"patch": rollout.to_string()},
                {
                    "target": {"kind": "Rollout", "name": ROLLOUT},
                    "patch": json!([environment_patch(&self.stable)]).to_string(),
                },
                {
                    "target": {"kind": "AnalysisTemplate", "name": "canary-analysis"},
                    "patch": Value::from(template).to_string(),
                },
                {
                    "target": {"kind": "Deployment", "name": "rollouts-demo-load"},
                    "patch": load_patch(self.rate_per_s).to_string(),
                },
            ],
        })
    }

    fn plugin_block(&self) -> Value {
        let mut block = json!({
            "analysisMode": "default",
            "stableLabel": "role=stable",
            "canaryLabel": "role=canary",
        });
        for (key, value) in self.plugin.as_object().into_iter().flatten() {
            block[key] = value.clone();
        }
        block
    }
}

/// A version is the same image with other settings.
fn environment_patch(settings: &[(&str, impl AsRef<str>)]) -> Value {
    let settings = settings.iter();
    let env: Vec<_> = settings
        .map(|(name, value)| json!({"name": name, "value": value.as_ref()}))
        .collect();
    json!({"op": "replace", "path": "/spec/template/spec/containers/0/env", "value": env})
}

fn load_patch(rate_per_s: f64) -> Value {
    if rate_per_s == 0.0 {
        return json!([{"op": "replace", "path": "/spec/replicas", "value": 0}]);
    }
    json!([{
        "op": "replace",
        "path": "/spec/template/spec/containers/0/args",
        "value": ["load", "--url", "http://rollouts-demo", "--rate", rate_per_s.to_string(),
                  "--duration", "0", "--format", "json"],
    }])
}

/// The application in its namespace.
pub(crate) struct App<'a> {
    pub(crate) stage: &'a Stage<'a>,
    namespace: String,
    /// The weight at which a canary is judged first.
    pub(crate) first_weight_percent: u64,
}

/// What a rollout looked like, reduced to what is asserted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Look {
    pub(crate) phase: String,
    pub(crate) message: String,
    pub(crate) step: u64,
    pub(crate) replicas: u64,
    /// Pods of the newest version.
    pub(crate) updated: u64,
    pub(crate) aborted: bool,
}

impl Look {
    fn of(rollout: &Value) -> Self {
        let status = &rollout["status"];
        let text = |key: &str| status[key].as_str().unwrap_or_default().to_owned();
        Self {
            phase: text("phase"),
            message: text("message"),
            step: status["currentStepIndex"].as_u64().unwrap_or_default(),
            replicas: rollout["spec"]["replicas"].as_u64().unwrap_or_default(),
            updated: status["updatedReplicas"].as_u64().unwrap_or_default(),
            aborted: status["abort"].as_bool().unwrap_or_default(),
        }
    }

    /// The share of the pods that is of the newest version: without a mesh,
    /// the canary's weight.
    pub(crate) fn weight_percent(&self) -> u64 {
        100 * self.updated / self.replicas.max(1)
    }
}

/// A measurement of our metric.
#[derive(Debug, Clone)]
pub(crate) struct Measurement {
    pub(crate) phase: String,
    pub(crate) message: String,
    pub(crate) value: String,
    pub(crate) metadata: Value,
}

/// An AnalysisRun with the measurements of our metric.
#[derive(Debug, Clone)]
pub(crate) struct Run {
    pub(crate) phase: String,
    pub(crate) message: String,
    pub(crate) measurements: Vec<Measurement>,
    /// Measurements in phase Error, also those that are no longer kept.
    pub(crate) errors: u64,
}

impl Run {
    fn of(run: &Value) -> Self {
        let result = &run["status"]["metricResults"][0];
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let measurements = result["measurements"].as_array().into_iter().flatten();
        Self {
            phase: text(&run["status"]["phase"]),
            message: text(&run["status"]["message"]),
            measurements: measurements
                .map(|measurement| Measurement {
                    phase: text(&measurement["phase"]),
                    message: text(&measurement["message"]),
                    value: text(&measurement["value"]),
                    metadata: measurement["metadata"].clone(),
                })
                .collect(),
            errors: result["error"].as_u64().unwrap_or_default(),
        }
    }

    /// The measurements in a phase.
    pub(crate) fn in_phase(&self, phase: &str) -> Vec<&Measurement> {
        let of_phase = self.measurements.iter().filter(|m| m.phase == phase);
        of_phase.collect()
    }
}

/// Deploys the application into a namespace of this name and waits until its
/// first version serves.
pub(crate) fn deploy<'a>(
    stage: &'a Stage<'a>,
    name: &str,
    setup: &Setup,
) -> anyhow::Result<App<'a>> {
    let app = App {
        stage,
        namespace: name.to_owned(),
        first_weight_percent: setup.first_weight_percent,
    };
    app.deploy(setup)
        .map_err(|error| anyhow::anyhow!("deploy: {error:#}\n{}", app.picture()))?;
    Ok(app)
}

/// Runs `work` with the application deployed into a namespace of the
/// scenario's name. What is there is added to the error when it fails, and
/// removed when it does not.
pub(crate) fn with_app(
    stage: &Stage<'_>,
    name: &str,
    setup: &Setup,
    work: impl FnOnce(&App<'_>) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let app = deploy(stage, name, setup)?;
    work(&app).map_err(|error| anyhow::anyhow!("{error:#}\n{}", app.picture()))?;
    app.delete().context("delete the namespace")
}

impl App<'_> {
    fn deploy(&self, setup: &Setup) -> anyhow::Result<()> {
        let namespace = json!({
            "apiVersion": "v1",
            "kind": "Namespace",
            // The pods of the demo are hardened enough for the strictest level.
            "metadata": {
                "name": self.namespace,
                "labels": {"pod-security.kubernetes.io/enforce": "restricted"},
            },
        });
        // With --keep the one of the last run may still be going.
        let path = format!("/api/v1/namespaces/{}", self.namespace);
        self.until("the end of the last namespace", DEPLOY_LIMIT, || {
            let there = self.stage.api.get(&path)?.unwrap_or_default();
            let goes = !there["metadata"]["deletionTimestamp"].is_null();
            Ok((!goes).then_some(()))
        })?;
        self.stage.cluster.apply(&namespace.to_string())?;
        let manifests = render(self.stage.cluster.built(), &setup.overlay(), &[])?;
        self.stage.cluster.apply_in(&self.namespace, &manifests)?;
        if !setup.forbidden.is_empty() {
            self.forbid(setup.forbidden)?;
        }
        self.wait_phase("Healthy", DEPLOY_LIMIT)?;
        if setup.rate_per_s == 0.0 {
            return Ok(());
        }
        self.wait_for_traffic()
    }

    /// Waits until the load has been answered: evidence needs it.
    fn wait_for_traffic(&self) -> anyhow::Result<()> {
        self.until("traffic", DEPLOY_LIMIT, || {
            let pods = self.list("api/v1", "pods")?;
            let load = pods
                .iter()
                .find(|pod| pod["metadata"]["labels"]["app"] == "rollouts-demo-load");
            let ready = load.is_some_and(|pod| pod["status"]["phase"] == "Running");
            Ok(ready.then_some(()))
        })
    }

    fn forbid(&self, resources: &[&str]) -> anyhow::Result<()> {
        let path = format!(
            "/apis/rbac.authorization.k8s.io/v1/namespaces/{}/roles/metric-ai",
            self.namespace
        );
        let role = self.stage.api.get(&path)?.context("the role is there")?;
        let mut rules = role["rules"].as_array().cloned().unwrap_or_default();
        for rule in &mut rules {
            if let Some(list) = rule["resources"].as_array_mut() {
                list.retain(|resource| !resources.iter().any(|r| resource == r));
            }
        }
        rules.retain(|rule| rule["resources"].as_array().is_some_and(|l| !l.is_empty()));
        let patch = json!([{"op": "replace", "path": "/rules", "value": rules}]).to_string();
        self.kubectl(&["patch", "role", "metric-ai", "--type=json", "-p", &patch])?;
        Ok(())
    }

    /// Releases a new version: the same image with other settings.
    pub(crate) fn release(&self, settings: &[(&str, impl AsRef<str>)]) -> anyhow::Result<()> {
        self.release_with(settings, &[])
    }

    /// As [`App::release`], with more containers beside the application's.
    pub(crate) fn release_with(
        &self,
        settings: &[(&str, impl AsRef<str>)],
        beside: &[Value],
    ) -> anyhow::Result<()> {
        let mut patch = vec![environment_patch(settings)];
        patch.extend(beside.iter().map(|container| {
            json!({"op": "add", "path": "/spec/template/spec/containers/-", "value": container})
        }));
        let patch = Value::from(patch).to_string();
        self.kubectl(&["patch", "rollout", ROLLOUT, "--type=json", "-p", &patch])?;
        Ok(())
    }

    /// Changes how many requests a second there are.
    pub(crate) fn set_rate(&self, rate_per_s: f64) -> anyhow::Result<()> {
        let patch = load_patch(rate_per_s).to_string();
        self.kubectl(&[
            "patch",
            "deployment",
            "rollouts-demo-load",
            "--type=json",
            "-p",
            &patch,
        ])?;
        Ok(())
    }

    /// Applies more manifests to the namespace.
    pub(crate) fn apply(&self, manifests: &Value) -> anyhow::Result<()> {
        Ok(self
            .stage
            .cluster
            .apply_in(&self.namespace, &manifests.to_string())?)
    }

    /// Runs kubectl in the namespace.
    pub(crate) fn kubectl(&self, arguments: &[&str]) -> anyhow::Result<String> {
        let mut all = vec!["--namespace", self.namespace.as_str()];
        all.extend(arguments);
        Ok(self.stage.cluster.kubectl(&all)?)
    }

    fn list(&self, api: &str, kind: &str) -> anyhow::Result<Vec<Value>> {
        let path = format!("/{api}/namespaces/{}/{kind}", self.namespace);
        let mut list = self.stage.api.get(&path)?.unwrap_or_default();
        Ok(match list["items"].take() {
            Value::Array(items) => items,
            _ => Vec::new(),
        })
    }

    /// The rollout as it is now, once the controller has seen its newest form:
    /// until then its status is of the one before.
    pub(crate) fn look(&self) -> anyhow::Result<Look> {
        let path = format!(
            "/{ROLLOUTS}/namespaces/{}/rollouts/{ROLLOUT}",
            self.namespace
        );
        self.until("the controller seeing the rollout", SEEN_LIMIT, || {
            let rollout = self.stage.api.get(&path)?.context("the rollout is gone")?;
            let newest = rollout["metadata"]["generation"].to_string();
            let seen = rollout["status"]["observedGeneration"].as_str();
            Ok((seen == Some(newest.as_str())).then(|| Look::of(&rollout)))
        })
    }

    /// The AnalysisRuns, oldest first.
    pub(crate) fn runs(&self) -> anyhow::Result<Vec<Run>> {
        let mut runs = self.list(ROLLOUTS, "analysisruns")?;
        runs.sort_by_key(|run| run["metadata"]["creationTimestamp"].to_string());
        Ok(runs.iter().map(Run::of).collect())
    }

    /// All AnalysisRuns, oldest first, at their end: the controller ends one a
    /// moment after the rollout.
    pub(crate) fn ended_runs(&self) -> anyhow::Result<Vec<Run>> {
        self.until("the end of all AnalysisRuns", SEEN_LIMIT, || {
            let runs = self.runs()?;
            let ended = runs
                .iter()
                .all(|run| !["", "Pending", "Running"].contains(&run.phase.as_str()));
            Ok(ended.then_some(runs))
        })
    }

    /// The newest AnalysisRun, at its end.
    pub(crate) fn newest_run(&self) -> anyhow::Result<Run> {
        self.ended_runs()?.pop().context("there is no AnalysisRun")
    }

    /// The only AnalysisRun that there should be, at its end.
    pub(crate) fn only_run(&self) -> anyhow::Result<Run> {
        let mut runs = self.ended_runs()?;
        match (runs.pop(), runs.is_empty()) {
            (Some(run), true) => Ok(run),
            (run, _) => bail!(
                "not one AnalysisRun but {}",
                runs.len() + usize::from(run.is_some())
            ),
        }
    }

    /// Asks until there is an answer, and fails past the limit.
    pub(crate) fn until<T>(
        &self,
        what: &str,
        limit: Duration,
        mut ask: impl FnMut() -> anyhow::Result<Option<T>>,
    ) -> anyhow::Result<T> {
        let start = Instant::now();
        loop {
            if let Some(answer) = ask()? {
                return Ok(answer);
            }
            if start.elapsed() > limit {
                bail!("{what}: not within {} s", limit.as_secs());
            }
            thread::sleep(LOOK_EVERY);
        }
    }

    /// Waits for a phase of the rollout and returns every different look on
    /// the way, the last included. Fails early in a phase that has no way out.
    pub(crate) fn wait_phase(&self, phase: &str, limit: Duration) -> anyhow::Result<Vec<Look>> {
        let mut seen: Vec<Look> = Vec::new();
        self.until(&format!("phase {phase}"), limit, || {
            let look = self.look()?;
            if seen.last() != Some(&look) {
                seen.push(look.clone());
            }
            if look.phase == phase {
                return Ok(Some(()));
            }
            if look.phase == "Degraded" && look.aborted {
                bail!(
                    "waited for phase {phase}, but it is Degraded: {}",
                    look.message
                );
            }
            Ok(None)
        })?;
        Ok(seen)
    }

    /// Waits until the aborted canary has gone, then sends requests for two
    /// seconds and fails unless all are answered with 200.
    pub(crate) fn check_serves(&self) -> anyhow::Result<()> {
        // A pod that ends goes on answering for seconds, so that no request is
        // lost: only those that are gone answer nothing.
        self.until("the end of the canary's pods", DEPLOY_LIMIT, || {
            let pods = self.list("api/v1", "pods")?;
            let mut roles = pods.iter().map(|pod| &pod["metadata"]["labels"]["role"]);
            Ok((!roles.any(|role| role == "canary")).then_some(()))
        })?;
        let pod = json!({
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "probe"},
            "spec": {
                "restartPolicy": "Never",
                "automountServiceAccountToken": false,
                "securityContext": {"runAsNonRoot": true, "seccompProfile": {"type": "RuntimeDefault"}},
                "containers": [{
                    "name": "load",
                    "image": "localhost/rollouts-demo:dev",
                    "args": ["load", "--url", "http://rollouts-demo", "--rate", "25",
                             "--duration", "2", "--format", "json", "--report-every", "0"],
                    "securityContext": {
                        "allowPrivilegeEscalation": false,
                        "capabilities": {"drop": ["ALL"]},
                    },
                }],
            },
        });
        self.apply(&pod)?;
        self.kubectl(&[
            "wait",
            "pod/probe",
            "--for=jsonpath={.status.phase}=Succeeded",
            "--timeout=50s",
        ])?;
        let said = self.kubectl(&["logs", "probe"])?;
        let summary: Value = serde_json::from_str(said.lines().last().unwrap_or_default())?;
        let (sent, fine) = (&summary["sent"], &summary["statuses"]["200"]);
        if sent != fine || sent.as_u64().unwrap_or_default() == 0 {
            bail!("not all requests were answered with 200: {summary}");
        }
        Ok(())
    }

    /// What there is, for whoever has to find out why it failed.
    pub(crate) fn picture(&self) -> String {
        let mut picture = format!("in namespace {}:\n", self.namespace);
        let asked: [&[&str]; 5] = [
            &["get", "pods", "-o", "wide", "--show-labels"],
            &["get", "rollouts", "-o", "yaml"],
            &["get", "analysisruns", "-o", "yaml"],
            &["get", "events", "--sort-by=.lastTimestamp"],
            &["logs", "deployment/rollouts-demo-load", "--tail=3"],
        ];
        for arguments in asked {
            let answer = self
                .kubectl(arguments)
                .unwrap_or_else(|error| format!("{error:#}\n"));
            let _infallible = write!(picture, "--- kubectl {}\n{answer}", arguments.join(" "));
        }
        let _infallible = write!(
            picture,
            "--- controller log\n{}",
            self.stage.controller_log()
        );
        picture
    }

    fn delete(&self) -> anyhow::Result<()> {
        let arguments = ["delete", "namespace", &self.namespace, "--wait=false"];
        self.stage.cluster.kubectl(&arguments)?;
        Ok(())
    }
}
