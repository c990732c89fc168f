//! Judged once, as a step: the rollout waits for the verdict.

use anyhow::ensure;
use serde_json::json;

use crate::app::{App, Measurement, Setup, with_app};
use crate::message::check_injected;
use crate::stage::Stage;
use crate::verdicts;

/// The whole AnalysisRun is one object, kept many times over.
const METADATA_LIMIT_BYTES: usize = 4096;
/// The share of errors that is injected.
const INJECTED_PERCENT: f64 = 40.0;

pub(crate) fn good(stage: &Stage<'_>, name: &str) -> anyhow::Result<()> {
    with_app(stage, name, &Setup::default(), |app| {
        app.release(&[("COLOR", "green")])?;
        check_promoted(app)?;
        // What users are told to search the controller's log for.
        for words in [
            "Successfully loaded plugin: argoproj-labs/metric-ai",
            "AI metric",
        ] {
            let found = stage.controller_log_has(words)?;
            ensure!(found, "the controller's log does not say {words:?}");
        }
        Ok(())
    })
}

pub(crate) fn errors(stage: &Stage<'_>, name: &str) -> anyhow::Result<()> {
    with_app(stage, name, &Setup::default(), |app| {
        app.release(&[("COLOR", "yellow"), ("ERROR_RATE", "40")])?;
        let verdict = verdicts::aborted(app)?;
        check_injected(&verdict.message, INJECTED_PERCENT)?;
        app.only_run().map(drop)
    })
}

/// Another rollout of the namespace, with the same role labels, of which
/// every pod answers nothing but errors.
pub(crate) fn second_rollout(stage: &Stage<'_>, name: &str) -> anyhow::Result<()> {
    with_app(stage, name, &Setup::default(), |app| {
        add_second(app)?;
        app.release(&[("COLOR", "green")])?;
        check_promoted(app)
    })
}

fn check_promoted(app: &App<'_>) -> anyhow::Result<()> {
    let verdict = verdicts::promoted(app)?;
    ensure!(
        verdict.message.contains("canary promoted: 0/"),
        "{verdict:?}"
    );
    app.only_run()?;
    check_metadata(&verdict)
}

/// What `kubectl get analysisrun -o yaml` shows beside the message.
fn check_metadata(measurement: &Measurement) -> anyhow::Result<()> {
    let metadata = &measurement.metadata;
    let text = |key: &str| metadata[key].as_str().unwrap_or_default();
    ensure!(!text("analysis").is_empty(), "{metadata}");
    let confidence: u32 = text("confidence").parse()?;
    ensure!((51..=99).contains(&confidence), "{metadata}");
    let analysis: serde_json::Value = serde_json::from_str(text("analysisJSON"))?;
    ensure!(analysis["promote"] == true, "{metadata}");
    ensure!(
        metadata.to_string().len() <= METADATA_LIMIT_BYTES,
        "{metadata}"
    );
    Ok(())
}

pub(crate) fn add_second(app: &App<'_>) -> anyhow::Result<()> {
    let pod = |color: &str, role: &str| {
        json!({
            "metadata": {"labels": {"app": "other", "color": color, "role": role}},
            "spec": {
                "automountServiceAccountToken": false,
                "securityContext": {"runAsNonRoot": true, "seccompProfile": {"type": "RuntimeDefault"}},
                "containers": [{
                    "name": "rollouts-demo",
                    "image": "localhost/rollouts-demo:dev",
                    "args": ["serve"],
                    "env": [{"name": "COLOR", "value": color}, {"name": "ERROR_RATE", "value": "100"}],
                    "ports": [{"name": "http", "containerPort": 8080}],
                    "securityContext": {"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}},
                }],
            },
        })
    };
    let mut template = pod("red", "stable");
    if let Some(labels) = template["metadata"]["labels"].as_object_mut() {
        labels.remove("role");
        labels.remove("color");
    }
    let rollout = |template: &serde_json::Value| {
        json!({
            "apiVersion": "argoproj.io/v1alpha1",
            "kind": "Rollout",
            "metadata": {"name": "other"},
            "spec": {
                "replicas": 2,
                "selector": {"matchLabels": {"app": "other"}},
                "template": template,
                "strategy": {"canary": {
                    "canaryMetadata": {"labels": {"role": "canary"}},
                    "stableMetadata": {"labels": {"role": "stable"}},
                    "steps": [{"setWeight": 50}, {"pause": {}}],
                }},
            },
        })
    };
    app.apply(&rollout(&template))?;
    app.kubectl(&[
        "wait",
        "rollout/other",
        "--for=jsonpath={.status.phase}=Healthy",
        "--timeout=50s",
    ])?;
    template["spec"]["containers"][0]["env"][0]["value"] = json!("black");
    app.apply(&rollout(&template))?;
    app.apply(&json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "other"},
        "spec": {"selector": {"app": "other"}, "ports": [{"port": 80, "targetPort": "http"}]},
    }))?;
    let mut load = pod("none", "none");
    load["apiVersion"] = json!("v1");
    load["kind"] = json!("Pod");
    load["metadata"] = json!({"name": "other-load"});
    load["spec"]["containers"][0]["args"] = json!([
        "load",
        "--url",
        "http://other",
        "--rate",
        "50",
        "--duration",
        "0"
    ]);
    app.apply(&load)?;
    app.kubectl(&[
        "wait",
        "rollout/other",
        "--for=jsonpath={.status.phase}=Paused",
        "--timeout=50s",
    ])?;
    Ok(())
}
