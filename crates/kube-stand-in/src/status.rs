//! What an API server says when it does not answer (`metav1.Status`).

use serde_json::{Value, json};

/// The user that 403 names.
const USER: &str = "system:serviceaccount:argo-rollouts:argo-rollouts";

fn status(code: u16, reason: &str, message: String, details: Value) -> Value {
    json!({
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": message,
        "reason": reason,
        "details": details,
        "code": code,
    })
}

/// 403 for a request, which `name` is empty for when it is a list.
pub(crate) fn forbidden(what: &Forbidden<'_>) -> Value {
    let Forbidden {
        verb,
        resource,
        group,
        namespace,
        name,
    } = what;
    let kind = resource.split('/').next().unwrap_or_default();
    let object = if name.is_empty() {
        kind.to_owned()
    } else {
        format!("{kind} \"{name}\"")
    };
    let mut details = json!({"kind": kind});
    if !name.is_empty() {
        details["name"] = json!(name);
    }
    if !group.is_empty() {
        details["group"] = json!(group);
    }
    let message = format!(
        "{object}{} is forbidden: User \"{USER}\" cannot {verb} resource \"{resource}\" in API \
         group \"{group}\" in the namespace \"{namespace}\"",
        if group.is_empty() || !name.is_empty() {
            String::new()
        } else {
            format!(".{group}")
        }
    );
    status(403, "Forbidden", message, details)
}

/// What may not be done.
pub(crate) struct Forbidden<'a> {
    pub(crate) verb: &'a str,
    pub(crate) resource: &'a str,
    pub(crate) group: &'a str,
    pub(crate) namespace: &'a str,
    pub(crate) name: &'a str,
}

pub(crate) fn not_found(kind: &str, name: &str) -> Value {
    status(
        404,
        "NotFound",
        format!("{kind} \"{name}\" not found"),
        json!({"name": name, "kind": kind}),
    )
}

pub(crate) fn bad_request(message: &str) -> Value {
    status(400, "BadRequest", message.to_owned(), json!({}))
}

/// A status of the script, in the server's own words for it.
pub(crate) fn scripted(code: u16, retry_after_s: Option<u64>) -> Value {
    let (reason, message) = match code {
        401 => ("Unauthorized", "Unauthorized"),
        404 => (
            "NotFound",
            "the server could not find the requested resource",
        ),
        410 => (
            "Expired",
            "The provided continue parameter is too old to display a consistent list result.",
        ),
        429 => (
            "TooManyRequests",
            "the server has received too many requests and has asked us to try again later",
        ),
        500 => (
            "InternalError",
            "Internal error occurred: the kubelet did not answer",
        ),
        503 => (
            "ServiceUnavailable",
            "the server is currently unable to handle the request",
        ),
        504 => (
            "Timeout",
            "the server was unable to return a response in time",
        ),
        _ => (
            "",
            "an error on the server has prevented the request from succeeding",
        ),
    };
    let mut details = json!({});
    if let Some(seconds) = retry_after_s {
        details["retryAfterSeconds"] = json!(seconds);
    }
    status(code, reason, message.to_owned(), details)
}
