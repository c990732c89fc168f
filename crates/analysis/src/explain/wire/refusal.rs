//! A status that is no success → what to do about it. Pure.
//!
//! What a provider says in words is never shown: it may quote the prompt or
//! the key. Only the status and known words of its protocol are.

use std::time::Duration;

use http::HeaderMap;
use serde_json::Value;

use super::word;

/// The longest wait that a provider can ask for: what it says beyond is a
/// mistake, and would close its gate for the life of the process.
pub(in crate::explain) const MAX_WAIT: Duration = Duration::from_secs(3_600);

/// Why a provider did not answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::explain) enum Refusal {
    /// Too many requests: again after `wait`, if it says when.
    RateLimited { wait: Option<Duration> },
    /// The quota is used up: asking again does not help today.
    QuotaSpent,
    /// The key is wrong, or may not use the model.
    KeyRefused,
    /// There is no such model.
    Retired,
    /// The provider would not answer, for this reason.
    Blocked(String),
    /// It failed, which may pass: again after `wait`, if it says when.
    Passing { wait: Option<Duration> },
    /// It does not take the request, and will not take it again.
    Final { code: String },
}

pub(in crate::explain) fn refusal(status: u16, headers: &HeaderMap, body: &[u8]) -> Refusal {
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    // Google sends the error inside an array at times.
    let body = match &body {
        Value::Array(items) => items.first().unwrap_or(&Value::Null),
        body => body,
    };
    let error = &body["error"];
    let details = error["details"].as_array().map(Vec::as_slice);
    let details = details.unwrap_or_default();
    let is_code = |wanted: &str| error["code"] == wanted || error["type"] == wanted;
    let wait = || wait(details, headers);
    match status {
        429 if is_day_quota(details) || is_code("insufficient_quota") => Refusal::QuotaSpent,
        429 => Refusal::RateLimited { wait: wait() },
        401 | 403 => Refusal::KeyRefused,
        400 if details
            .iter()
            .any(|detail| detail["reason"] == "API_KEY_INVALID") =>
        {
            Refusal::KeyRefused
        }
        400 if is_code("invalid_api_key") => Refusal::KeyRefused,
        400 if is_code("invalid_prompt") || is_code("content_filter") => {
            Refusal::Blocked(word(error["code"].as_str().unwrap_or("invalid_prompt")))
        }
        404 => Refusal::Retired,
        408 | 425 | 500.. => Refusal::Passing { wait: wait() },
        _ => Refusal::Final { code: code(error) },
    }
}

/// The protocol's own word for the error: `INVALID_ARGUMENT`,
/// `unsupported_parameter`; empty when there is none.
fn code(error: &Value) -> String {
    ["status", "code", "type"]
        .iter()
        .filter_map(|name| error[name].as_str())
        .find(|code| !code.is_empty())
        .map(word)
        .unwrap_or_default()
}

fn is_day_quota(details: &[Value]) -> bool {
    let violations = details
        .iter()
        .filter_map(|detail| detail["violations"].as_array())
        .flatten();
    violations
        .filter_map(|violation| violation["quotaId"].as_str())
        .any(|id| id.contains("PerDay"))
}

/// When to come again: `RetryInfo`, `retry-after-ms`, `retry-after`.
fn wait(details: &[Value], headers: &HeaderMap) -> Option<Duration> {
    let header = |name: &str| headers.get(name)?.to_str().ok();
    let seconds = details
        .iter()
        .find_map(|detail| detail["retryDelay"].as_str())
        .and_then(|delay| delay.strip_suffix('s')?.parse::<f64>().ok())
        .or_else(|| {
            let ms: f64 = header("retry-after-ms")?.trim().parse().ok()?;
            Some(ms / 1_000.0)
        })
        .or_else(|| {
            let after = header("retry-after")?.trim();
            let date = || seconds_between(header("date")?, after);
            after.parse::<f64>().ok().or_else(date)
        })?;
    // What is no number, or negative, is no time.
    let wait = Duration::try_from_secs_f64(seconds).ok()?;
    Some(wait.min(MAX_WAIT))
}

/// Seconds from one HTTP date to the other, both by the server's clock.
fn seconds_between(from: &str, to: &str) -> Option<f64> {
    let time = |text: &str| Some(jiff::fmt::rfc2822::parse(text).ok()?.timestamp());
    Some((time(to)?.duration_since(time(from)?)).as_secs_f64())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use serde_json::json;

    use super::*;

    fn quota(id: &str, delay: &str) -> Value {
        json!({"error": {"code": 429, "status": "RESOURCE_EXHAUSTED", "message": "THE PROMPT", "details": [
            {"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [{"quotaId": id}]},
            {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": delay}]}})
    }

    fn told(status: u16, headers: &[(&'static str, &'static str)], body: &Value) -> Refusal {
        let headers = headers
            .iter()
            .map(|(name, value)| {
                (
                    http::HeaderName::from_static(name),
                    HeaderValue::from_static(value),
                )
            })
            .collect();
        refusal(status, &headers, body.to_string().as_bytes())
    }

    fn limited(ms: u64) -> Refusal {
        Refusal::RateLimited {
            wait: Some(Duration::from_millis(ms)),
        }
    }

    #[test]
    fn when_to_come_again_is_read_wherever_it_is_said() {
        let minute = "GenerateRequestsPerMinutePerProjectPerModel-FreeTier";
        let plain = json!({"error": {"code": "rate_limit_exceeded"}});
        for (headers, body, expected) in [
            (vec![], quota(minute, "17.5s"), limited(17_500)),
            (vec![], json!([quota(minute, "0.25s")]), limited(250)),
            (vec![], quota(minute, "99999999s"), limited(3_600_000)),
            (
                vec![],
                quota(minute, "-1s"),
                Refusal::RateLimited { wait: None },
            ),
            (
                vec![],
                quota(minute, "NaNs"),
                Refusal::RateLimited { wait: None },
            ),
            (vec![("retry-after", "20")], plain.clone(), limited(20_000)),
            (vec![("retry-after", "0.5")], plain.clone(), limited(500)),
            (
                vec![("retry-after-ms", "1500"), ("retry-after", "2")],
                plain.clone(),
                limited(1_500),
            ),
            (
                vec![
                    ("date", "Fri, 02 Jan 2026 03:04:05 GMT"),
                    ("retry-after", "Fri, 02 Jan 2026 03:04:35 GMT"),
                ],
                plain.clone(),
                limited(30_000),
            ),
            (
                vec![("retry-after", "soon")],
                plain,
                Refusal::RateLimited { wait: None },
            ),
        ] {
            assert_eq!(told(429, &headers, &body), expected, "{headers:?} {body}");
        }
    }

    #[test]
    fn a_quota_of_the_day_is_final() {
        let day = "GenerateRequestsPerDayPerProjectPerModel-FreeTier";
        assert_eq!(told(429, &[], &quota(day, "17.5s")), Refusal::QuotaSpent);
        for name in ["code", "type"] {
            let body = json!({"error": {name: "insufficient_quota"}});
            let told = told(429, &[("retry-after", "1")], &body);
            assert_eq!(told, Refusal::QuotaSpent, "{name}");
        }
    }

    #[test]
    fn each_status_has_its_meaning() {
        let passing = Refusal::Passing { wait: None };
        let last = |code: &str| Refusal::Final { code: code.into() };
        let invalid_key = json!({"error": {"code": 400, "status": "INVALID_ARGUMENT",
            "details": [{"reason": "API_KEY_INVALID"}]}});
        for (status, body, expected) in [
            (401, json!({}), Refusal::KeyRefused),
            (403, json!({}), Refusal::KeyRefused),
            (400, invalid_key, Refusal::KeyRefused),
            (404, json!({}), Refusal::Retired),
            (
                400,
                json!({"error": {"status": "INVALID_ARGUMENT"}}),
                last("INVALID_ARGUMENT"),
            ),
            (
                400,
                json!({"error": {"code": "THE PROMPT"}}),
                last("no reason that can be shown"),
            ),
            (
                400,
                json!({"error": {"code": "invalid_prompt"}}),
                Refusal::Blocked("invalid_prompt".into()),
            ),
            (302, json!({}), last("")),
            (413, json!(null), last("")),
            (408, json!({}), passing.clone()),
            (500, json!([]), passing.clone()),
            (503, json!("x"), passing.clone()),
            (529, json!({}), passing),
        ] {
            assert_eq!(told(status, &[], &body), expected, "{status} {body}");
        }
        let late = told(503, &[("retry-after", "3")], &json!({}));
        let wait = Some(Duration::from_secs(3));
        assert_eq!(late, Refusal::Passing { wait });
    }
}
