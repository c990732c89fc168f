//! Gemini's errors, in its shapes and words.

use bytes::Bytes;
use serde_json::{Value, json};

use crate::answer::{Reply, Request};
use crate::script::{Answer, Quota, RateLimit};

const BLOCKED_STATUS: u16 = 200;

/// An error with this status and message.
pub(crate) fn error(status: u16, message: &str) -> Reply {
    with_details(status, message, Vec::new())
}

fn with_details(status: u16, message: &str, details: Vec<Value>) -> Reply {
    Reply::json(status, &body(status, message, details))
}

fn body(status: u16, message: &str, details: Vec<Value>) -> Value {
    let mut error = json!({"code": status, "message": message, "status": name(status)});
    if !details.is_empty() {
        error["details"] = Value::Array(details);
    }
    json!({ "error": error })
}

fn name(status: u16) -> &'static str {
    match status {
        400 | 413 => "INVALID_ARGUMENT",
        401 => "UNAUTHENTICATED",
        403 => "PERMISSION_DENIED",
        404 => "NOT_FOUND",
        409 => "ABORTED",
        429 => "RESOURCE_EXHAUSTED",
        499 => "CANCELLED",
        501 => "UNIMPLEMENTED",
        503 => "UNAVAILABLE",
        504 => "DEADLINE_EXCEEDED",
        500..=599 => "INTERNAL",
        _ => "UNKNOWN",
    }
}

/// The error that an answer of the script asks for.
pub(super) fn usual(status: u16) -> &'static str {
    match status {
        400 => "Request contains an invalid argument.",
        401 => {
            "Request had invalid authentication credentials. Expected OAuth 2 access token, login \
             cookie or other valid authentication credential."
        }
        403 => "The caller does not have permission",
        404 => "Requested entity was not found.",
        429 => "Resource has been exhausted (e.g. check quota).",
        500 => "An internal error has occurred. Please retry.",
        503 => "The model is overloaded. Please try again later.",
        504 => "Deadline expired before operation could complete.",
        _ => "The request failed.",
    }
}

/// A model that there is not.
pub(super) fn unknown_model(model: &str) -> Reply {
    let message = format!(
        "models/{model} is not found for API version v1beta, or is not supported for \
         generateContent. Call ListModels to see the list of available models and their supported \
         methods."
    );
    error(404, &message)
}

/// A key that is not one.
pub(super) fn wrong_key(message: &str) -> Reply {
    let info = json!({
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": "API_KEY_INVALID",
        "domain": "googleapis.com",
        "metadata": {"service": "generativelanguage.googleapis.com"},
    });
    let localized = json!({
        "@type": "type.googleapis.com/google.rpc.LocalizedMessage",
        "locale": "en-US",
        "message": message,
    });
    with_details(400, message, vec![info, localized])
}

/// What a scripted failure answers.
pub(crate) fn fail(answer: &Answer, request: &Request) -> Reply {
    match answer {
        Answer::Blocked(reason) => blocked(reason, request),
        Answer::Status(status) => error(*status, usual(*status)),
        Answer::RateLimit(limit) => rate_limit(limit, &request.model),
        Answer::Retired => {
            let message = format!(
                "This model models/{} is no longer available. Please update your code to use a \
                 newer model for the latest features and improvements.",
                request.model
            );
            error(404, &message)
        }
        Answer::EchoKey => {
            let key = request.key.as_deref().unwrap_or_default();
            wrong_key(&format!(
                "API key not valid: {key}. Please pass a valid API key."
            ))
        }
        _ => error(500, usual(500)),
    }
}

fn blocked(reason: &str, request: &Request) -> Reply {
    let tokens = request.text.len().div_ceil(4);
    let body = json!({
        "promptFeedback": {"blockReason": reason},
        "usageMetadata": {"promptTokenCount": tokens, "totalTokenCount": tokens},
        "modelVersion": request.model,
    });
    super::write::send(vec![body], request.send, BLOCKED_STATUS)
}

fn rate_limit(limit: &RateLimit, model: &str) -> Reply {
    let (quota_id, most) = match limit.quota {
        Quota::PerMinute => ("GenerateRequestsPerMinutePerProjectPerModel-FreeTier", "10"),
        Quota::PerDay => ("GenerateRequestsPerDayPerProjectPerModel-FreeTier", "250"),
    };
    let delay = limit.retry_delay_ms.map(seconds);
    let metric = "generativelanguage.googleapis.com/generate_content_free_tier_requests";
    let mut message = format!(
        "You exceeded your current quota, please check your plan and billing details.\n* Quota \
         exceeded for metric: {metric}, limit: {most}, model: {model}"
    );
    let mut details = vec![
        json!({
            "@type": "type.googleapis.com/google.rpc.Help",
            "links": [{
                "description": "Learn more about Gemini API quotas",
                "url": "https://ai.google.dev/gemini-api/docs/rate-limits",
            }],
        }),
        json!({
            "@type": "type.googleapis.com/google.rpc.QuotaFailure",
            "violations": [{
                "quotaMetric": metric,
                "quotaId": quota_id,
                "quotaDimensions": {"location": "global", "model": model},
                "quotaValue": most,
            }],
        }),
    ];
    if let Some(delay) = delay {
        message.push_str(&format!("\nPlease retry in {delay}."));
        details.push(json!({
            "@type": "type.googleapis.com/google.rpc.RetryInfo",
            "retryDelay": delay,
        }));
    }
    let body = body(429, &message, details);
    if limit.in_array {
        let text = Bytes::from(json!([body]).to_string());
        return Reply::new(429, "application/json", vec![text]);
    }
    Reply::json(429, &body)
}

/// A `google.protobuf.Duration` in JSON: seconds, a fraction only if there is
/// one.
fn seconds(ms: u64) -> String {
    let text = format!("{}.{:03}", ms / 1_000, ms % 1_000);
    format!("{}s", text.trim_end_matches('0').trim_end_matches('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_are_written_as_durations() {
        for (ms, expected) in [
            (17_500, "17.5s"),
            (3_000, "3s"),
            (20, "0.02s"),
            (0, "0s"),
            (10_000, "10s"),
        ] {
            assert_eq!(seconds(ms), expected);
        }
    }
}
