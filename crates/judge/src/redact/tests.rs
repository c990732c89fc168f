use super::*;
use proptest::prelude::*;

#[test]
fn masks_secrets() {
    let cases: &[(&str, &str)] = &[
        ("Authorization: Bearer abc.def-123456", "Authorization: ***"),
        ("sent Bearer abcdef123456 ok", "sent Bearer *** ok"),
        (
            "jwt eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.s5Tq-x_9 end",
            "jwt *** end",
        ),
        ("key AKIAIOSFODNN7EXAMPLE used", "key *** used"),
        ("AIzaSyA1234567890abcdefghijklmnopqrstuv", "***"),
        (
            "push with ghp_16C7e42F292c6912E7710c838347Ae178B4a",
            "push with ***",
        ),
        ("slack xoxb-123456789012-abcdefABCDEF", "slack ***"),
        ("openai sk-proj-abcdefghijklmnop1234", "openai ***"),
        (
            "postgres://app:hunter2@db:5432/x",
            "postgres://***@db:5432/x",
        ),
        (
            "https://token123@github.com/a/b",
            "https://***@github.com/a/b",
        ),
        ("redis://:p%40ss@cache/0", "redis://***@cache/0"),
        ("password=hunter2 user=bob", "password=*** user=bob"),
        ("PASSWORD = \"two words\", next", "PASSWORD = ***, next"),
        (
            r#"{"user":"bob","password":"a\"b c","n":1}"#,
            r#"{"user":"bob","password":***,"n":1}"#,
        ),
        (
            r#"body {\"apiKey\":\"abc\",\"n\":1}"#,
            r#"body {\"apiKey\":***,\"n\":1}"#,
        ),
        ("db_password: hunter2", "db_password: ***"),
        (
            "AWS_SECRET_ACCESS_KEY=abcd/efgh",
            "AWS_SECRET_ACCESS_KEY=***",
        ),
        ("?access_token=abc&page=2", "?access_token=***&page=2"),
        ("Cookie: sid=abc; theme=dark", "Cookie: ***"),
        ("Set-Cookie: JSESSIONID=1A2B; Path=/", "Set-Cookie: ***"),
        (
            "mail to jane.doe+x@example.co.uk failed",
            "mail to *** failed",
        ),
        ("card 4111 1111 1111 1111 declined", "card *** declined"),
        ("card 4111111111111111.", "card ***."),
        (
            "blob 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
            "blob ***",
        ),
        (
            "blob dGhpcyBpcyBh3IHNl9Y3JldCB0b2tl/bg09== end",
            "blob *** end",
        ),
        (
            "-----BEGIN RSA PRIVATE KEY----- MIIEow -----END RSA PRIVATE KEY----- x",
            "*** x",
        ),
        (
            "Digest username=\"bob\", response=\"abcdefabcdefabcdefabcdefabcd\"",
            "Digest username=\"bob\", response=\"***\"",
        ),
        (
            "POST discord.com/api/webhooks/12/abcdefgh failed",
            "POST discord.com/api/webhooks/*** failed",
        ),
        (
            "POST x.webhook.office.com/webhookb2/abcdefgh",
            "POST x.webhook.office.com/webhookb2/***",
        ),
        ("-----BEGIN PRIVATE KEY----- MIIEow", "***"),
    ];
    for (text, expected) in cases {
        assert_eq!(redact(text), *expected, "{text}");
        assert_eq!(redact(expected), *expected, "twice: {text}");
    }
}

#[test]
fn leaves_what_people_need() {
    let cases = [
        // Words.
        "2026-11-22 03:04:05 ERROR c.e.UserResource:39 NullPointerException",
        "java.lang.IllegalStateException: pool exhausted after 30000 ms",
        "Http2ConnectionHandlerInitializerFactoryBean started",
        "tryToReloadTodayBasicSteps1514044800223 done",
        "password rejected for user bob",
        "invalid password: not accepted",
        "basic authentication failed, bearer expected",
        "Digest mismatch: retrying with basic settings",
        "token: expired; auth: failed; signature: invalid",
        "authorization: denied for user bob",
        "credentials: missing",
        "compass: north, shipping: slow, spin: 12",
        "author=bob authority=none oauthVersion=old",
        "secret \"db-creds\" not found in namespace shop",
        "failed to mount secret: timed out",
        "passed: 12 failed: 3 pass: 9",
        "password_file=/run/creds/db token_type=Bearer secretName=db-creds",
        "tokens=512 max_tokens: 4096 token_count=17",
        "key=orders partition_key=blue cache key: home",
        "SessionTracker:ZooKeeperServer@325 expired AuthFail:sts:5",
        "risk-management-platform-team of disk-pressure-watchers",
        "cookie: rejected, cookies=3",
        "pin=17 of the GPIO, otp=26",
        "run --user 1000:1000 -u 0:0",
        // Numbers.
        "epoch 1795316645123 and 1795316645123456789",
        "block blk_-6952295868487656571 and 4568377692254637284",
        "at 20261122T030405123456789Z",
        "500 - blue (1.000000s)",
        "took 4111.1111 ms, 0.4111111111111111 of it",
        // Ids that faults are followed by.
        "rollouts-demo-canary-6d4f5b7c9d-x2x4z restarted",
        "trace 550e8400-e29b-41d4-a716-446655440000",
        "trace_id=4bf92f3577b34da6a3ce929d0e0e4736 span_id=00f067aa0ba902b7",
        r#"{"traceId":"4bf92f3577b34da6a3ce929d0e0e4736","msg":"x"}"#,
        "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "[shop,4bf92f3577b34da6a3ce929d0e0e4736,00f067aa0ba902b7] x",
        "X-B3-TraceId: 80f198ee56343ba864fe8b2a57d3eff7",
        "X-Amzn-Trace-Id: Root=1-5759e988-bd862e3fe1be46a994272793",
        "X-Request-Id: 7d5d747be160e280504c099d984bcfe0",
        "req-38101a0b-2096-447d-96ea-a692162415ae done",
        "order 507f1f77bcf86cd799439011 and 01ARZ3NDEKTSV4RRFFQ69G5FAV",
        "task_1445144423722_0020_m_000000 done",
        // Images and builds.
        "pull web@sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "image digest sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "containerd://9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08 died",
        "built from commit 9fceb02d0ae598e95dc970b74767f19372d61af8",
        "ETag: \"33a64df551425fcc55e4d42a148795d9f25f89d4\"",
        "cluster.local/ns/istio-system/sa/istio-ingressgateway-service-account",
        // Requests and places.
        "10.0.20.36 \"GET /v2.1/servers/detail HTTP/1.1\" status: 500 len: 1916",
        "\"GET /v2/54fadb412c4e40cdbaed9335e4c35a9e/servers/detail HTTP/1.1\" 200",
        "GET http://shop:8080/items/12?color=blue&page=2&code=E1234 200 3ms",
        "GET http://shop:8080/find?mail=at@home",
        "connecting to spark://CoarseGrainedScheduler@10.10.34.11:48069",
        "/usr/lib/python2.7/site-packages/oslo_messaging/rpc/server.py:160",
        "git@10.0.0.1:shop/web and com.example.Pool@1a2b3c",
    ];
    for text in cases {
        assert_eq!(redact(text), text);
    }
}

proptest! {
    #[test]
    fn is_idempotent_on_any_text(text in "\\PC{0,200}") {
        let once = redact(&text).into_owned();
        prop_assert_eq!(redact(&once).into_owned(), once);
    }

    #[test]
    fn is_idempotent_on_secret_shapes(
        parts in prop::collection::vec(prop_oneof![
            Just("password="), Just("Bearer "), Just("://"), Just("@"), Just(":"), Just("\""), Just("\\"),
            Just("cookie: "), Just("'"), Just(" "), Just("token"), Just("a1b2c3d4"), Just("eyJhbGciOi"),
            Just("4111111111111111"), Just("example.com"), Just("***"), Just("é"), Just("="), Just("secret"),
        ], 0..20)
    ) {
        let text: String = parts.concat();
        let once = redact(&text).into_owned();
        prop_assert_eq!(redact(&once).into_owned(), once);
    }
}
