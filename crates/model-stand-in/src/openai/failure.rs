//! OpenAI's errors, in its shapes and words.

use serde_json::{Value, json};

use crate::answer::{Reply, Request};
use crate::script::{Answer, Quota, RateLimit};

/// What an error says beside its status.
pub(super) struct Problem<'a> {
    pub(super) message: &'a str,
    pub(super) kind: &'a str,
    pub(super) param: Option<&'a str>,
    pub(super) code: Option<&'a str>,
}

impl Problem<'_> {
    pub(super) fn reply(&self, status: u16) -> Reply {
        let body = json!({"error": {
            "message": self.message,
            "type": self.kind,
            "param": self.param,
            "code": self.code,
        }});
        Reply::json(status, &body)
    }
}

/// An error with this status and message.
pub(crate) fn error(status: u16, message: &str) -> Reply {
    let (kind, code) = match status {
        401 => ("invalid_request_error", Some("invalid_api_key")),
        403 => (
            "request_forbidden",
            Some("unsupported_country_region_territory"),
        ),
        404 => ("invalid_request_error", Some("model_not_found")),
        429 => ("requests", Some("rate_limit_exceeded")),
        500..=599 => ("server_error", None),
        _ => ("invalid_request_error", None),
    };
    let problem = Problem {
        message,
        kind,
        param: None,
        code,
    };
    problem.reply(status)
}

fn usual(status: u16) -> &'static str {
    match status {
        400 => "Invalid request.",
        401 => "Incorrect API key provided.",
        403 => "Country, region, or territory not supported",
        404 => "Not found.",
        429 => "Rate limit reached for requests",
        500 => "The server had an error while processing your request. Sorry about that!",
        503 => "The engine is currently overloaded, please try again later",
        _ => "The request failed.",
    }
}

/// A model that there is not.
pub(super) fn unknown_model(model: &str) -> Reply {
    error(
        404,
        &format!("The model `{model}` does not exist or you do not have access to it."),
    )
}

/// What a scripted failure answers.
pub(crate) fn fail(answer: &Answer, request: &Request) -> Reply {
    match answer {
        Answer::Blocked(_) => Problem {
            message: "Invalid prompt: your prompt was flagged as potentially violating our usage \
                      policy. Please try again with a different prompt.",
            kind: "invalid_request_error",
            param: None,
            code: Some("invalid_prompt"),
        }
        .reply(400),
        Answer::Status(status) => error(*status, usual(*status)),
        Answer::RateLimit(limit) => rate_limit(limit, &request.model),
        Answer::Retired => error(
            404,
            &format!(
                "The model `{}` has been deprecated, learn more here: \
                 https://platform.openai.com/docs/deprecations",
                request.model
            ),
        ),
        Answer::EchoKey => error(
            401,
            &format!(
                "Incorrect API key provided: {}. You can find your API key at \
                 https://platform.openai.com/account/api-keys.",
                request.key.as_deref().unwrap_or_default()
            ),
        ),
        _ => error(500, usual(500)),
    }
}

fn rate_limit(limit: &RateLimit, model: &str) -> Reply {
    let mut reply = match limit.quota {
        Quota::PerMinute => {
            let mut message = format!(
                "Rate limit reached for {model} in organization org-stand-in on requests per min \
                 (RPM): Limit 3, Used 3, Requested 1."
            );
            if let Some(ms) = limit.retry_delay_ms {
                message.push_str(&format!(" Please try again in {ms}ms."));
            }
            error(429, &message)
        }
        Quota::PerDay => Problem {
            message: "You exceeded your current quota, please check your plan and billing \
                      details. For more information on this error, read the docs: \
                      https://platform.openai.com/docs/guides/error-codes/api-errors.",
            kind: "insufficient_quota",
            param: None,
            code: Some("insufficient_quota"),
        }
        .reply(429),
    };
    if let Some(ms) = limit.retry_delay_ms {
        // Whole seconds, never too few.
        reply = reply
            .header("retry-after", ms.div_ceil(1_000))
            .header("retry-after-ms", ms);
    }
    if limit.in_array {
        let body: Value = reply
            .pieces
            .first()
            .and_then(|body| serde_json::from_slice(body).ok())
            .unwrap_or_default();
        reply.pieces = vec![json!([body]).to_string().into()];
    }
    reply
}
