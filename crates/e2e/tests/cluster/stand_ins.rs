//! Whom the plugin asks on the cluster: a model server and an agent, both by
//! script, in a namespace of their own; and what they were asked.

use std::time::Duration;

use anyhow::Context as _;
use e2e::command::output;
use e2e::oci::Image;
use serde_json::{Value, json};

use crate::binaries::StandIns;
use crate::stage::Stage;

/// Their namespace.
const NAMESPACE: &str = "stand-ins";
/// Where the model server is, as the operator names it: Gemini's base address.
pub(crate) const GEMINI: &str = "http://model-stand-in.stand-ins.svc.cluster.local:8080";
/// Where the agent is, as templates name it and the operator lists it.
pub(crate) const AGENT: &str = "http://agent-stand-in.stand-ins.svc.cluster.local:8080";
/// A service without a pod behind it: connections are refused.
pub(crate) const NOBODY: &str = "http://nobody.stand-ins.svc.cluster.local:8080";
/// The key that the model server wants, as in its script.
pub(crate) const MODEL_KEY: &str = "key-of-the-operator";
/// The token that the agent wants, as in its script.
pub(crate) const AGENT_TOKEN: &str = "token-of-the-operator";

const MODEL_PROGRAM: &str = "model-stand-in";
const AGENT_PROGRAM: &str = "agent-stand-in";
const MODEL_SCRIPT: &str = include_str!("stand-ins/model.toml");
const AGENT_SCRIPT: &str = include_str!("stand-ins/agent.toml");
/// Longest time for both to be there.
const READY_LIMIT: Duration = Duration::from_secs(120);

/// Their images.
pub(crate) fn images(binaries: &StandIns) -> [Image; 2] {
    [
        Image::of_program(&image(MODEL_PROGRAM), &binaries.model),
        Image::of_program(&image(AGENT_PROGRAM), &binaries.agent),
    ]
}

fn image(program: &str) -> String {
    format!("localhost/canary-judge/{program}:dev")
}

/// Starts both anew, so that on a box that was kept they count from nothing,
/// and waits until they answer.
pub(crate) fn deploy(stage: &Stage<'_>) -> anyhow::Result<()> {
    let cluster = stage.cluster;
    let namespace =
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}});
    cluster.apply(&namespace.to_string())?;
    // What the model server was asked is said on its standard output.
    let record = ["--record", "/dev/stdout"];
    for manifests in [
        program(MODEL_PROGRAM, MODEL_SCRIPT, &record, &stage.run),
        program(AGENT_PROGRAM, AGENT_SCRIPT, &[], &stage.run),
        list(&[service("nobody")]),
    ] {
        cluster.apply_in(NAMESPACE, &manifests.to_string())?;
    }
    for name in [MODEL_PROGRAM, AGENT_PROGRAM] {
        let mut kubectl = cluster.kubectl_command()?;
        kubectl.args(["--namespace", NAMESPACE, "rollout", "status"]);
        kubectl.args([format!("deployment/{name}").as_str(), "--timeout=110s"]);
        output(&mut kubectl, READY_LIMIT).with_context(|| format!("{name} does not start"))?;
    }
    Ok(())
}

/// What the model server was asked for a scenario, oldest first: whose
/// template says its [`marker`].
pub(crate) fn model_calls(stage: &Stage<'_>, scenario: &str) -> anyhow::Result<Vec<Value>> {
    let marker = marker(scenario);
    let said = |call: &Value| call["body"].to_string().contains(&marker);
    let mut calls = record(stage, MODEL_PROGRAM)?;
    calls.retain(said);
    Ok(calls)
}

/// The analyses that the agent was asked for in a scenario's namespace.
pub(crate) fn agent_calls(stage: &Stage<'_>, namespace: &str) -> anyhow::Result<Vec<Value>> {
    let mut calls = record(stage, AGENT_PROGRAM)?;
    calls.retain(|call| call["method"] == "POST" && call["context"]["namespace"] == namespace);
    Ok(calls)
}

/// What a scenario's template says to models, so that its calls are told from
/// those of others.
pub(crate) fn marker(scenario: &str) -> String {
    format!("This is scenario {scenario}, and no other.")
}

/// The lines of JSON that one of them has written.
fn record(stage: &Stage<'_>, name: &str) -> anyhow::Result<Vec<Value>> {
    let deployment = format!("deployment/{name}");
    let arguments = ["--namespace", NAMESPACE, "logs", deployment.as_str()];
    let said = stage.cluster.kubectl(&arguments)?;
    let values = said
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok());
    Ok(values.collect())
}

fn program(name: &str, script: &str, options: &[&str], run: &Value) -> Value {
    let config = json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name},
        "data": {"script.toml": script},
    });
    let mut arguments = vec![
        "--script",
        "/script/script.toml",
        "--listen",
        "0.0.0.0:8080",
    ];
    arguments.extend(options);
    let deployment = json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}, "annotations": run},
                "spec": {
                    "automountServiceAccountToken": false,
                    "terminationGracePeriodSeconds": 1,
                    "containers": [{
                        "name": name,
                        "image": image(name),
                        "imagePullPolicy": "IfNotPresent",
                        "args": arguments,
                        "ports": [{"name": "http", "containerPort": 8080}],
                        "readinessProbe": {"tcpSocket": {"port": "http"}, "periodSeconds": 1},
                        "volumeMounts": [{"name": "script", "mountPath": "/script"}],
                    }],
                    "volumes": [{"name": "script", "configMap": {"name": name}}],
                },
            },
        },
    });
    list(&[config, deployment, service(name)])
}

fn service(name: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name},
        "spec": {"selector": {"app": name}, "ports": [{"port": 8080}]},
    })
}

fn list(items: &[Value]) -> Value {
    json!({"apiVersion": "v1", "kind": "List", "items": items})
}
