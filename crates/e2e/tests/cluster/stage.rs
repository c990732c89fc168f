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
use serde_json::json;

use crate::binaries::Binaries;
use crate::manifests::render;

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

/// The shared part of a run of the tests.
pub(crate) struct Stage<'a> {
    pub(crate) cluster: &'a Cluster,
    pub(crate) api: Api,
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
        cluster.load(&images)?;
        let api = Api::open(cluster)?;
        Ok(Self { cluster, api })
    }

    /// Installs a version of Argo Rollouts from its own manifest, with our
    /// plugin added by `deploy/controller`, and waits until it runs.
    pub(crate) fn install(&self, argo: Argo) -> anyhow::Result<()> {
        let what = format!("install Argo Rollouts {}", argo.version());
        progress::step(&what, || {
            let overlay = json!({
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
            let manifest = self.cluster.built().path(argo.tool(), "install.yaml");
            let built = self.cluster.built();
            let rendered = render(built, &overlay, &[("install.yaml", manifest.as_path())])?;
            let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}});
            self.cluster.apply(&namespace.to_string())?;
            self.cluster.apply_in(NAMESPACE, &rendered)?;
            self.wait_for_controller()
        })
        .with_context(|| self.controller_log())
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
