//! What a version says of itself, and how it is told what goes wrong.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Response, StatusCode, header};
use axum::response::IntoResponse as _;
use axum::routing::get;
use serde::{Deserialize, Serialize};

use crate::app::{self, App};
use crate::lines::{Format, Level};
use crate::metrics::{self, Process};
use crate::scenario::{ALL, About, Scenario};

/// Longest body of a change of scenario, in bytes: two names.
const MAX_CHANGE_BYTES: usize = 1_024;

/// Routes beside those of the application itself.
pub fn router() -> Router<Arc<App>> {
    Router::new()
        .route("/api/status", get(status))
        .route("/api/scenario", get(scenario).post(change))
        .route("/metrics", get(metrics))
}

#[derive(Serialize)]
struct Status<'a> {
    version: &'a str,
    color: &'a str,
    scenario: &'static str,
    log_format: Format,
    ready: bool,
    draining: bool,
    uptime_s: u64,
    requests: u64,
    errors: u64,
    resident_bytes: Option<u64>,
    error_percent: f64,
    latency_s: f64,
}

#[derive(Serialize)]
struct Scenarios<'a> {
    version: &'a str,
    color: &'a str,
    scenario: &'static str,
    scenarios: &'static [About],
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Change {
    scenario: String,
    /// The version that is meant, where any pod of a service may answer.
    version: Option<String>,
}

async fn status(State(app): State<Arc<App>>) -> Response<Body> {
    let (requests, errors) = app.metrics(|metrics| metrics.totals());
    let version = &app.version;
    json(&Status {
        version: version.color.as_str(),
        color: version.color.bare(),
        scenario: app.scenario().0.name(),
        log_format: version.format,
        ready: app.is_ready(),
        draining: app.is_draining(),
        uptime_s: app.started.0.elapsed().as_secs(),
        requests,
        errors,
        resident_bytes: metrics::resident_bytes(),
        error_percent: version.own.error_percent,
        latency_s: version.own.delay.as_secs_f64(),
    })
}

async fn scenario(State(app): State<Arc<App>>) -> Response<Body> {
    scenarios(&app)
}

fn scenarios(app: &App) -> Response<Body> {
    json(&Scenarios {
        version: app.version.color.as_str(),
        color: app.version.color.bare(),
        scenario: app.scenario().0.name(),
        scenarios: &ALL,
    })
}

fn json(value: &impl Serialize) -> Response<Body> {
    #[expect(clippy::expect_used, reason = "words and finite numbers")]
    let text = serde_json::to_string(value).expect("an answer is always JSON");
    let headers = [
        (header::CONTENT_TYPE, "application/json"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    (headers, text).into_response()
}

async fn change(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    request: Request,
) -> Response<Body> {
    // A browser asks before it sends this type to another site, and is told
    // nothing here: no other page can break this one's version.
    let kind = headers.get(header::CONTENT_TYPE);
    if !kind.is_some_and(|kind| kind.as_bytes().starts_with(b"application/json")) {
        let text = "send the change with `Content-Type: application/json`\n";
        return (StatusCode::UNSUPPORTED_MEDIA_TYPE, text).into_response();
    }
    let body = match app::body(request, MAX_CHANGE_BYTES).await {
        Ok(body) => body,
        Err(response) => return response,
    };
    let Ok(change) = serde_json::from_slice::<Change>(&body) else {
        let text = "the body is not {\"scenario\", \"version\"} (version may be left out)\n";
        return (StatusCode::BAD_REQUEST, text).into_response();
    };
    let scenario: Scenario = match change.scenario.parse() {
        Ok(scenario) => scenario,
        Err(error) => return (StatusCode::BAD_REQUEST, format!("{error}\n")).into_response(),
    };
    let version = &app.version.color;
    let meant = |name: String| [version.as_str(), version.bare()].contains(&name.as_str());
    if !change.version.is_none_or(meant) {
        let text = format!(
            "this is version {}: ask again for another pod\n",
            version.as_str()
        );
        return (StatusCode::CONFLICT, text).into_response();
    }
    app.say(
        Level::Info,
        &format!("scenario {} from now on", scenario.name()),
    );
    app.enter(scenario);
    scenarios(&app)
}

async fn metrics(State(app): State<Arc<App>>) -> Response<Body> {
    let process = Process {
        scenario: app.scenario().0.name(),
        resident_bytes: metrics::resident_bytes(),
        started_s: app.started.1.as_duration().as_secs_f64(),
    };
    let text = app.metrics(|metrics| metrics.text(&app.version.color, process));
    let kind = "text/plain; version=0.0.4; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], text).into_response()
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::process::{Command, Stdio};

    use axum::http::Method;
    use serde_json::Value;
    use tower::ServiceExt as _;

    use super::*;
    use crate::app::router;
    use crate::app::tests::Stage;
    use crate::color::Behaviour;

    fn stage() -> Stage {
        Stage::new(Behaviour {
            error_percent: 100.0,
            ..Behaviour::default()
        })
    }

    async fn told(stage: &Stage, body: &str) -> (u16, String) {
        let (status, _, text) = stage.ask(Method::POST, "/api/scenario", body).await;
        (status, text)
    }

    #[tokio::test]
    async fn a_status_says_what_it_is_and_how_it_goes() {
        let stage = stage();
        stage.ask(Method::GET, "/color", "").await;
        stage.ask(Method::POST, "/color", "{").await;
        let (code, _, text) = stage.ask(Method::GET, "/api/status", "").await;
        assert_eq!(code, 200);
        let status: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(status["version"], "blue");
        assert_eq!(status["scenario"], "none");
        assert_eq!(status["log_format"], "plain");
        assert_eq!(status["ready"], true);
        assert_eq!(
            (&status["requests"], &status["errors"]),
            (&2.into(), &1.into())
        );
        assert!(status["resident_bytes"].as_u64().unwrap() > 0);
    }

    #[tokio::test]
    async fn a_scenario_is_listed_set_and_ended() {
        let stage = stage();
        let (_, _, text) = stage.ask(Method::GET, "/api/scenario", "").await;
        let listed: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(listed["scenarios"].as_array().unwrap().len(), ALL.len());
        for about in ALL.iter().rev() {
            let body = format!(r#"{{"scenario":"{}","version":"blue"}}"#, about.name);
            let (code, text) = told(&stage, &body).await;
            let answer: Value = serde_json::from_str(&text).unwrap();
            assert_eq!((code, &answer["scenario"]), (200, &about.name.into()));
            assert_eq!(stage.app.scenario().0.name(), about.name);
        }
    }

    #[tokio::test]
    async fn a_crash_is_told_to_whoever_serves() {
        let stage = stage();
        told(&stage, r#"{"scenario":"crash"}"#).await;
        stage.app.crash_asked().await;
    }

    #[tokio::test]
    async fn changes_that_make_no_sense_change_nothing() {
        let stage = stage();
        for (body, code, named) in [
            (r#"{"scenario":"explode"}"#, 400, "memory-leak"),
            (r#"{"scenario":"crash","x":1}"#, 400, "version"),
            ("crash", 400, "version"),
            (
                r#"{"scenario":"crash","version":"yellow"}"#,
                409,
                "version blue",
            ),
            (&" ".repeat(MAX_CHANGE_BYTES + 1), 413, "1024 bytes"),
        ] {
            let (status, text) = told(&stage, body).await;
            assert_eq!(status, code, "{body}");
            assert!(text.contains(named), "{text}");
        }
        assert_eq!(stage.app.scenario().0, Scenario::None);
    }

    #[tokio::test]
    async fn another_site_s_page_cannot_change_it() {
        let stage = stage();
        for kind in ["text/plain", "application/x-www-form-urlencoded"] {
            let request = Request::post("/api/scenario")
                .header(header::CONTENT_TYPE, kind)
                .body(Body::from(r#"{"scenario":"crash"}"#))
                .unwrap();
            let router = router(Arc::clone(&stage.app));
            let response = router.oneshot(request).await.unwrap();
            assert_eq!(response.status(), 415);
        }
        // What a browser asks before it sends JSON.
        let asked = stage.ask(Method::OPTIONS, "/api/scenario", "").await;
        assert_eq!(asked.0, 405);
        assert_eq!(stage.app.scenario().0, Scenario::None);
    }

    #[tokio::test]
    async fn prometheus_has_nothing_to_say_against_the_metrics() {
        let stage = stage();
        stage.ask(Method::GET, "/color", "").await;
        stage.ask(Method::POST, "/color", "{").await;
        let (_, response, text) = stage.ask(Method::GET, "/metrics", "").await;
        let kind = &response.headers()["content-type"];
        assert_eq!(kind, "text/plain; version=0.0.4; charset=utf-8");
        let mut promtool = Command::new("promtool")
            .args(["check", "metrics"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("promtool is there: `scripts/setup prometheus` installs it");
        let mut stdin = promtool.stdin.take().unwrap();
        stdin.write_all(text.as_bytes()).unwrap();
        drop(stdin);
        let output = promtool.wait_with_output().unwrap();
        assert!(output.status.success(), "{output:?}\n{text}");
        assert!(output.stderr.is_empty(), "{output:?}\n{text}");
    }
}
