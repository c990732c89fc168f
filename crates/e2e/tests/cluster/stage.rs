//! What all scenarios share: the images in the cluster, the controller with
//! our plugin, and the API.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, bail};
use e2e::api::Api;
use e2e::cluster::Cluster;
use e2e::command::output;
use e2e::oci::Image;
use e2e::progress;
use e2e::tools::{ROLLOUTS_1_8, ROLLOUTS_1_10, Tool};
use serde_json::{Value, json};

use crate::binaries::Binaries;
use crate::manifests::render;
use crate::stand_ins;

/// Longest time for the controller to start: its readiness probe waits, and a
/// lease of the one before may have to run out.
const CONTROLLER_LIMIT: Duration = Duration::from_secs(180);
/// Lines of the controller's log that are shown for a failure.
const LOG_TAIL: &str = "--tail=80";
/// The controller's namespace.
const NAMESPACE: &str = "argo-rollouts";
/// The plugin's and the stock controller's user.
const CONTROLLER_USER: u32 = 999;

/// A version of Argo Rollouts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Argo {
    /// 1.10.1
    V1_10,
    /// 1.8.5
    V1_8,
}

impl Argo {
    fn tool(self) -> &'static Tool {
        match self {
            Self::V1_10 => &ROLLOUTS_1_10,
            Self::V1_8 => &ROLLOUTS_1_8,
        }
    }

    pub(crate) fn version(self) -> &'static str {
        match self {
            Self::V1_10 => "1.10.1",
            Self::V1_8 => "1.8.5",
        }
    }

    fn image(self) -> String {
        format!("localhost/canary-judge/argo-rollouts:{}", self.version())
    }
}

/// What the operator of the controller has set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operator {
    /// Nothing: as `deploy/controller` has it, the plugin judges alone.
    Plain,
    /// A key for models and where they are, and a token for the agent.
    WithKeys,
}

/// Names of Secrets: the one that `deploy/controller` mounts where it is
/// there, and the one with the agent's token.
const KEYS_SECRET: &str = "argo-rollouts";
const AGENT_SECRET: &str = "agent";

impl Operator {
    /// What is changed about the controller as shipped.
    fn patches(self, run: &Value) -> Vec<Value> {
        if self == Self::Plain {
            return Vec::new();
        }
        let entry = json!([{
            "name": "argoproj-labs/metric-ai",
            "location": "file:///plugins/rollouts-plugin-metric-ai",
            "args": [
                format!("--gemini-url={}", stand_ins::GEMINI),
                format!("--openai-url={}/v1", stand_ins::NOBODY),
                format!("--agent-origin={}", stand_ins::AGENT),
                "--agent-token-file=/etc/agent/token",
            ],
        }]);
        vec![
            json!({
                "target": {"kind": "ConfigMap", "name": "argo-rollouts-config"},
                "patch": json!([{
                    "op": "replace",
                    "path": "/data/metricProviderPlugins",
                    // JSON is YAML.
                    "value": entry.to_string(),
                }]).to_string(),
            }),
            json!({
                "target": {"kind": "Deployment", "name": "argo-rollouts"},
                "patch": json!([
                    {
                        "op": "add",
                        "path": "/spec/template/spec/volumes/-",
                        "value": {"name": "agent", "secret": {"secretName": AGENT_SECRET}},
                    },
                    {
                        "op": "add",
                        "path": "/spec/template/spec/containers/0/volumeMounts/-",
                        "value": {"name": "agent", "mountPath": "/etc/agent", "readOnly": true},
                    },
                    // A Secret's new content would reach a running pod a minute late.
                    {"op": "add", "path": "/spec/template/metadata/annotations", "value": run},
                ]).to_string(),
            }),
        ]
    }

    /// The Secrets that must be there before the controller starts.
    fn secrets(self) -> Vec<Value> {
        let secret = |name: &str, key: &str, value: &str| {
            json!({
                "apiVersion": "v1",
                "kind": "Secret",
                "metadata": {"name": name},
                "stringData": {key: value},
            })
        };
        match self {
            Self::Plain => Vec::new(),
            Self::WithKeys => vec![
                secret(KEYS_SECRET, "google_api_key", stand_ins::MODEL_KEY),
                secret(AGENT_SECRET, "token", stand_ins::AGENT_TOKEN),
            ],
        }
    }
}

/// The shared part of a run of the tests.
pub(crate) struct Stage<'a> {
    pub(crate) cluster: &'a Cluster,
    pub(crate) api: Api,
    /// An annotation that no other run of the tests has: a pod that carries it
    /// was started by this one.
    pub(crate) run: Value,
}

impl<'a> Stage<'a> {
    /// Loads all images.
    pub(crate) fn new(cluster: &'a Cluster, binaries: &Binaries) -> anyhow::Result<Self> {
        let mut images = vec![
            Image {
                user: CONTROLLER_USER,
                ..Image::of_program("localhost/rollouts-plugin-metric-ai:dev", &binaries.plugin)
            },
            Image::of_program("localhost/rollouts-demo:dev", &binaries.demo),
        ];
        for argo in [Argo::V1_10, Argo::V1_8] {
            let program = cluster.built().path(argo.tool(), "rollouts-controller");
            images.push(Image {
                name: argo.image(),
                files: BTreeMap::from([("bin/rollouts-controller".to_owned(), program)]),
                entrypoint: vec!["/bin/rollouts-controller".to_owned()],
                user: CONTROLLER_USER,
                working_folder: "/home/argo-rollouts".to_owned(),
                arguments: Vec::new(),
                labels: BTreeMap::new(),
            });
        }
        images.extend(binaries.stand_ins.iter().flat_map(stand_ins::images));
        cluster.load(&images)?;
        let api = Api::open(cluster)?;
        let run = json!({"canary-judge/run": jiff::Timestamp::now().to_string()});
        Ok(Self { cluster, api, run })
    }

    /// Installs a version of Argo Rollouts from its own manifest, with our
    /// plugin added by `deploy/controller`, and waits until it runs.
    pub(crate) fn install(&self, argo: Argo, operator: Operator) -> anyhow::Result<()> {
        let with = match operator {
            Operator::Plain => "",
            Operator::WithKeys => " for an operator with keys",
        };
        let what = format!("install Argo Rollouts {}{with}", argo.version());
        progress::step(&what, || {
            let mut overlay = json!({
                "apiVersion": "kustomize.config.k8s.io/v1beta1",
                "kind": "Kustomization",
                "namespace": NAMESPACE,
                "resources": ["install.yaml"],
                "components": ["controller"],
                "patches": [{
                    "target": {"kind": "Deployment", "name": "argo-rollouts"},
                    "patch": json!([
                        {"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": argo.image()},
                        {"op": "replace", "path": "/spec/template/spec/containers/0/imagePullPolicy", "value": "IfNotPresent"},
                        {"op": "replace", "path": "/spec/template/spec/containers/0/env/0/value", "value": "debug"},
                    ]).to_string(),
                }],
            });
            if let Some(patches) = overlay["patches"].as_array_mut() {
                patches.extend(operator.patches(&self.run));
            }
            let manifest = self.cluster.built().path(argo.tool(), "install.yaml");
            let built = self.cluster.built();
            let rendered = render(built, &overlay, &[("install.yaml", manifest.as_path())])?;
            let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}});
            self.cluster.apply(&namespace.to_string())?;
            self.set_secrets(operator)?;
            self.cluster.apply_in(NAMESPACE, &rendered)?;
            if operator == Operator::WithKeys {
                stand_ins::deploy(self)?;
            }
            self.wait_for_controller()
        })
        .with_context(|| self.controller_log())
    }

    /// The operator's Secrets, and none of another's.
    fn set_secrets(&self, operator: Operator) -> anyhow::Result<()> {
        let arguments = ["--namespace", NAMESPACE, "delete", "secret"];
        let names = [KEYS_SECRET, AGENT_SECRET, "--ignore-not-found"];
        self.cluster.kubectl(&[&arguments[..], &names].concat())?;
        for secret in operator.secrets() {
            self.cluster.apply_in(NAMESPACE, &secret.to_string())?;
        }
        Ok(())
    }

    /// Waits until the controller's deployment is wholly of its newest form.
    pub(crate) fn wait_for_controller(&self) -> anyhow::Result<()> {
        let mut kubectl = self.cluster.kubectl_command()?;
        kubectl.args(["--namespace", NAMESPACE, "rollout", "status"]);
        kubectl.args(["deployment/argo-rollouts", "--timeout=170s"]);
        output(&mut kubectl, CONTROLLER_LIMIT)?;
        Ok(())
    }

    /// The name and the UID of the controller's pod.
    pub(crate) fn controller_pod(&self) -> anyhow::Result<(String, String)> {
        let path = format!("/api/v1/namespaces/{NAMESPACE}/pods");
        let list = self.api.get(&path)?.unwrap_or_default();
        let pods = list["items"].as_array().into_iter().flatten();
        let mut running = pods.filter(|pod| pod["metadata"]["deletionTimestamp"].is_null());
        let Some(pod) = running.next() else {
            bail!("there is no controller pod");
        };
        let text = |key: &str| pod["metadata"][key].as_str().unwrap_or_default().to_owned();
        Ok((text("name"), text("uid")))
    }

    /// Deletes the controller's pod, without waiting for the next one.
    pub(crate) fn delete_controller_pod(&self) -> anyhow::Result<()> {
        let (name, _) = self.controller_pod()?;
        let arguments = [
            "--namespace",
            NAMESPACE,
            "delete",
            "pod",
            &name,
            "--wait=false",
        ];
        self.cluster.kubectl(&arguments)?;
        Ok(())
    }

    /// The end of the controller's log, which holds the plugin's as well.
    pub(crate) fn controller_log(&self) -> String {
        let arguments = [
            "--namespace",
            NAMESPACE,
            "logs",
            "deployment/argo-rollouts",
            LOG_TAIL,
        ];
        match self.cluster.try_kubectl(&arguments) {
            Ok(outcome) => format!("{}{}", outcome.stdout, outcome.stderr),
            Err(error) => format!("no log: {error:#}"),
        }
    }

    /// Whether the controller's log says `words`.
    pub(crate) fn controller_log_has(&self, words: &str) -> anyhow::Result<bool> {
        let arguments = ["--namespace", NAMESPACE, "logs", "deployment/argo-rollouts"];
        Ok(self.cluster.kubectl(&arguments)?.contains(words))
    }
}
