//! Requests to the API server: bounded in time, size, number and repetition.

use std::fmt;
use std::time::Duration;

use http::{Request, Response, StatusCode, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use judge::redact::redact;
use kube::Client;
use kube::client::Body;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::error::GatherError;
use crate::limits::{
    FIRST_RETRY_WAIT, Limits, MAX_OBJECT_BYTES, MAX_PAGES, MAX_RETRY_AFTER, PAGE_SIZE,
    PARALLEL_LOGS, PARALLEL_OBJECTS,
};
use crate::message::one_line;
use crate::objects::List;

/// Bytes of an error's body that are read, and of its text that is shown.
const MAX_STATUS_BYTES: usize = 64 << 10;
const MAX_REASON_BYTES: usize = 200;

/// One kind of request, in the words of its errors.
#[derive(Clone, Copy, Debug)]
pub(super) struct Call {
    pub(super) doing: &'static str,
    verb: &'static str,
    resource: &'static str,
}

pub(super) const GET_ROLLOUT: Call = Call {
    doing: "get the Rollout",
    verb: "get",
    resource: "rollouts.argoproj.io",
};
pub(super) const LIST_PODS: Call = Call {
    doing: "list pods",
    verb: "list",
    resource: "pods",
};
pub(super) const LIST_EVENTS: Call = Call {
    doing: "list events",
    verb: "list",
    resource: "events",
};
pub(super) const GET_SECRET: Call = Call {
    doing: "get the Secret",
    verb: "get",
    resource: "secrets",
};
pub(super) const GET_LOGS: Call = Call {
    doing: "fetch logs",
    verb: "get",
    resource: "pods/log",
};

/// The API server, with the process's own limits.
pub(super) struct Api {
    client: Client,
    objects: Semaphore,
    /// Who reads a log holds one of these.
    pub(super) logs: Semaphore,
}

impl fmt::Debug for Api {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Api").finish_non_exhaustive()
    }
}

/// What the API server says instead of an answer (`metav1.Status`).
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Status {
    message: Option<String>,
    details: Option<StatusDetails>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct StatusDetails {
    retry_after_seconds: Option<u64>,
}

/// Where an answer is not what the API promises. What the parser says of it
/// quotes the answer, which nobody has redacted.
#[derive(Debug, thiserror::Error)]
#[error("it is not the expected JSON at line {line}, column {column}")]
struct Misread {
    line: usize,
    column: usize,
}

impl From<&serde_json::Error> for Misread {
    fn from(error: &serde_json::Error) -> Self {
        Self {
            line: error.line(),
            column: error.column(),
        }
    }
}

/// A request failed, and whether another attempt may help.
#[derive(Debug)]
pub(super) struct CallError {
    pub(super) error: GatherError,
    /// `None`: repetition does not help. `Some(None)`: it may. `Some(Some(_))`:
    /// it may, after this long.
    retry: Option<Option<Duration>>,
}

impl CallError {
    fn is_expired_page(&self) -> bool {
        matches!(self.error, GatherError::Refused { status: 410, .. })
    }

    pub(super) fn unreachable(
        call: Call,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self {
            error: GatherError::Unreachable {
                doing: call.doing,
                source: source.into(),
            },
            retry: Some(None),
        }
    }

    /// How long to wait before attempt number `attempt` (1 is the first
    /// repetition); `None` when there must be none.
    pub(super) fn wait_before(&self, attempt: u32, limits: &Limits) -> Option<Duration> {
        let asked = self.retry?;
        if attempt > limits.retries {
            return None;
        }
        let doubled = FIRST_RETRY_WAIT.saturating_mul(1 << (attempt - 1).min(8));
        match asked {
            // Who asks for more patience than a look has is not asked again.
            Some(asked) if asked > MAX_RETRY_AFTER => None,
            Some(asked) => Some(asked.max(FIRST_RETRY_WAIT)),
            None => Some(doubled.min(MAX_RETRY_AFTER)),
        }
    }
}

impl Api {
    pub(super) fn new(client: Client) -> Self {
        Self {
            client,
            objects: Semaphore::new(PARALLEL_OBJECTS),
            logs: Semaphore::new(PARALLEL_LOGS),
        }
    }

    /// The namespace of who asks: the pod's, or the kubeconfig's.
    pub(super) fn own_namespace(&self) -> &str {
        self.client.default_namespace()
    }

    /// Gets one object, repeating as the limits allow.
    pub(super) async fn get<T: DeserializeOwned>(
        &self,
        call: Call,
        uri: &str,
        limits: &Limits,
    ) -> Result<T, GatherError> {
        self.get_retrying(call, uri, limits)
            .await
            .map_err(|e| e.error)
    }

    /// Lists all objects, page by page; true beside them when there are more
    /// than [`MAX_PAGES`] pages.
    pub(super) async fn list<T: DeserializeOwned>(
        &self,
        call: Call,
        uri: &str,
        limits: &Limits,
    ) -> Result<(Vec<T>, bool), GatherError> {
        // A list whose pages expired while it was read starts again, once.
        match self.list_pages(call, uri, limits).await {
            Err(error) if error.is_expired_page() => self.list_pages(call, uri, limits).await,
            other => other,
        }
        .map_err(|e| e.error)
    }

    async fn list_pages<T: DeserializeOwned>(
        &self,
        call: Call,
        uri: &str,
        limits: &Limits,
    ) -> Result<(Vec<T>, bool), CallError> {
        let mut items = Vec::new();
        let mut next = String::new();
        for _ in 0..MAX_PAGES {
            let page_uri = if next.is_empty() {
                format!("{uri}&limit={PAGE_SIZE}")
            } else {
                format!("{uri}&limit={PAGE_SIZE}&continue={}", query(&next))
            };
            let page: List<T> = self.get_retrying(call, &page_uri, limits).await?;
            items.extend(page.items);
            next = page.metadata.next;
            if next.is_empty() {
                return Ok((items, false));
            }
        }
        Ok((items, true))
    }

    async fn get_retrying<T: DeserializeOwned>(
        &self,
        call: Call,
        uri: &str,
        limits: &Limits,
    ) -> Result<T, CallError> {
        let mut attempt = 0;
        loop {
            let error = match self.get_once(call, uri, limits).await {
                Ok(object) => return Ok(object),
                Err(error) => error,
            };
            attempt += 1;
            let Some(wait) = error.wait_before(attempt, limits) else {
                return Err(error);
            };
            tracing::debug!(attempt, ?wait, error = %error.error, "retry");
            tokio::time::sleep(wait).await;
        }
    }

    async fn get_once<T: DeserializeOwned>(
        &self,
        call: Call,
        uri: &str,
        limits: &Limits,
    ) -> Result<T, CallError> {
        let _permit = self.objects.acquire().await;
        let answer = async {
            let response = self.open(call, uri, &[StatusCode::OK]).await?;
            let body = Limited::new(response.into_body(), MAX_OBJECT_BYTES);
            body.collect().await.map_err(|error| {
                if error.downcast_ref::<LengthLimitError>().is_some() {
                    CallError {
                        error: GatherError::TooLarge {
                            doing: call.doing,
                            limit_mib: MAX_OBJECT_BYTES >> 20,
                        },
                        retry: None,
                    }
                } else {
                    CallError::unreachable(call, error)
                }
            })
        };
        let body = timeout(limits.request_time, answer)
            .await
            .map_err(|_| timed_out(call, limits.request_time))??;
        serde_json::from_slice(&body.to_bytes()).map_err(|error| CallError {
            error: GatherError::Unreadable {
                doing: call.doing,
                source: Misread::from(&error).into(),
            },
            retry: None,
        })
    }

    /// Sends one GET and hands back the answer when its status is a wanted one.
    pub(super) async fn open(
        &self,
        call: Call,
        uri: &str,
        wanted: &[StatusCode],
    ) -> Result<Response<Body>, CallError> {
        let request = Request::get(uri)
            .header(header::ACCEPT, "application/json, */*")
            .body(Body::empty())
            .map_err(|error| CallError::unreachable(call, error))?;
        let response = self
            .client
            .send(request)
            .await
            .map_err(|error| CallError::unreachable(call, error))?;
        if wanted.contains(&response.status()) {
            return Ok(response);
        }
        Err(refused(call, uri, response).await)
    }
}

pub(super) fn timed_out(call: Call, limit: Duration) -> CallError {
    CallError {
        error: GatherError::TimedOut {
            doing: call.doing,
            limit_s: limit.as_secs(),
        },
        retry: None,
    }
}

async fn refused(call: Call, uri: &str, response: Response<Body>) -> CallError {
    let code = response.status();
    let asked = response
        .headers()
        .get(header::RETRY_AFTER)
        .and_then(|value| value.to_str().ok()?.trim().parse().ok());
    let status = read_status(response.into_body()).await;
    let asked = asked
        .or(status
            .details
            .and_then(|details| details.retry_after_seconds))
        .map(Duration::from_secs);
    let error = match code {
        StatusCode::FORBIDDEN => GatherError::Forbidden {
            doing: call.doing,
            verb: call.verb,
            resource: call.resource,
            namespace: namespace_of(uri).to_owned(),
        },
        StatusCode::UNAUTHORIZED => GatherError::Unauthorized { doing: call.doing },
        _ => GatherError::Refused {
            doing: call.doing,
            status: code.as_u16(),
            // Webhooks and aggregated servers have their say in it.
            reason: one_line(
                &redact(status.message.as_deref().unwrap_or("no reason given")),
                MAX_REASON_BYTES,
            ),
        },
    };
    let retry = match code {
        StatusCode::TOO_MANY_REQUESTS
        | StatusCode::INTERNAL_SERVER_ERROR
        | StatusCode::BAD_GATEWAY
        | StatusCode::SERVICE_UNAVAILABLE
        | StatusCode::GATEWAY_TIMEOUT => Some(asked),
        _ => None,
    };
    CallError { error, retry }
}

/// A body that is no `Status` says nothing more than its code does.
async fn read_status(body: Body) -> Status {
    match Limited::new(body, MAX_STATUS_BYTES).collect().await {
        Ok(body) => serde_json::from_slice(&body.to_bytes()).unwrap_or_default(),
        Err(_) => Status::default(),
    }
}

fn namespace_of(uri: &str) -> &str {
    uri.split_once("/namespaces/")
        .and_then(|(_, rest)| rest.split(['/', '?']).next())
        .unwrap_or_default()
}

/// Percent-encodes one value of a query, or one segment of a path.
pub(super) fn query(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~') {
            out.push(char::from(byte));
        } else {
            use fmt::Write as _;
            // Writing into a String cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_cannot_leave_their_place_in_a_uri() {
        assert_eq!(query("role in (a,b)"), "role%20in%20%28a%2Cb%29");
        assert_eq!(query("../secrets?x=1&y#z"), "..%2Fsecrets%3Fx%3D1%26y%23z");
    }

    fn retryable(asked: Option<u64>) -> CallError {
        CallError {
            error: GatherError::Unauthorized { doing: "test" },
            retry: Some(asked.map(Duration::from_secs)),
        }
    }

    #[test]
    fn waits_double_and_end() {
        let limits = Limits::default();
        let waits: Vec<_> = (1..=limits.retries + 1)
            .map(|attempt| retryable(None).wait_before(attempt, &limits))
            .collect();
        assert_eq!(
            waits,
            [
                Some(Duration::from_millis(200)),
                Some(Duration::from_millis(400)),
                Some(Duration::from_millis(800)),
                None
            ]
        );
    }

    #[test]
    fn retry_after_is_honoured_and_bounded() {
        let limits = Limits::default();
        assert_eq!(
            retryable(Some(2)).wait_before(1, &limits),
            Some(Duration::from_secs(2))
        );
        assert_eq!(
            retryable(Some(0)).wait_before(1, &limits),
            Some(FIRST_RETRY_WAIT)
        );
        assert_eq!(retryable(Some(3600)).wait_before(1, &limits), None);
    }

    #[tokio::test]
    async fn an_errors_body_is_read_only_so_far() {
        let message = |length| format!(r#"{{"message":"{}"}}"#, "x".repeat(length));
        let read = async |length| read_status(Body::from(message(length).into_bytes())).await;
        assert_eq!(read(100).await.message, Some("x".repeat(100)));
        assert_eq!(read(MAX_STATUS_BYTES).await.message, None);
    }
}
