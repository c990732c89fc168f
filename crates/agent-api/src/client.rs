//! Asks an agent.

use std::fmt;
use std::time::Duration;

use http::header::AUTHORIZATION;
use http::{HeaderValue, Method, StatusCode};
use reqwest::RequestBuilder;
use tokio::time::{Instant, timeout};
use tracing::debug;

use crate::clean;
use crate::error::{AgentError, Cause};
use crate::rest::{Request, Response};
use crate::url::AgentUrl;

/// The longest that an analysis may take: what the clients in use wait.
pub const ANALYSIS_LIMIT: Duration = Duration::from_secs(300);

/// Longest line of an agent's own words on its failure, in bytes.
const MAX_SAYS_BYTES: usize = 200;

const ANALYZE: &str = "/a2a/analyze";

/// What is waited for and read at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// How long one address may take to say that the agent is well: it looks
    /// at nothing but itself.
    pub health_step: Duration,
    /// How long the whole health check may take, all its addresses together.
    pub health_total: Duration,
    /// Largest answer to a health check: what Quarkus says has 2 KiB.
    pub health_bytes: usize,
    /// Largest analysis: three models' results of some KiB each, many times
    /// over.
    pub answer_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            health_step: Duration::from_secs(5),
            health_total: Duration::from_secs(10),
            health_bytes: 64 << 10,
            answer_bytes: 1 << 20,
        }
    }
}

/// A bearer token, as the header that carries it: prints as `***`.
#[derive(Clone, PartialEq, Eq)]
pub struct Bearer(HeaderValue);

/// A token that no header can carry. Its text does not hold the token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the bearer token is empty, or holds characters that no HTTP header can carry")]
pub struct BearerError;

impl Bearer {
    /// A token, without the white space around it: files end with a newline.
    ///
    /// # Errors
    ///
    /// [`BearerError`] when it is empty, or not what a token is made of.
    pub fn new(token: &str) -> Result<Self, BearerError> {
        let token = token.trim();
        if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(BearerError);
        }
        let mut header =
            HeaderValue::try_from(format!("Bearer {token}")).map_err(|_| BearerError)?;
        header.set_sensitive(true);
        Ok(Self(header))
    }
}

impl fmt::Debug for Bearer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// A client of one agent. Clones share their connections.
///
/// Nothing is tried again here: an analysis costs money, and Argo repeats a
/// measurement that ended in an error.
#[derive(Clone, Debug)]
pub struct Client {
    http: reqwest::Client,
    agent: AgentUrl,
    bearer: Option<Bearer>,
    limits: Limits,
}

/// How long an answer may take, and how large it may be.
#[derive(Clone, Copy)]
pub(crate) struct Room {
    pub(crate) limit: Duration,
    pub(crate) bytes: usize,
    /// Whether what does not fit is left out, rather than the answer refused.
    pub(crate) cuts: bool,
}

/// An answer that came.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) body: Vec<u8>,
}

impl Client {
    /// A client that asks this agent through `http`, which must not follow
    /// redirects: the token would go with them. With a token, a user and a
    /// password in the agent's address are not sent.
    #[must_use]
    pub fn new(
        http: reqwest::Client,
        agent: AgentUrl,
        bearer: Option<Bearer>,
        limits: Limits,
    ) -> Self {
        Self {
            http,
            agent,
            bearer,
            limits,
        }
    }

    /// Where the agent is.
    #[must_use]
    pub fn agent(&self) -> &AgentUrl {
        &self.agent
    }

    /// Whether the agent is there and well: `/a2a/health`, else `/q/health`,
    /// else `/`, where any status below 500 will do. Does I/O.
    ///
    /// # Errors
    ///
    /// [`AgentError::Health`] when it is out of reach, answers 500 or above, or
    /// says that it is down.
    pub async fn health(&self) -> Result<(), AgentError> {
        let limit = self.limits.health_total;
        timeout(limit, crate::health::check(self))
            .await
            .unwrap_or(Err(Cause::Deadline { after: limit }))
            .map_err(AgentError::Health)
    }

    /// Asks for an analysis, and waits for it at most `limit` and never more
    /// than [`ANALYSIS_LIMIT`]. Does I/O. Dropping the future ends the
    /// connection, by which an agent knows that nobody waits any more.
    ///
    /// # Errors
    ///
    /// [`AgentError::Analyze`] when there is no answer in time, its status is
    /// not 200, or it cannot be read.
    pub async fn analyze(
        &self,
        request: &Request,
        limit: Duration,
    ) -> Result<Response, AgentError> {
        let ask = self.ask(Method::POST, ANALYZE).json(request);
        let room = Room {
            limit: limit.min(ANALYSIS_LIMIT),
            bytes: self.limits.answer_bytes,
            cuts: false,
        };
        let answer = self
            .answer(ask, ANALYZE, room)
            .await
            .map_err(AgentError::Analyze)?;
        read(&answer).map_err(AgentError::Analyze)
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }

    pub(crate) fn ask(&self, method: Method, path: &str) -> RequestBuilder {
        match &self.bearer {
            Some(Bearer(header)) => self
                .http
                .request(method, self.agent.at(path))
                .header(AUTHORIZATION, header.clone()),
            // Its user and password become a header of their own.
            None => self.http.request(method, self.agent.with_credentials(path)),
        }
    }

    /// Sends, and reads the answer, within time and bytes.
    pub(crate) async fn answer(
        &self,
        ask: RequestBuilder,
        path: &str,
        room: Room,
    ) -> Result<Answer, Cause> {
        let begun = Instant::now();
        let answer = timeout(room.limit, received(ask, room))
            .await
            .unwrap_or(Err(Cause::Deadline { after: room.limit }));
        let took_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        let url = self.agent.at(path);
        match &answer {
            Ok(answer) => {
                let status = answer.status.as_u16();
                debug!(%url, status, took_ms, "A2A call answered");
            }
            Err(cause) => debug!(%url, took_ms, %cause, "A2A call failed"),
        }
        answer
    }
}

async fn received(ask: RequestBuilder, room: Room) -> Result<Answer, Cause> {
    let begun = Instant::now();
    let failed = |error: reqwest::Error| Cause::of(&error, begun.elapsed());
    let mut answer = ask.send().await.map_err(failed)?;
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(failed)? {
        let left = room.bytes - body.len();
        if chunk.len() > left && !room.cuts {
            return Err(Cause::TooLarge {
                limit_bytes: room.bytes,
            });
        }
        body.extend_from_slice(&chunk[..chunk.len().min(left)]);
        if chunk.len() > left {
            break;
        }
    }
    Ok(Answer {
        status: answer.status(),
        body,
    })
}

/// Reads the answer to `POST /a2a/analyze`. Only 200 is one, as for the
/// clients in use.
fn read(answer: &Answer) -> Result<Response, Cause> {
    let status = answer.status.as_u16();
    Err(match status {
        200 => return Response::read(&answer.body).map_err(Cause::Unreadable),
        300..=399 => Cause::Redirect { status },
        401 | 403 => Cause::Authentication { status },
        404 | 405 => Cause::NotThere { status },
        504 => Cause::AgentDeadline,
        _ => Cause::Status {
            status,
            says: says(&answer.body),
        },
    })
}

/// The analysis in the body of a failure, which says what failed; in other
/// bodies there is nothing for people.
fn says(body: &[u8]) -> Option<String> {
    let body: serde_json::Value = serde_json::from_slice(body).ok()?;
    let line = clean::line(body.get("analysis")?.as_str()?, MAX_SAYS_BYTES);
    (!line.is_empty()).then_some(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_not_shown_and_must_fit_a_header() {
        let bearer = Bearer::new(" hunter2\n").unwrap();
        assert_eq!(format!("{bearer:?}"), "***");
        assert!(bearer.0.is_sensitive());
        assert_eq!(bearer.0, "Bearer hunter2");
        for token in ["", " \n", "two words", "a\r\nX-Evil: 1", "pässword"] {
            assert_eq!(Bearer::new(token), Err(BearerError), "{token:?}");
        }
    }
}
