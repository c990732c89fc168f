//! Agent mode: the agent looks at the canary, the plugin passes on what it
//! says. There is no way back to the default mode: whoever asked for the agent
//! hears that it is not there.
//!
//! What an agent says is a stranger's text: it is cleaned and bounded where it
//! is read (`agent_api`), and redacted here.

use std::time::Duration;

use agent_api::{AgentError, Client, Context, ModelResult, Request, Response, Verdict};
use analysis::message::one_line;
use analysis::opinion::{Answer, Missing, MissingKind, Opinion, Spent, View};
use analysis::{Earlier, Explained, Request as AnalysisRequest, Secret};
use jiff::Timestamp;
use judge::Decision;
use judge::redact::{MASK, redact};

use crate::look::{Agent, Outcome, Seen};

/// The longest reason that is taken over into the one line; what Argo wraps
/// around it needs room as well.
const MAX_REASON_BYTES: usize = 300;

/// What the agent is asked for, in words: the agents in use put it before
/// their model.
const PROMPT: &str = "Analyze this canary deployment: compare the logs and the state of the canary \
                      pods with those of the stable pods, and say whether to promote or to abort.";

/// Everything that one question needs.
#[derive(Debug)]
pub struct Question {
    /// The agent, with the credential that it may receive.
    pub client: Client,
    /// The operator's credential for agents: should an agent quote it, nobody
    /// is to read it.
    pub credential: Option<Secret>,
    /// What is asked.
    pub request: Request,
    /// The longest that the answer may take.
    pub limit: Duration,
    /// Which Rollout says when its steps end; `None` where nothing depends on it.
    pub rollout: Option<AnalysisRequest>,
}

/// What is known of the canary that the agent is asked about.
#[derive(Clone, Debug)]
pub struct Subject {
    /// The AnalysisRun's namespace.
    pub namespace: String,
    /// The Rollout's name.
    pub rollout: String,
    /// What the template says: selectors, extra prompt, repository, models.
    pub context: Context,
    /// The models that the template names; empty for the agent's own.
    pub models: Vec<String>,
}

impl Subject {
    /// The question about it.
    pub fn question(self) -> Request {
        Request {
            user_id: agent_api::USER_ID.to_owned(),
            prompt: PROMPT.to_owned(),
            memory_id: Some(format!("rollout:{}/{}", self.namespace, self.rollout)),
            models_to_use: self.models,
            context: Context {
                namespace: Some(self.namespace),
                rollout_name: Some(self.rollout),
                ..self.context
            },
        }
    }
}

/// What is known before the agent is asked: a background run must know when the
/// rollout's steps end before it waits for anybody.
pub fn before_asking(last_step_end: Option<Timestamp>) -> Seen {
    let missing = "the agent is about to be asked";
    Seen {
        decision: Decision::Inconclusive,
        confidence: 0,
        message: missing.to_owned(),
        report: String::new(),
        root_cause: None,
        missing: Some(missing.to_owned()),
        retry_after: Some(Duration::ZERO),
        fired: false,
        stable_gone: false,
        no_data: false,
        findings: 0,
        explained: Explained::default(),
        rationale: String::new(),
        agent: None,
        earlier: Earlier::default(),
        last_step_end,
    }
}

/// Asks the agent: does I/O.
pub async fn ask(question: Question) -> Outcome {
    let asked = async {
        question.client.health().await?;
        let answer = question
            .client
            .analyze(&question.request, question.limit)
            .await?;
        let verdict = answer.verdict()?;
        Ok::<_, AgentError>((answer, verdict))
    };
    let clean = Clean(question.credential.clone());
    match asked.await {
        Ok((answer, verdict)) => Ok(seen(&answer, verdict, &clean)),
        Err(error) => {
            let said = error.says().map(|says| one_line(&clean.text(says), 200));
            let text = match said {
                Some(said) => format!("{error} (the agent says: {said})"),
                None => error.to_string(),
            };
            tracing::error!("{text}");
            tracing::warn!("agent mode failed: not falling back to default mode");
            Err(text)
        }
    }
}

/// What an agent says, made fit to be read: redacted, and without the credential
/// that it was shown, which has no look of its own.
struct Clean(Option<Secret>);

impl Clean {
    fn text(&self, text: &str) -> String {
        match &self.0 {
            Some(secret) => redact(&text.replace(secret.reveal(), MASK)).into_owned(),
            None => redact(text).into_owned(),
        }
    }

    /// What the agent wants back must come back as it is, or not at all.
    fn is_free_of(&self, text: &str) -> bool {
        !self
            .0
            .as_ref()
            .is_some_and(|secret| text.contains(secret.reveal()))
    }
}

/// An agent's answer as what a look saw.
fn seen(answer: &Response, verdict: Verdict, cleaner: &Clean) -> Seen {
    let clean = |text: &str| cleaner.text(text);
    let cause = one_line(&clean(&answer.root_cause), MAX_REASON_BYTES);
    let analysis = clean(&answer.analysis);
    let reason = if cause.is_empty() {
        one_line(&analysis, MAX_REASON_BYTES)
    } else {
        cause.clone()
    };
    let reason = if reason.is_empty() {
        "the agent gives no reason".to_owned()
    } else {
        reason
    };
    let (decision, word) = match verdict {
        Verdict::Promote => (Decision::Promote, "promoted"),
        Verdict::Abort => (Decision::Abort, "aborted"),
        Verdict::Inconclusive => (Decision::Inconclusive, "inconclusive"),
    };
    // What the agent would have said of a promotion is its analysis: a root
    // cause of nothing is mostly "none".
    let reason = match decision {
        Decision::Promote => match one_line(&analysis, MAX_REASON_BYTES) {
            text if text.is_empty() => reason,
            text => text,
        },
        Decision::Abort | Decision::Inconclusive => reason,
    };
    Seen {
        decision,
        confidence: answer.confidence.min(99),
        message: one_line(
            &format!("canary {word} by the agent: {reason}"),
            MAX_REASON_BYTES,
        ),
        report: report(answer, &analysis, cleaner),
        root_cause: (decision == Decision::Abort && !cause.is_empty()).then_some(cause),
        missing: (decision == Decision::Inconclusive).then(|| format!("the agent: {reason}")),
        retry_after: None,
        fired: decision == Decision::Abort,
        stable_gone: false,
        no_data: false,
        findings: 0,
        explained: Explained {
            opinions: answer
                .model_results
                .iter()
                .map(|result| opinion(result, cleaner))
                .collect(),
            unasked: None,
            spent: Spent::default(),
            unread_prompt: false,
        },
        rationale: answer
            .voting_rationale
            .as_deref()
            .map_or_else(|| "the agent decided".to_owned(), clean),
        agent: Some(Agent {
            state: answer
                .state
                .clone()
                .filter(|state| cleaner.is_free_of(state)),
            remediation: clean(&answer.remediation),
            pr_link: answer.pr_link.as_deref().map(clean),
            issue_link: answer.issue_link.as_deref().map(clean),
        }),
        earlier: Earlier::default(),
        last_step_end: None,
    }
}

/// What people read below the one line.
fn report(answer: &Response, analysis: &str, clean: &Clean) -> String {
    let mut report = analysis.trim().to_owned();
    for (title, text) in [
        ("Root cause", &answer.root_cause),
        ("Remediation", &answer.remediation),
    ] {
        if !text.trim().is_empty() {
            report.push_str(&format!("\n\n{title}\n{}", clean.text(text.trim())));
        }
    }
    report
}

fn opinion(result: &ModelResult, cleaner: &Clean) -> Opinion {
    let clean = |text: &str| cleaner.text(text);
    Opinion {
        model: clean(&result.model_name),
        took_ms: result.execution_time_ms,
        answer: match &result.error {
            Some(error) => Answer::Missing(Missing {
                kind: MissingKind::ProviderError,
                why: one_line(&clean(error), MAX_REASON_BYTES),
            }),
            None => Answer::View(View {
                promote: result.promote,
                confidence: result.confidence,
                analysis: clean(&result.analysis),
                root_cause: clean(&result.root_cause),
                remediation: clean(&result.remediation),
                cited: Vec::new(),
            }),
        },
    }
}
