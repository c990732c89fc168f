//! Answers, in the contract's own JSON. No I/O.

use serde_json::Value;

use crate::script::Answer;

/// What happens to a request.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Act {
    Reply(Reply),
    Hang,
    Reset,
}

/// An answer that is sent.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) body: String,
    /// The header `Location`.
    pub(crate) location: Option<String>,
    /// After so many bytes of the body the connection breaks.
    pub(crate) cut_after: Option<usize>,
}

impl Reply {
    pub(crate) fn new(status: u16, body: impl Into<String>) -> Self {
        Self {
            status,
            body: body.into(),
            ..Self::default()
        }
    }
}

impl Act {
    /// The status that the client will see; 0 if none.
    pub(crate) fn status(&self) -> u16 {
        match self {
            Self::Reply(reply) => reply.status,
            Self::Hang | Self::Reset => 0,
        }
    }
}

pub(crate) fn act(answer: &Answer) -> Act {
    Act::Reply(match answer {
        Answer::Good => Reply::new(200, GOOD),
        Answer::Bad => Reply::new(200, BAD),
        Answer::Inconclusive => Reply::new(200, INCONCLUSIVE),
        Answer::Failure => Reply::new(500, failure("the script says to fail")),
        Answer::Body(body) => Reply::new(200, body.as_str()),
        Answer::Status { code, body } => Reply::new(*code, body.as_str()),
        Answer::Redirect(location) => Reply {
            location: Some(location.clone()),
            ..Reply::new(307, "")
        },
        Answer::Large(bytes) => Reply::new(200, " ".repeat(*bytes)),
        Answer::CutAfter(bytes) => Reply {
            cut_after: Some(*bytes),
            ..Reply::new(200, GOOD)
        },
        Answer::Hang => return Act::Hang,
        Answer::Reset => return Act::Reset,
    })
}

/// The contract's answer of a `GET`; `None` if it has none under this path.
pub(crate) fn health(path: &str) -> Option<Reply> {
    let body = match path {
        "/" => "agent-stand-in\n",
        "/a2a/health" => r#"{"status":"healthy","agent":"KubernetesAgent","version":"0.0.0"}"#,
        "/q/health" | "/q/health/live" | "/q/health/ready" | "/q/health/started" => {
            r#"{"status":"UP","checks":[]}"#
        }
        _ => return None,
    };
    Some(Reply::new(200, body))
}

/// Any failure, as the contract has it.
pub(crate) fn failure(why: &str) -> String {
    let analysis = Value::from(format!("agent-stand-in: {why}"));
    format!(
        "{{\"analysis\":{analysis},\"rootCause\":\"Analysis failed\",\"remediation\":\"\",\
         \"prLink\":null,\"promote\":false,\"confidence\":0,\"modelResults\":[],\
         \"votingRationale\":null,\"verdict\":null,\"state\":null,\"issueLink\":null}}"
    )
}

const GOOD: &str = r#"{"analysis":"0 errors in 4,200 requests of the canary, 0 in stable","rootCause":"","remediation":"","prLink":null,"promote":true,"confidence":80,"modelResults":[{"modelName":"scripted","analysis":"0 errors in both","rootCause":"","remediation":"","promote":true,"confidence":80,"executionTimeMs":1200,"error":null}],"votingRationale":"1 of 1 for promote","verdict":"promote","state":null,"issueLink":null}"#;

const BAD: &str = r#"{"analysis":"4.8 % of the canary's requests fail, none of stable's","rootCause":"NullPointerException in UserResource:39","remediation":"check for a missing user","prLink":"https://github.com/example/shop/pull/12","promote":false,"confidence":90,"modelResults":[{"modelName":"scripted","analysis":"errors in the canary only","rootCause":"NullPointerException in UserResource:39","remediation":"check for a missing user","promote":false,"confidence":90,"executionTimeMs":2100,"error":null}],"votingRationale":"1 of 1 for abort","verdict":"abort","state":null,"issueLink":"https://github.com/example/shop/issues/11"}"#;

const INCONCLUSIVE: &str = r#"{"analysis":"12 requests of the canary are too few","rootCause":"","remediation":"send it more traffic","prLink":null,"promote":false,"confidence":0,"modelResults":[],"votingRationale":null,"verdict":"inconclusive","state":"seen:12","issueLink":null}"#;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_have_the_contracts_fields_in_its_order() {
        let fields = [
            "analysis",
            "rootCause",
            "remediation",
            "prLink",
            "promote",
            "confidence",
            "modelResults",
            "votingRationale",
            "verdict",
            "state",
            "issueLink",
        ];
        for body in [GOOD, BAD, INCONCLUSIVE, &failure("a \"quote\"")] {
            let value: Value = serde_json::from_str(body).unwrap();
            assert_eq!(value.as_object().unwrap().len(), fields.len(), "{body}");
            // Without the models' results, which have fields of these names.
            let (before, rest) = body[1..].split_once('[').unwrap();
            let own = format!(",{before}[{}", &rest[rest.find(']').unwrap()..]);
            let places: Vec<_> = fields
                .map(|field| own.find(&format!(",\"{field}\":")).unwrap())
                .into();
            assert!(places.is_sorted(), "{body}");
            assert!(value["confidence"].is_u64() && value["promote"].is_boolean());
        }
    }
}
