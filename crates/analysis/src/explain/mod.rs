//! Judgement → opinions: models are asked what they make of it.
//!
//! ```text
//! judgement ─► prompt ─► cache ─► gate ─► call ─► answer ─► opinion
//!              (pure)    (hash)   (rate   (HTTP)  (pure)
//!                                 limits)
//! ```
//!
//! What goes wrong with a model is a missing opinion, never an error: the judge
//! has decided before any model is asked, and [`decide`](mod@crate::decide)
//! knows what to do without one. One [`Explainer`] serves the whole process, so
//! that rate limits and answers are shared by all measurements.

mod answer;
mod budget;
mod cache;
mod call;
mod config;
mod gate;
mod prices;
mod prompt;
mod wire;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use judge::Judgement;
use sha2::{Digest as _, Sha256};
use tokio::time::Instant;
use tracing::{debug, warn};

pub use self::answer::{MAX_ANALYSIS_BYTES, MAX_REMEDIATION_BYTES, MAX_ROOT_CAUSE_BYTES};
pub use self::budget::Budget;
use self::budget::Ledger;
use self::cache::Cache;
use self::call::{Call, missing};
pub use self::config::{
    GEMINI_BASE_URL, Gemini, MAX_MODEL_NAME_BYTES, ModelsConfig, ModelsError, OPENAI_BASE_URL,
    OpenAi, Provider,
};
use self::config::{Routes, Target};
use self::gate::Gates;
pub use self::prices::{MAX_PRICE_FILE_BYTES, Prices, PricesError};
pub use self::prompt::MAX_EXTRA_PROMPT_BYTES;
use self::prompt::Prompt;
use crate::decide::{self, Rules};
use crate::message::one_line;
use crate::opinion::{Answer, Explained, Missing, MissingKind, Opinion, Spent, Unasked, View};
use crate::request::Gathered;

/// Models that vote on one judgement at most: more of them cost more and know
/// nothing more.
pub const MAX_MODELS: usize = 5;

/// Asks models. One for each process; clones share its limits and its cache.
#[derive(Clone)]
pub struct Explainer {
    shared: Arc<Shared>,
}

struct Shared {
    client: reqwest::Client,
    routes: Routes,
    prices: Prices,
    gates: Gates,
    cache: Cache,
}

/// What is asked of whom, and how much it may cost.
#[derive(Clone, Debug, Default)]
pub struct Ask {
    /// Names of models, in order; the first [`MAX_MODELS`] are asked, each
    /// once. None: the judge decides alone.
    pub models: Vec<String>,
    /// What the user adds, for models only; at most
    /// [`MAX_EXTRA_PROMPT_BYTES`] of it are sent.
    pub extra_prompt: Option<String>,
    /// What all looks at this canary may cost together.
    pub budget: Budget,
    /// What earlier looks at this canary did cost.
    pub spent_before: Spent,
    /// How long this look may wait for models.
    pub deadline: Duration,
    /// The rules of the verdict: a model is not asked where they leave it
    /// nothing to say.
    pub rules: Rules,
    /// Whether this is the last look. Only then may models settle what is
    /// inconclusive, where [`Rules::model_may_settle`] says so: before, more
    /// traffic tells more than any model.
    pub settle_now: bool,
}

impl Explainer {
    /// An explainer for these providers. `client` is from
    /// [`outbound::client`](crate::outbound::client).
    ///
    /// # Errors
    ///
    /// [`ModelsError`] when a base URL is none. A missing key is no error: its
    /// models are then not asked.
    pub fn new(config: &ModelsConfig, client: reqwest::Client) -> Result<Self, ModelsError> {
        Ok(Self {
            shared: Arc::new(Shared {
                client,
                routes: Routes::new(config)?,
                prices: config.prices.clone(),
                gates: Gates::default(),
                cache: Cache::default(),
            }),
        })
    }

    /// Asks models about a judgement, all at once, within the budget and the
    /// deadline. Dropping the future ends every request.
    pub async fn explain(
        &self,
        judgement: &Judgement,
        gathered: &Gathered,
        ask: &Ask,
    ) -> Explained {
        let is_extra = ask
            .extra_prompt
            .as_deref()
            .is_some_and(|extra| !extra.trim().is_empty());
        if let Some(why) = unasked(judgement, gathered, ask) {
            return Explained {
                unread_prompt: is_extra,
                ..Explained::not_asked(why)
            };
        }
        let begun = Instant::now();
        let prompt = Prompt::new(judgement, gathered, ask.extra_prompt.as_deref());
        let ledger = Ledger::new(ask.budget, ask.spent_before);
        let deadline = begun + ask.deadline.min(ledger.time_left());
        let opinions = names(&ask.models)
            .into_iter()
            .map(|name| self.opinion(name, &prompt, &ledger, deadline));
        let opinions = join_all(opinions).await;
        let spent = Spent {
            took_ms: milliseconds(begun),
            ..ledger.spent()
        };
        debug!(
            models = opinions.len(),
            calls = spent.calls,
            tokens = spent.tokens,
            took_ms = spent.took_ms,
            micro_usd = spent.micro_usd,
            "models were asked"
        );
        let no_provider = |opinion: &Opinion| {
            matches!(&opinion.answer, Answer::Missing(missing)
                if missing.kind == MissingKind::NotConfigured)
        };
        let unasked = opinions
            .iter()
            .all(no_provider)
            .then_some(Unasked::NotConfigured);
        let unread_prompt = is_extra && opinions.iter().all(|opinion| opinion.view().is_none());
        Explained {
            opinions,
            unasked,
            spent,
            unread_prompt,
        }
    }

    async fn opinion(
        &self,
        name: &str,
        prompt: &Prompt,
        ledger: &Ledger,
        deadline: Instant,
    ) -> Opinion {
        let begun = Instant::now();
        let answer = match self.shared.routes.target(name) {
            Err(why) => Err(missing(MissingKind::NotConfigured, why)),
            Ok(_) if ledger.time_left().is_zero() => Err(missing(
                MissingKind::BudgetSpent,
                "the budget of time is used up: raise `budget`".to_owned(),
            )),
            Ok(target) => self.view(&target, prompt, ledger, deadline).await,
        };
        if let Err(missing) = &answer {
            // A name that is none is shown as far as it is one.
            let name = one_line(name, MAX_MODEL_NAME_BYTES);
            warn!(model = name, kind = ?missing.kind, "no opinion: {}", missing.why);
        }
        Opinion {
            model: one_line(name, MAX_MODEL_NAME_BYTES),
            took_ms: milliseconds(begun),
            answer: match answer {
                Ok(view) => Answer::View(view),
                Err(missing) => Answer::Missing(missing),
            },
        }
    }

    async fn view(
        &self,
        target: &Target,
        prompt: &Prompt,
        ledger: &Ledger,
        deadline: Instant,
    ) -> Result<View, Missing> {
        let gate = self.shared.gates.of(&gate_name(target));
        let call = Call {
            client: &self.shared.client,
            gate: &gate,
            ledger,
            target,
            price: self.shared.prices.of(&target.model),
            deadline,
        };
        self.shared
            .cache
            .get(key(target, prompt), deadline, call.view(prompt))
            .await
    }
}

impl fmt::Debug for Explainer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Explainer").finish_non_exhaustive()
    }
}

/// Why no model is asked, if none is.
fn unasked(judgement: &Judgement, gathered: &Gathered, ask: &Ask) -> Option<Unasked> {
    if ask.models.is_empty() {
        return Some(Unasked::NotConfigured);
    }
    if !judgement.vetoes.is_empty() {
        return Some(Unasked::Veto);
    }
    let has_a_say = match judgement.decision {
        judge::Decision::Abort => true,
        judge::Decision::Promote => decide::held_back(judgement, gathered, &ask.rules).is_none(),
        judge::Decision::Inconclusive => {
            ask.settle_now && decide::may_be_settled(judgement, gathered, &ask.rules)
        }
    };
    (!has_a_say).then_some(Unasked::Inconclusive)
}

/// Each name once, and no more than may vote.
fn names(models: &[String]) -> Vec<&str> {
    let mut names: Vec<&str> = Vec::new();
    for name in models.iter().map(|name| name.trim()) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    if names.len() > MAX_MODELS {
        warn!(
            "{} models are named: the first {MAX_MODELS} are asked",
            names.len()
        );
        names.truncate(MAX_MODELS);
    }
    names
}

/// Limits are a model's at a provider's.
fn gate_name(target: &Target) -> String {
    format!("{} {}", target.url, target.model)
}

fn key(target: &Target, prompt: &Prompt) -> cache::Key {
    let mut hash = Sha256::new();
    for part in [&gate_name(target), prompt.system, &prompt.user] {
        hash.update(part.len().to_le_bytes());
        hash.update(part);
    }
    hash.finalize().into()
}

fn milliseconds(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}
