//! One range query: the request that is sent, and to whom with what.

use std::error::Error as _;
use std::time::Duration;

use reqwest::{RequestBuilder, Url};
use tokio::time::timeout;

use super::access::{Access, Credential, Reach};
use super::answer::{self, Answered, Sent};
use super::queries::Address;
use super::range::Range;
use super::trouble::Trouble;
use crate::outbound::{self, BodyError};
use crate::secret::Secret;

/// Longest address that is asked with GET: servers and proxies between take 4
/// to 8 KiB. A longer one is sent as a form with POST, as Prometheus' own page
/// does. GET comes first since it changes nothing, wherever a template points.
const MAX_GET_BYTES: usize = 2_000;

/// Asks one query. No repetition: the next look asks again.
pub(super) async fn ask(
    access: &Access,
    address: &Address,
    query: &Secret,
    range: Range,
) -> Result<Answered, Trouble> {
    if access.reach == Reach::ListedOnly && !access.lists(address) {
        return Err(Trouble::NotListed);
    }
    let limit = access.limits.query_time;
    timeout(limit, answered(access, address, query, range))
        .await
        .unwrap_or(Err(Trouble::TimedOut(limit)))
}

async fn answered(
    access: &Access,
    address: &Address,
    query: &Secret,
    range: Range,
) -> Result<Answered, Trouble> {
    let url = url(address, query.reveal(), range, access.limits.query_time);
    let (request, sent) = request(access, address, url);
    let response = request.send().await.map_err(|error| unsent(&error))?;
    let status = response.status().as_u16();
    let limit_bytes = access.limits.answer_bytes;
    let body = outbound::body(response, limit_bytes).await;
    match (status, body) {
        (200, Ok(body)) => answer::samples(&body, range),
        (200, Err(BodyError::TooLarge { limit_bytes })) => Err(Trouble::TooLarge { limit_bytes }),
        (200, Err(BodyError::Broken(_))) => Err(Trouble::BrokeOff),
        // The status says enough, also without a body.
        (_, body) => Err(answer::refusal(status, &body.unwrap_or_default(), sent)),
    }
}

/// The address with the query, as it would be asked with GET.
fn url(address: &Address, query: &str, range: Range, limit: Duration) -> Url {
    let mut url = address.api("query_range");
    url.query_pairs_mut()
        .append_pair("query", query)
        .append_pair("start", &seconds(range.first_ms))
        .append_pair("end", &seconds(range.end_ms))
        .append_pair("step", &seconds(range.step_ms))
        // Then Prometheus gives up as well.
        .append_pair("timeout", &format!("{}ms", limit.as_millis()));
    url
}

/// `1767323045.250`: not a float, which would round.
fn seconds(ms: i64) -> String {
    format!("{}.{:03}", ms.div_euclid(1_000), ms.rem_euclid(1_000))
}

fn request(access: &Access, address: &Address, mut url: Url) -> (RequestBuilder, Sent) {
    let post = url.as_str().len() > MAX_GET_BYTES;
    let mut sent = Sent {
        credential: address.has_login(),
        post,
    };
    let mut request = if post {
        let form = url.query().unwrap_or_default().to_owned();
        url.set_query(None);
        access
            .http
            .post(url)
            .header(
                http::header::CONTENT_TYPE,
                "application/x-www-form-urlencoded",
            )
            .body(form)
    } else {
        access.http.get(url)
    };
    // Whoever put a login into the address wants that one to be used.
    if !address.has_login()
        && access.lists(address)
        && let Some(credential) = &access.credential
    {
        sent.credential = true;
        request = match credential {
            Credential::Basic { user, password } => {
                request.basic_auth(user.reveal(), Some(password.reveal()))
            }
            Credential::Bearer(token) => request.bearer_auth(token.reveal()),
        };
    }
    (request, sent)
}

/// Why there is no answer. The error itself names the address, so it is not
/// shown.
fn unsent(error: &reqwest::Error) -> Trouble {
    if error.is_builder() {
        return Trouble::Unsendable;
    }
    let mut cause = error.source();
    while let Some(error) = cause {
        if let Some(rustls::Error::InvalidCertificate(_)) = error.downcast_ref() {
            return Trouble::Untrusted;
        }
        cause = match error.downcast_ref::<std::io::Error>() {
            // Its `source` is that of what it was made from, not that itself.
            Some(io) => io.get_ref().map(|inner| inner as _),
            None => error.source(),
        };
    }
    if error.is_timeout() || error.is_connect() {
        Trouble::Unreachable
    } else {
        Trouble::BrokeOff
    }
}
