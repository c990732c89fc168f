//! Whether an agent is there and well.

use http::{Method, StatusCode};

use crate::client::{Answer, Client, Room};
use crate::error::Cause;

/// Where agents say how they are, ours first.
const PATHS: [&str; 2] = ["/a2a/health", "/q/health"];

/// What an agent calls itself that is not well, in any case.
const NOT_WELL: [&str; 4] = ["down", "unhealthy", "out_of_service", "fail"];

pub(crate) async fn check(client: &Client) -> Result<(), Cause> {
    for path in PATHS {
        let answer = get(client, path).await?;
        fails(&answer)?;
        if answer.status.is_success() {
            return Ok(());
        }
        // Not there, or not for us: the next may be.
    }
    // Agents in use may have neither; that they answer is enough.
    fails(&get(client, "/").await?)
}

async fn get(client: &Client, path: &str) -> Result<Answer, Cause> {
    let limits = client.limits();
    let ask = client.ask(Method::GET, path);
    // Under `/` there may be a page of any size.
    let room = Room {
        limit: limits.health_step,
        bytes: limits.health_bytes,
        cuts: true,
    };
    client.answer(ask, path, room).await
}

fn fails(answer: &Answer) -> Result<(), Cause> {
    if says_down(&answer.body) {
        return Err(Cause::Down);
    }
    if answer.status >= StatusCode::INTERNAL_SERVER_ERROR {
        let status = answer.status.as_u16();
        return Err(Cause::Status { status, says: None });
    }
    Ok(())
}

fn says_down(body: &[u8]) -> bool {
    let body: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
    body.get("status")
        .and_then(serde_json::Value::as_str)
        .is_some_and(|said| {
            let said = said.trim().to_ascii_lowercase();
            NOT_WELL.contains(&said.as_str())
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_agent_says_of_itself() {
        let table = [
            (
                200,
                r#"{"status":"healthy","agent":"KubernetesAgent"}"#,
                true,
            ),
            (200, r#"{"status":"UP","checks":[]}"#, true),
            (200, "", true),
            (200, "<html>", true),
            (200, r#"{"status":200}"#, true),
            (404, "", true),
            (200, r#"{"status":"DOWN","checks":[]}"#, false),
            (503, r#"{"status":"DOWN","checks":[]}"#, false),
            (200, r#"{"status":" Unhealthy "}"#, false),
            (200, r#"{"status":"OUT_OF_SERVICE"}"#, false),
            (500, "", false),
            (503, r#"{"status":"UP"}"#, false),
        ];
        for (status, body, well) in table {
            let answer = Answer {
                status: StatusCode::from_u16(status).unwrap(),
                body: body.into(),
            };
            assert_eq!(fails(&answer).is_ok(), well, "{status} {body}");
        }
    }
}
