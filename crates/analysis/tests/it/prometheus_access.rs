//! Who gets a credential: servers that the operator listed, whatever a template
//! says.

use analysis::Secret;
use analysis::outbound::Origin;
use analysis::prometheus::{Access, Credential, Prometheus, Reach};

use crate::prometheus::{access, latency, left_out, window};
use crate::scene::{Captured, listen};
use crate::scripted::{Answer, Scripted};

const EMPTY: &str = r#"{"status":"success","data":{"resultType":"matrix","result":[]}}"#;

fn secret(text: &str) -> Secret {
    Secret::new(text).expect("not empty")
}

fn basic() -> Credential {
    Credential::Basic {
        user: secret("judge"),
        password: secret("hunter2"),
    }
}

/// Access with a credential for `listed` alone.
fn access_to(listed: &str, credential: Credential) -> Access {
    Access {
        listed: vec![Origin::of(listed).expect("an origin")],
        credential: Some(credential),
        ..access()
    }
}

/// The `Authorization` headers that a server saw, and whether all requests had
/// one.
fn authorizations(server: &Scripted) -> Vec<Option<String>> {
    let seen = server.seen().into_iter();
    seen.map(|mut seen| seen.headers.remove("authorization"))
        .collect()
}

#[tokio::test]
async fn a_listed_server_gets_the_credential() {
    for (credential, expected) in [
        (basic(), "Basic anVkZ2U6aHVudGVyMg=="),
        (Credential::Bearer(secret("hunter2")), "Bearer hunter2"),
    ] {
        let server = Scripted::always(Answer::json(200, EMPTY)).await;
        let source = Prometheus::new(access_to(&server.url(), credential));
        let address = format!("{}/some/path", server.url());
        source.gather(&latency(&address), window()).await;
        assert_eq!(
            authorizations(&server),
            [Some(expected.to_owned()), Some(expected.to_owned())]
        );
    }
}

#[tokio::test]
async fn a_server_that_only_looks_listed_gets_none() {
    let hostile = Scripted::always(Answer::json(401, "")).await;
    let at = hostile.url().split_off("http://".len());
    let port = at.rsplit(':').next().expect("a port");
    for (listed, address) in [
        // Another port, another name for the same host, another scheme.
        ("http://127.0.0.1:1".to_owned(), hostile.url()),
        (hostile.url(), format!("http://localhost:{port}")),
        (format!("https://{at}"), hostile.url()),
        // The listed name where it is no host.
        (
            "http://prometheus".to_owned(),
            format!("http://{at}/prometheus"),
        ),
    ] {
        let before = hostile.seen().len();
        let source = Prometheus::new(access_to(&listed, basic()));
        let samples = source.gather(&latency(&address), window()).await;
        assert_eq!(hostile.seen().len(), before + 2, "{address} was asked");
        assert!(
            authorizations(&hostile).iter().all(Option::is_none),
            "{address}"
        );
        let shown = left_out(&samples).join("; ");
        assert!(shown.contains("origins that the operator lists"), "{shown}");
    }
}

#[tokio::test]
async fn a_redirect_takes_nothing_anywhere() {
    let hostile = Scripted::always(Answer::json(200, EMPTY)).await;
    for status in [301, 302, 303, 307, 308] {
        let location = format!("Location: {}/api/v1/query_range", hostile.url());
        let server = Scripted::always(Answer::with(status, &location, b"")).await;
        let source = Prometheus::new(access_to(&server.url(), basic()));
        let samples = source.gather(&latency(&server.url()), window()).await;
        let shown = left_out(&samples).join("; ");
        assert!(
            shown.contains("redirects, which is not followed"),
            "{shown}"
        );
        assert!(!shown.contains("127.0.0.1"), "{shown}");
        assert_eq!(server.seen().len(), 2);
    }
    assert_eq!(hostile.seen().len(), 0);
}

#[tokio::test]
async fn the_operator_can_close_every_other_way() {
    let other = Scripted::always(Answer::json(200, EMPTY)).await;
    let listed = Scripted::always(Answer::json(200, EMPTY)).await;
    let closed = Access {
        reach: Reach::ListedOnly,
        ..access_to(&listed.url(), basic())
    };
    let source = Prometheus::new(closed);
    let samples = source.gather(&latency(&other.url()), window()).await;
    let shown = left_out(&samples).join("; ");
    assert!(shown.contains("allows listed servers only"), "{shown}");
    assert_eq!(other.seen().len(), 0);
    source.gather(&latency(&listed.url()), window()).await;
    assert_eq!(listed.seen().len(), 2);
}

#[tokio::test]
async fn a_login_in_the_address_is_used_there_and_shown_nowhere() {
    listen();
    let captured = Captured::default();
    let _guard = captured.install();
    let server = Scripted::always(Answer::json(403, "")).await;
    let at = server.url().split_off("http://".len());
    // Also where the operator has a credential for this server: the author
    // asked for another.
    let source = Prometheus::new(access_to(&server.url(), Credential::Bearer(secret("op"))));
    let queries = latency(&format!("http://author:s%2Fecret@{at}"));
    let samples = source.gather(&queries, window()).await;
    let expected = Some("Basic YXV0aG9yOnMvZWNyZXQ=".to_owned());
    assert_eq!(authorizations(&server), [expected.clone(), expected]);
    assert!(server.seen()[0].path.starts_with("/api/v1/"));
    let shown = format!(
        "{queries:?} {source:?} {samples:?} {}",
        captured.lines().join("\n")
    );
    for planted in ["s%2Fecret", "s/ecret", "author", "YXV0aG9y", "of_canary"] {
        assert!(!shown.contains(planted), "{planted}: {shown}");
    }
    assert!(shown.contains("the server refused the credential (403)"));
}

#[tokio::test]
async fn a_token_that_no_header_may_have_is_said_and_not_shown() {
    let server = Scripted::always(Answer::json(200, EMPTY)).await;
    let token = Credential::Bearer(secret("hun\nter2"));
    let source = Prometheus::new(access_to(&server.url(), token));
    let samples = source.gather(&latency(&server.url()), window()).await;
    let shown = left_out(&samples).join("; ");
    assert!(shown.contains("credential cannot be sent"), "{shown}");
    assert!(!shown.contains("ter2"), "{shown}");
}
