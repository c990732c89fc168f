use agent_api::{AgentError, NoVerdict, Verdict};
use agent_stand_in::{AgentStandIn, Answer, Script};
use serde_json::{Value, json};

use crate::{AMPLE, client, question};

async fn verdict(answer: Answer) -> Result<Verdict, AgentError> {
    let agent = AgentStandIn::serve(Script::always(answer)).await.unwrap();
    let response = client(&agent.url()).analyze(&question(), AMPLE).await?;
    Ok(response.verdict()?)
}

#[tokio::test]
async fn the_contracts_answers() {
    let table = [
        (Answer::Good, Verdict::Promote),
        (Answer::Bad, Verdict::Abort),
        (Answer::Inconclusive, Verdict::Inconclusive),
    ];
    for (answer, expected) in table {
        assert_eq!(verdict(answer).await.unwrap(), expected);
    }
    let agent = AgentStandIn::serve(Script::always(Answer::Bad))
        .await
        .unwrap();
    let said = client(&agent.url())
        .analyze(&question(), AMPLE)
        .await
        .unwrap();
    assert_eq!(said.root_cause, "NullPointerException in UserResource:39");
    assert_eq!(said.confidence, 90);
    assert_eq!(said.model_results.len(), 1);
    assert_eq!(said.model_results[0].execution_time_ms, 2_100);
    assert_eq!(
        said.issue_link.as_deref(),
        Some("https://github.com/example/shop/issues/11")
    );
}

/// The shape of the agent that votes over several models.
fn voting(promote: bool, confidence: u8, error: Option<&str>) -> Value {
    let result = json!({"modelName": "gemini-2.5-flash", "analysis": "a", "rootCause": "r",
        "remediation": "m", "promote": promote, "confidence": confidence,
        "executionTimeMs": 15_230, "error": error});
    json!({"analysis": "a", "rootCause": "r", "remediation": "m", "prLink": null,
        "promote": promote, "confidence": confidence, "modelResults": [result],
        "votingRationale": "Weighted voting"})
}

/// The shape of the agent with one model: six fields.
fn single(promote: bool, confidence: u8) -> Value {
    json!({"analysis": "## Analysis\n- promote: x", "rootCause": "See analysis",
        "remediation": "See analysis", "prLink": "github.com/example/shop/pull/7",
        "promote": promote, "confidence": confidence})
}

#[tokio::test]
async fn the_answers_of_agents_in_use() {
    let table = [
        (voting(true, 85, None), Ok(Verdict::Promote)),
        (voting(false, 95, None), Ok(Verdict::Abort)),
        (
            voting(true, 0, Some("Analysis failed: 503")),
            Err(NoVerdict::UnfoundedPromote),
        ),
        (single(true, 80), Ok(Verdict::Promote)),
        (single(false, 50), Ok(Verdict::Abort)),
        (single(true, 0), Err(NoVerdict::UnfoundedPromote)),
        (single(false, 0), Err(NoVerdict::UnfoundedAbort)),
        // A model's fraction that passed through.
        (
            json!({"promote": true, "confidence": 0.9}),
            Err(NoVerdict::UnfoundedPromote),
        ),
    ];
    for (answer, expected) in table {
        let found = verdict(Answer::body(answer.to_string())).await;
        assert_eq!(found, expected.map_err(AgentError::from), "{answer}");
    }
}

#[tokio::test]
async fn the_question_is_the_contracts() {
    let agent = AgentStandIn::serve(Script::always(Answer::Good))
        .await
        .unwrap();
    let url = format!("{}/a2a/analyze/", agent.url());
    client(&url).analyze(&question(), AMPLE).await.unwrap();
    let calls = agent.calls();
    assert_eq!(calls.len(), 1);
    assert_eq!(calls[0].uri, "/a2a/analyze");
    assert_eq!(calls[0].header("content-type"), Some("application/json"));
    assert_eq!(calls[0].header("authorization"), None);
    assert_eq!(
        calls[0].body,
        json!({"userId": "argo-rollouts", "prompt": "Compare them.",
            "memoryId": "rollout:shop/web",
            "context": {"namespace": "shop", "rolloutName": "web"}})
    );
}
