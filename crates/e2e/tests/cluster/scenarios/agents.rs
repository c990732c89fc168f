//! Agent mode: what the agent says is what becomes of the canary, and an agent
//! that is not there is an error and nothing else. Who answers is scripted.

use anyhow::ensure;
use serde_json::{Value, json};

use crate::app::{Setup, with_app};
use crate::scenarios::refusals::five_errors;
use crate::stage::Stage;
use crate::stand_ins::{self, agent_calls};
use crate::verdicts;

fn setup(agent: &str, wish: &str) -> Setup {
    Setup {
        plugin: json!({
            "analysisMode": "agent",
            // As users of the Go plugin write it.
            "agentUrl": format!("{agent}/a2a/analyze"),
            "extraPrompt": wish,
        }),
        ..Setup::default()
    }
}

pub(crate) fn promotes(stage: &Stage<'_>, name: &str) -> anyhow::Result<()> {
    let setup = setup(stand_ins::AGENT, "please promote");
    with_app(stage, name, &setup, |app| {
        app.release(&[("COLOR", "green")])?;
        let verdict = verdicts::promoted(app)?;
        ensure!(
            verdict.value == "0.80",
            "the agent's confidence: {verdict:?}"
        );
        ensure!(
            verdict.message
                == "canary promoted by the agent: 0 errors in 4,200 requests of the canary, 0 in stable",
            "the agent's words and numbers: {verdict:?}"
        );
        check_one_question(stage, name, "please promote")
    })
}

/// A canary in which the judge would find nothing: the agent's word counts.
pub(crate) fn aborts(stage: &Stage<'_>, name: &str) -> anyhow::Result<()> {
    let setup = setup(stand_ins::AGENT, "please abort");
    with_app(stage, name, &setup, |app| {
        app.release(&[("COLOR", "green")])?;
        let verdict = verdicts::aborted(app)?;
        ensure!(
            verdict.message
                == "canary aborted by the agent: NullPointerException in UserResource:39",
            "{verdict:?}"
        );
        let analysis = verdict.metadata["analysisJSON"]
            .as_str()
            .unwrap_or_default();
        let analysis: Value = serde_json::from_str(analysis)?;
        ensure!(
            analysis["promote"] == false
                && analysis["prLink"] == "https://github.com/example/shop/pull/12",
            "{analysis}"
        );
        check_one_question(stage, name, "please abort")
    })
}

/// A canary that the judge would promote, and nobody is asked instead of the
/// agent.
pub(crate) fn is_down(stage: &Stage<'_>, name: &str) -> anyhow::Result<()> {
    let setup = setup(stand_ins::NOBODY, "please promote");
    with_app(stage, name, &setup, |app| {
        app.release(&[("COLOR", "green")])?;
        for message in five_errors(app)? {
            for words in [
                "Kubernetes Agent health check failed",
                "no connection",
                "is the agent running and agentUrl right?",
            ] {
                ensure!(message.contains(words), "{words:?} is not in: {message}");
            }
        }
        let words = "not falling back to default mode";
        ensure!(
            stage.controller_log_has(words)?,
            "it does not say {words:?}"
        );
        app.check_serves()
    })
}

/// That the agent was asked once, about this rollout, and heard the template.
fn check_one_question(stage: &Stage<'_>, namespace: &str, wish: &str) -> anyhow::Result<()> {
    let calls = agent_calls(stage, namespace)?;
    ensure!(calls.len() == 1, "asked once: {calls:?}");
    let call = &calls[0];
    let memory = format!("rollout:{namespace}/{}", crate::app::ROLLOUT);
    ensure!(
        call["memoryId"] == memory && call["status"] == 200,
        "with the token, about this rollout: {call}"
    );
    ensure!(
        call["context"]["extraPrompt"] == wish
            && call["context"]["canarySelector"] == "role=canary",
        "{call}"
    );
    Ok(())
}
