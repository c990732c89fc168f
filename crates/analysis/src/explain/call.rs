//! One model, asked until it answers, refuses, or the time or budget is up.
//!
//! Nothing that a provider says in words leaves this module: an error may quote
//! the prompt or the key, so only its kind, its status and known words do.

use std::borrow::Cow;
use std::time::Duration;

use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderName, HeaderValue};
use judge::redact::{MASK, redact};
use tokio::time::{Instant, timeout_at};
use tracing::{debug, warn};

use super::answer;
use super::budget::{Ledger, Over, estimated_tokens};
use super::config::{Provider, Target};
use super::gate::{Gate, TooLate};
use super::prices::{Price, Tokens};
use super::prompt::Prompt;
use super::wire::refusal::{Refusal, refusal};
use super::wire::{self, End, Question, Repair, Reply};
use crate::message::one_line;
use crate::opinion::{Missing, MissingKind, View};
use crate::outbound::{self, BodyError};

/// Requests for one answer: the first, and as many repetitions as a limit a
/// minute and a provider that restarts take.
const MAX_TRIES: u32 = 5;

/// The wait after the first failure that may pass; doubled at each.
const FIRST_WAIT: Duration = Duration::from_millis(250);

/// The wait after a 429 that does not say how long.
const RATE_LIMIT_WAIT: Duration = Duration::from_secs(2);

/// How long one request may take: models that think take half a minute.
const TRY_LIMIT: Duration = Duration::from_secs(60);

/// Bytes of an answer: 8,192 tokens are 40 KiB, thoughts and escapes included
/// a few times that.
const MAX_ANSWER_BYTES: usize = 1 << 20;

/// Bytes of a prompt, an answer or an error in the log at debug.
const MAX_LOGGED_BYTES: usize = 8_000;

/// One model, and all that asking it takes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Call<'a> {
    pub(super) client: &'a reqwest::Client,
    pub(super) gate: &'a Gate,
    pub(super) ledger: &'a Ledger,
    pub(super) target: &'a Target,
    pub(super) price: Option<Price>,
    pub(super) deadline: Instant,
}

/// Why one request gave no reply.
enum Failed {
    Lost,
    TimedOut,
    Refused(u16, Refusal),
    Missing(Missing),
}

impl Call<'_> {
    /// Asks; once more where the answer cannot be used.
    pub(super) async fn view(&self, prompt: &Prompt) -> Result<View, Missing> {
        let mut repair = None;
        loop {
            let reply = self
                .reply(Question {
                    prompt,
                    repair: repair.as_ref(),
                })
                .await?;
            let problem = match reply.end {
                End::Blocked(reason) => {
                    return Err(missing(
                        MissingKind::Blocked,
                        format!("its provider would not answer ({reason})"),
                    ));
                }
                End::CutOff => "it was too long and broke off: be brief",
                End::CalledTool => "it called a tool, and there are none",
                End::Done => {
                    match answer::read(&without_key(&reply.text, self.target), &prompt.ids) {
                        Ok(view) => return Ok(view),
                        Err(problem) => problem,
                    }
                }
            };
            if repair.is_some() {
                return Err(missing(
                    MissingKind::Unreadable,
                    format!("its answer cannot be used, nor can the second: {problem}"),
                ));
            }
            debug!(
                model = self.target.model,
                problem, "asking again for an answer that can be used"
            );
            repair = Some(Repair::new(reply.said, problem));
        }
    }

    /// One reply, asked for until it comes.
    async fn reply(&self, question: Question<'_>) -> Result<Reply, Missing> {
        let body = wire::body(self.target, question).to_string();
        debug!(
            model = self.target.model,
            prompt = shown(&question.prompt.user, None),
            "model request"
        );
        let mut failures = 0;
        loop {
            let failed = match self.once(&body).await {
                Ok(reply) => return Ok(reply),
                Err(failed) => failed,
            };
            failures += 1;
            let is_last = failures >= MAX_TRIES;
            let backoff = FIRST_WAIT * 2_u32.saturating_pow(failures - 1);
            let wait = match failed {
                Failed::Missing(missing) => return Err(missing),
                Failed::Refused(_, Refusal::RateLimited { wait }) => {
                    self.rate_limited(wait);
                    if is_last {
                        return Err(too_many());
                    }
                    // The gate keeps us until then.
                    continue;
                }
                Failed::Refused(status, Refusal::Passing { wait }) if is_last => {
                    let _ = wait;
                    return Err(missing(
                        MissingKind::ProviderError,
                        format!("its provider failed {failures} times ({status})"),
                    ));
                }
                Failed::Lost if is_last => return Err(unreachable_now()),
                Failed::TimedOut if is_last => return Err(timed_out()),
                Failed::Refused(_, Refusal::Passing { wait }) => wait.unwrap_or(backoff),
                Failed::Lost | Failed::TimedOut => backoff,
                Failed::Refused(status, refusal) => return Err(self.refused(status, refusal)),
            };
            debug!(model = self.target.model, failures, ?wait, "asking again");
            if Instant::now() + wait >= self.deadline {
                return Err(match failed {
                    Failed::Lost => unreachable_now(),
                    Failed::Refused(status, _) => missing(
                        MissingKind::ProviderError,
                        format!("its provider failed ({status})"),
                    ),
                    _ => timed_out(),
                });
            }
            tokio::time::sleep(wait).await;
        }
    }

    /// One request.
    async fn once(&self, body: &str) -> Result<Reply, Failed> {
        let _permit = self.gate.enter(self.deadline).await.map_err(|late| {
            Failed::Missing(match late {
                TooLate::Closed => too_many(),
                TooLate::Busy => timed_out(),
            })
        })?;
        let reserved = self
            .ledger
            .reserve(body.len(), self.price)
            .map_err(|over| Failed::Missing(spent(over)))?;
        let limit = self.deadline.min(Instant::now() + TRY_LIMIT);
        let reply = timeout_at(limit, self.send(body))
            .await
            .map_err(|_| Failed::TimedOut)??;
        let estimate = || Tokens {
            input: estimated_tokens(body.len()),
            output: estimated_tokens(reply.text.len()),
        };
        let tokens = reply.tokens.unwrap_or_else(estimate);
        reserved.used(tokens);
        debug!(
            model = self.target.model,
            answer = shown(&reply.text, Some(self.target)),
            input_tokens = tokens.input,
            output_tokens = tokens.output,
            "model answer"
        );
        Ok(reply)
    }

    async fn send(&self, body: &str) -> Result<Reply, Failed> {
        let mut request = self
            .client
            .post(self.target.url.clone())
            .header(CONTENT_TYPE, HeaderValue::from_static("application/json"))
            .body(body.to_owned());
        if let Some(key) = &self.target.key {
            let (name, value) = match self.target.provider {
                Provider::Gemini => (
                    HeaderName::from_static("x-goog-api-key"),
                    key.reveal().to_owned(),
                ),
                Provider::OpenAi => (AUTHORIZATION, format!("Bearer {}", key.reveal())),
            };
            let Ok(mut value) = HeaderValue::try_from(value) else {
                return Err(Failed::Missing(missing(
                    MissingKind::KeyRefused,
                    "its key has characters that no key has: check it".to_owned(),
                )));
            };
            value.set_sensitive(true);
            request = request.header(name, value);
        }
        // The cause may hold the address with what a proxy needs: not shown.
        let response = request.send().await.map_err(|_| Failed::Lost)?;
        let status = response.status();
        let headers = response.headers().clone();
        let body = match outbound::body(response, MAX_ANSWER_BYTES).await {
            Ok(body) => body,
            Err(BodyError::Broken(_)) => return Err(Failed::Lost),
            Err(BodyError::TooLarge { .. }) => {
                return Err(Failed::Missing(missing(
                    MissingKind::ProviderError,
                    "its provider's answer is too large".to_owned(),
                )));
            }
        };
        if !status.is_success() {
            debug!(
                model = self.target.model,
                status = status.as_u16(),
                said = shown(&String::from_utf8_lossy(&body), Some(self.target)),
                "model refused"
            );
            let refusal = refusal(status.as_u16(), &headers, &body);
            return Err(Failed::Refused(status.as_u16(), refusal));
        }
        wire::reply(self.target.provider, &body).ok_or_else(|| {
            Failed::Missing(missing(
                MissingKind::ProviderError,
                "its provider's answer is not what its API promises: check the base URL".to_owned(),
            ))
        })
    }

    fn rate_limited(&self, wait: Option<Duration>) {
        let wait = wait.unwrap_or(RATE_LIMIT_WAIT);
        warn!(
            model = self.target.model,
            "rate limit: {} answered 429, no call to it for {} ms",
            self.target.provider,
            wait.as_millis()
        );
        self.gate.close(wait);
    }

    fn refused(&self, status: u16, refusal: Refusal) -> Missing {
        let key = match self.target.provider {
            Provider::Gemini => "GOOGLE_API_KEY",
            Provider::OpenAi => "OPENAI_API_KEY",
        };
        match refusal {
            Refusal::QuotaSpent => {
                warn!(
                    model = self.target.model,
                    "quota: {} answered 429, it is used up", self.target.provider
                );
                missing(
                    MissingKind::QuotaSpent,
                    "its quota is used up (429): raise it, or wait until it is renewed".to_owned(),
                )
            }
            Refusal::KeyRefused => missing(
                MissingKind::KeyRefused,
                format!("its provider refused the key ({status}): check {key}"),
            ),
            Refusal::Retired => missing(
                MissingKind::Retired,
                "retired or misspelt (404): name another in `model`".to_owned(),
            ),
            Refusal::Blocked(reason) => missing(
                MissingKind::Blocked,
                format!("its provider would not answer ({reason})"),
            ),
            Refusal::Final { code } => {
                let code = if code.is_empty() {
                    code
                } else {
                    format!(" {code}")
                };
                missing(
                    MissingKind::ProviderError,
                    format!("its provider refused the request ({status}{code})"),
                )
            }
            // Handled where they are repeated.
            Refusal::RateLimited { .. } => too_many(),
            Refusal::Passing { .. } => missing(
                MissingKind::ProviderError,
                format!("its provider failed ({status})"),
            ),
        }
    }
}

/// Text for the log at debug: redacted, one line, bounded, and without the key,
/// which providers quote.
fn shown(text: &str, target: Option<&Target>) -> String {
    let text = match target {
        Some(target) => without_key(text, target),
        None => Cow::Borrowed(text),
    };
    one_line(&redact(&text), MAX_LOGGED_BYTES)
}

/// What a server says, without the key that it was shown: it may quote it, and
/// not every key can be told by its look.
fn without_key<'t>(text: &'t str, target: &Target) -> Cow<'t, str> {
    match &target.key {
        Some(key) if text.contains(key.reveal()) => Cow::Owned(text.replace(key.reveal(), MASK)),
        _ => Cow::Borrowed(text),
    }
}

pub(super) fn missing(kind: MissingKind, why: String) -> Missing {
    Missing { kind, why }
}

fn too_many() -> Missing {
    missing(
        MissingKind::RateLimited,
        "its rate limit (429) lasts longer than there is time".to_owned(),
    )
}

fn timed_out() -> Missing {
    missing(MissingKind::TimedOut, "no answer in time".to_owned())
}

fn unreachable_now() -> Missing {
    missing(
        MissingKind::Unreachable,
        "its provider could not be reached: check the base URL and the network".to_owned(),
    )
}

fn spent(over: Over) -> Missing {
    let kind = match over {
        Over::Calls | Over::Tokens | Over::Money => MissingKind::BudgetSpent,
        Over::NoPrice => MissingKind::NotConfigured,
    };
    missing(kind, over.why().to_owned())
}
