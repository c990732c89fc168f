//! Metrics from a real Prometheus: `scripts/setup prometheus` installs it.
//!
//! Its data are made by `promtool`, so they are there at once and the same each
//! time; it scrapes nothing.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use analysis::Secret;
use analysis::outbound::{Origin, Outbound, client};
use analysis::prometheus::{Access, Credential, Prometheus};
use judge::Decision;
use judge::judgement::GateKind;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::prometheus::{access, left_out, look, queries, window};
use crate::scene::START_MS;

/// How long Prometheus may take to be ready; it takes 30 ms.
const READY_LIMIT: Duration = Duration::from_secs(60);

/// Between two samples of each series.
const SCRAPE_MS: i64 = 5_000;

/// Argo's `podTemplateHashValue` of the arms.
const STABLE: &str = "aaa";
const CANARY: &str = "ccc";

/// A running Prometheus, ended when it is dropped.
struct Server {
    child: Child,
    address: String,
    folder: TempDir,
}

impl Server {
    fn start() -> Self {
        Self::start_with(|_| String::new())
    }

    /// With what `web` writes into its folder, and returns as web configuration.
    fn start_with(web: impl FnOnce(&Path) -> String) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let path = |name: &str| folder.path().join(name);
        std::fs::write(path("metrics"), metrics()).expect("a file");
        std::fs::write(path("config.yml"), "{}").expect("a file");
        std::fs::write(path("web.yml"), web(folder.path())).expect("a file");
        run(Command::new("promtool")
            .args(["tsdb", "create-blocks-from", "openmetrics"])
            .args([path("metrics"), path("data")]));
        let option = |name: &str, file: &str| format!("--{name}={}", path(file).display());
        // The kernel ends it with this test, also if that is killed.
        let mut child = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "prometheus"])
            .args(["--web.listen-address=127.0.0.1:0", "--log.level=info"])
            .arg(option("config.file", "config.yml"))
            .arg(option("web.config.file", "web.yml"))
            .arg(option("storage.tsdb.path", "data"))
            .arg("--storage.tsdb.retention.time=100y")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect(MISSING);
        let stderr = child.stderr.take().expect("a pipe");
        let mut server = Self {
            child,
            address: String::new(),
            folder,
        };
        let (sender, lines) = mpsc::channel();
        // To its end: a full pipe would hold Prometheus up.
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                let _ = sender.send(line);
            }
        });
        let (mut said, mut ready) = (String::new(), false);
        // In either order.
        while !ready || server.address.is_empty() {
            let line = lines.recv_timeout(READY_LIMIT);
            let line = line.unwrap_or_else(|_| panic!("{MISSING}: {said}"));
            writeln!(said, "{line}").expect("memory");
            ready |= line.contains("Server is ready to receive web requests");
            if line.contains("\"Listening on\"") {
                let (_, address) = line.split_once("address=").expect("an address");
                address.trim().clone_into(&mut server.address);
            }
        }
        server
    }

    fn url(&self, scheme: &str) -> String {
        format!("{scheme}://{}", self.address)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

const MISSING: &str =
    "is Prometheus there? As root on Debian `scripts/setup prometheus` installs it";

fn run(command: &mut Command) {
    let output = command.output().expect(MISSING);
    assert!(output.status.success(), "{command:?}: {output:?}");
}

/// A level with a little noise: what a metric of a healthy service looks like.
/// Over time neither of two arms with the same level is above the other.
fn noisy(level: f64, arm: &str, n: i64) -> f64 {
    let phase = if arm == STABLE { n * 7 } else { n * 3 + 1 };
    level * (1.0 + 0.01 * (phase % 5) as f64)
}

/// OpenMetrics text: from five minutes before the canary's start until twenty
/// after it.
fn metrics() -> String {
    let times = || (-60..240).map(|n| (n, START_MS / 1_000 + n * SCRAPE_MS / 1_000));
    let mut text = String::new();
    for (metric, stable, canary) in [
        ("slow_ms", 100.0, 300.0),
        ("same_ms", 100.0, 100.0),
        ("hits_ratio", 0.9, 0.3),
    ] {
        writeln!(text, "# TYPE {metric} gauge").expect("memory");
        for (arm, level) in [(STABLE, stable), (CANARY, canary)] {
            for (n, at_s) in times() {
                let value = noisy(level, arm, n);
                writeln!(text, "{metric}{{hash=\"{arm}\"}} {value} {at_s}").expect("memory");
            }
        }
    }
    text.push_str("# TYPE requests counter\n");
    for (arm, each) in [(STABLE, 50), (CANARY, 10)] {
        for (n, at_s) in times() {
            let value = (n + 60) * each;
            writeln!(text, "requests_total{{hash=\"{arm}\"}} {value} {at_s}").expect("memory");
        }
    }
    text.push_str("# EOF\n");
    text
}

/// A pair of queries that differ in the arm's hash: `%` stands for it.
fn pair(name: &str, query: &str) -> Value {
    json!({"name": name, "unit": "ms",
        "stable": query.replace('%', STABLE), "canary": query.replace('%', CANARY)})
}

fn block(address: &str, pairs: &[Value]) -> Value {
    json!({"address": address, "pairs": pairs})
}

#[tokio::test]
async fn range_queries_of_both_arms_have_the_right_samples() {
    let server = Server::start();
    let long = format!(
        "sum(slow_ms{{hash=\"%\"}} or slow_ms{{hash=~\"{}\"}})",
        "x|".repeat(1_200)
    );
    let pairs = [
        pair("gauge", r#"slow_ms{hash="%"}"#),
        pair("long", &long),
        pair("rate", r#"sum(rate(requests_total{hash="%"}[1m]))"#),
    ];
    let samples = Prometheus::new(access())
        .gather(&queries(&block(&server.url("http"), &pairs)), window())
        .await;
    assert_eq!(samples.left_out, []);
    for (arm, level, per_second, metrics) in [
        (STABLE, 100.0, 10.0, &samples.stable),
        (CANARY, 300.0, 2.0, &samples.canary),
    ] {
        let expected: Vec<(i64, f64)> = [6, 12, 18, 24]
            .map(|n| (START_MS + n * SCRAPE_MS, noisy(level, arm, n)))
            .into();
        let [gauge, long, rate] = &metrics[..] else {
            panic!("{metrics:?}")
        };
        assert_eq!(gauge.values, expected);
        assert_eq!(long.values, expected);
        // A minute apart, as the query looks a minute back.
        let times: Vec<i64> = rate.values.iter().map(|(at_ms, _)| *at_ms).collect();
        assert_eq!(times, [START_MS + 60_000, START_MS + 120_000]);
        for (_, value) in &rate.values {
            assert!((value - per_second).abs() < 1e-9, "{arm} {value}");
        }
    }
}

#[tokio::test]
async fn what_prometheus_cannot_answer_is_left_out() {
    let server = Server::start();
    for (query, expected) in [
        ("nothing_of_this_name", "no data: the query gives no series"),
        ("slow_ms", "several series: aggregate"),
        (r#"slow_ms{hash="%"} * NaN"#, "no data: the query gives NaN"),
        (r#"slow_ms{hash="%"} / 0"#, "no data: the query gives NaN"),
        ("rate(", "refused the query (bad_data)"),
        (
            "slow_ms * on() slow_ms",
            "could not run the query (execution)",
        ),
    ] {
        let queries = queries(&block(&server.url("http"), &[pair("x", query)]));
        let samples = Prometheus::new(access()).gather(&queries, window()).await;
        let shown = left_out(&samples).join("; ");
        assert!(shown.contains(expected), "{query}: {shown}");
        assert!(samples.canary.is_empty(), "{query}");
    }
    let elsewhere = format!("{}/prefix", server.url("http"));
    let queries = queries(&block(&elsewhere, &[pair("x", "up")]));
    let samples = Prometheus::new(access()).gather(&queries, window()).await;
    let shown = left_out(&samples).join("; ");
    assert!(
        shown.contains("no Prometheus API at this address (404)"),
        "{shown}"
    );
}

#[tokio::test]
async fn a_worse_metric_aborts_when_there_are_samples_enough_and_an_equal_one_never() {
    let server = Server::start();
    let source = Prometheus::new(access());
    let slow = pair("p95 latency", r#"slow_ms{hash="%"}"#);
    let same = pair("p50 latency", r#"same_ms{hash="%"}"#);
    let mut hits = pair("hit rate", r#"hits_ratio{hash="%"}"#);
    hits["worse"] = json!("lower");
    let mut faster = slow.clone();
    faster["worse"] = json!("lower");
    let empty = pair("empty", "nothing_of_this_name");
    // Samples of each arm, 30 s apart; docs/prometheus.md has these numbers.
    for (what, pair, samples, expected) in [
        ("3 times as slow", &slow, 21, Decision::Abort),
        ("a third of the hits", &hits, 21, Decision::Abort),
        ("slow, a sample short", &slow, 20, Decision::Inconclusive),
        ("slow, as few as hold", &slow, 12, Decision::Inconclusive),
        ("slow, too few to say", &slow, 11, Decision::Promote),
        ("better", &faster, 25, Decision::Promote),
        ("equal", &same, 35, Decision::Promote),
        ("no data", &empty, 35, Decision::Promote),
    ] {
        let queries = queries(&block(&server.url("http"), std::slice::from_ref(pair)));
        let now_ms = START_MS + samples * 30_000 + 6_000;
        let look = look(&source, &queries, now_ms).await;
        assert_eq!(
            look.decision(),
            expected,
            "{what}: {}",
            look.verdict.message
        );
        let fired = |gate: &judge::judgement::Gate| gate.fired && gate.kind == GateKind::Metric;
        let fires = look.verdict.judgement.gates.iter().any(fired);
        assert_eq!(fires, expected == Decision::Abort, "{what}");
        if what == "3 times as slow" {
            assert_eq!(
                look.verdict.message,
                "canary aborted: a metric is worse than stable's: p95 latency 306.000 ms, stable \
                 102.000 ms"
            );
        }
    }
}

/// bcrypt of `hunter2`, at the least cost.
const USERS: &str = "basic_auth_users:\n  judge: \
    \"$2b$04$abcdefghijklmnopqrstuuV3duMsC0HpUex6N9qapiuOHHWkwRXVm\"\n";

/// An authority, and a server's certificate of it, written into a folder.
fn certificates(folder: &Path) -> String {
    let mut authority = CertificateParams::new(Vec::new()).expect("parameters");
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().expect("a key");
    let own = authority.self_signed(&key).expect("a certificate");
    let issuer = Issuer::new(authority, key);
    let key = KeyPair::generate().expect("a key");
    let server = CertificateParams::new(["127.0.0.1".to_owned()]).expect("parameters");
    let server = server.signed_by(&key, &issuer).expect("a certificate");
    for (name, pem) in [
        ("ca.pem", own.pem()),
        ("server.pem", server.pem()),
        ("server.key", key.serialize_pem()),
    ] {
        std::fs::write(folder.join(name), pem).expect("a file");
    }
    "tls_server_config:\n  cert_file: server.pem\n  key_file: server.key\n".to_owned()
}

fn password(text: &str) -> Option<Credential> {
    Some(Credential::Basic {
        user: Secret::new("judge").expect("a name"),
        password: Secret::new(text).expect("a password"),
    })
}

#[tokio::test]
async fn over_tls_with_a_password() {
    let server = Server::start_with(|folder| certificates(folder) + USERS);
    let ca_file = server.folder.path().join("ca.pem");
    let trusting = client(&Outbound {
        ca_files: vec![ca_file],
    });
    let trusting = trusting.expect("a client");
    let stranger = client(&Outbound::default()).expect("a client");
    let address = server.url("https");
    for (what, http, credential, expected) in [
        ("right", &trusting, password("hunter2"), None),
        (
            "wrong",
            &trusting,
            password("hunter3"),
            Some("refused the credential (401)"),
        ),
        ("none", &trusting, None, Some("wants a credential (401)")),
        (
            "an authority that nobody knows",
            &stranger,
            password("hunter2"),
            Some("its certificate is not trusted: the operator can name"),
        ),
    ] {
        let source = Prometheus::new(Access {
            listed: vec![Origin::of(&address).expect("an origin")],
            credential,
            ..Access::new(http.clone())
        });
        let pairs = [pair("gauge", r#"slow_ms{hash="%"}"#)];
        let samples = source
            .gather(&queries(&block(&address, &pairs)), window())
            .await;
        match expected {
            None => assert_eq!(samples.canary[0].values.len(), 4, "{samples:?}"),
            Some(expected) => {
                let shown = left_out(&samples).join("; ");
                assert!(shown.contains(expected), "{what}: {shown}");
                assert!(samples.canary.is_empty(), "{what}");
            }
        }
    }
}
