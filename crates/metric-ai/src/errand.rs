//! From a measurement's settings to what its next look is to do: where a
//! template's part and the operator's part meet.

use std::time::Duration;

use agent_api::{AgentUrl, Context};
use analysis::bundle::About;
use analysis::cluster::SecretData;
use analysis::explain;
use analysis::{Ask, Limits, Request, Secret};
use jiff::Timestamp;
use jiff::civil::Date;
use rollouts_plugin::AnalysisRun;

use crate::agent_mode::{Question, Subject};
use crate::block::Mode;
use crate::look::{Errand, Judging};
use crate::looks::Identity;
use crate::operator::{Budget, Credentials};
use crate::outgoing::Outgoing;
use crate::reply::Case;
use crate::schedule::{Begun, RunKind};

/// The run's label that says which pods are the canary's.
const HASH_LABEL: &str = "rollouts-pod-template-hash";

/// The kind of owner whose name is the rollout's.
const OWNER_KIND: &str = "Rollout";

/// How long before a look is given up an agent's answer must be there, so that
/// its own words on its lateness are heard.
const TO_ANSWER: Duration = Duration::from_secs(2);

/// Which look, when.
pub struct Moment<'a> {
    /// The measurement.
    pub id: &'a Identity,
    /// Now.
    pub now: Timestamp,
    /// The day in UTC.
    pub today: Date,
}

/// What the next look of a measurement is to do.
///
/// # Errors
/// What of the operator's part cannot be used, in words that name the mend.
pub fn errand(
    run: &AnalysisRun,
    case: &Case,
    outgoing: &Outgoing,
    (from_api, moment): (&SecretData, &Moment<'_>),
) -> Result<Errand, String> {
    let credentials = || outgoing.operator().credentials(from_api);
    match &case.settings.mode {
        Mode::Default => judging(run, case, (outgoing, &credentials()), moment)
            .map(|it| Errand::Judge(Box::new(it))),
        // The first look of a background run reads how long it may wait.
        Mode::Agent { .. } if case.kind == RunKind::Background && case.memo.looks == 0 => {
            Ok(Errand::Steps(Box::new(request(run, case))))
        }
        Mode::Agent { url } => question(run, case, (outgoing, &credentials()), (url, moment.now))
            .map(|question| Errand::Agent(Box::new(question))),
    }
}

fn judging(
    run: &AnalysisRun,
    case: &Case,
    (outgoing, credentials): (&Outgoing, &Credentials),
    moment: &Moment<'_>,
) -> Result<Judging, String> {
    let (settings, operator) = (&case.settings, outgoing.operator());
    let rules = operator.rules_of(settings);
    let names = operator.models_of(settings, credentials);
    let models = if names.is_empty() {
        None
    } else {
        let ask = Ask {
            models: names,
            extra_prompt: settings.extra_prompt.as_ref().map(reveal),
            budget: budget(operator.budget_of(settings)),
            spent_before: case.memo.spent,
            // Set when the judge has judged.
            deadline: Duration::ZERO,
            rules,
            settle_now: moment.now >= case.waiting().deadline(),
        };
        Some((outgoing.explainer(credentials)?, ask))
    };
    let metrics = match &settings.metrics {
        Some(queries) => Some((outgoing.prometheus(credentials)?, queries.clone())),
        None => None,
    };
    let request = request(run, case);
    let about = || About {
        namespace: request.namespace.clone(),
        rollout: request.rollout.clone(),
        run: run.metadata.name.clone(),
        metric: moment.id.metric.clone(),
        measurement: format!(
            "{}/{}/{}",
            moment.id.run, moment.id.metric, moment.id.ordinal
        ),
    };
    Ok(Judging {
        keep: operator.bundle_dir.clone().map(|folder| (folder, about())),
        policy: operator.policy_of(settings, moment.today),
        rules,
        metrics,
        models,
        waiting: case.waiting(),
        asked_at: moment.now,
        request,
    })
}

fn question(
    run: &AnalysisRun,
    case: &Case,
    (outgoing, credentials): (&Outgoing, &Credentials),
    (url, now): (&AgentUrl, Timestamp),
) -> Result<Question, String> {
    let settings = &case.settings;
    let client = outgoing.agent(url, credentials)?;
    let repository = settings.repository.as_ref();
    let context = Context {
        stable_selector: Some(settings.stable.to_string()),
        canary_selector: Some(settings.canary.to_string()),
        extra_prompt: settings.extra_prompt.as_ref().map(reveal),
        repo_url: repository.map(|repository| reveal(&repository.url)),
        base_branch: repository.map(|repository| reveal(&repository.base_branch)),
        state: case.memo.agent.clone(),
        ..Context::default()
    };
    let left = case
        .waiting()
        .give_up(Begun::at_once(now))
        .duration_since(now);
    let left = Duration::try_from(left).unwrap_or_default();
    let subject = Subject {
        namespace: run.metadata.namespace.clone(),
        rollout: rollout(run).to_owned(),
        context,
        models: settings.models.clone(),
    };
    Ok(Question {
        client,
        credential: credentials.agent_token.clone(),
        request: subject.question(),
        limit: left
            .saturating_sub(TO_ANSWER)
            .min(agent_api::ANALYSIS_LIMIT),
        rollout: (case.kind == RunKind::Background).then(|| request(run, case)),
    })
}

/// The template's own text, for the one whom it is meant for.
fn reveal(secret: &Secret) -> String {
    secret.reveal().to_owned()
}

/// A template's budget within the operator's, over the defaults.
fn budget(budget: Budget) -> explain::Budget {
    let default = explain::Budget::default();
    explain::Budget {
        calls: budget.calls.map_or(default.calls, |calls| {
            u32::try_from(calls).unwrap_or(u32::MAX)
        }),
        tokens: budget.tokens.unwrap_or(default.tokens),
        seconds: budget.seconds.unwrap_or(default.seconds),
        micro_usd: budget.micro_usd,
    }
}

fn rollout(run: &AnalysisRun) -> &str {
    let owners = &run.metadata.owner_references;
    owners
        .iter()
        .find(|owner| owner.kind == OWNER_KIND)
        .map_or(&run.metadata.name, |owner| &owner.name)
}

fn request(run: &AnalysisRun, case: &Case) -> Request {
    Request {
        namespace: run.metadata.namespace.clone(),
        rollout: rollout(run).to_owned(),
        canary_hash: run.metadata.labels.get(HASH_LABEL).cloned(),
        stable: case.settings.stable.clone(),
        canary: case.settings.canary.clone(),
        earlier: case.memo.earlier.clone(),
        limits: Limits::default(),
        // Set when the look's turn comes.
        now_ms: 0,
    }
}
