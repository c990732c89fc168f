//! Who writes a template is not the operator: each key that can name a server,
//! a file, a secret or a place is pointed where it should not lead, and gets no
//! credential, no file and no log of somebody else's, or a refusal.

#![expect(
    clippy::unwrap_used,
    reason = "a test ends where what it needs is missing"
)]

use std::fs;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use agent_stand_in::AgentStandIn;
use kube_stand_in::objects::{self, RolloutPod};
use kube_stand_in::{Log, LogOf, Resource};
use model_stand_in::{Answer, Script, Server, StandIn};
use rollouts_plugin::host::Launch;
use rollouts_plugin::{Measurement, Phase};
use serde_json::json;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

use crate::bench::{Asked, Bench, NAMESPACE, metric, run};

/// Every credential of the operator has this in it.
const MARK: &str = "of-the-operator";

/// A server that a template's author owns: it keeps all that it is sent, and
/// answers everybody.
struct Hostile {
    address: SocketAddr,
    heard: Arc<Mutex<Vec<u8>>>,
    accepting: JoinHandle<()>,
}

impl Hostile {
    async fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let heard = Arc::<Mutex<Vec<u8>>>::default();
        let kept = Arc::clone(&heard);
        let accepting = tokio::spawn(async move {
            let mut callers = JoinSet::new();
            loop {
                let (caller, _) = listener.accept().await.unwrap();
                callers.spawn(hear(caller, Arc::clone(&kept)));
            }
        });
        Self {
            address,
            heard,
            accepting,
        }
    }

    fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    fn heard(&self) -> String {
        String::from_utf8_lossy(&self.heard.lock().unwrap()).into_owned()
    }

    /// It was asked, and shown nothing.
    fn assert_shown_nothing(&self) {
        let heard = self.heard();
        assert!(!heard.is_empty(), "it was asked");
        self.assert_knows_nothing();
        assert!(!heard.to_lowercase().contains("authorization:"), "{heard}");
    }

    /// Whether it was asked or not.
    fn assert_knows_nothing(&self) {
        let heard = self.heard();
        assert!(!heard.contains(MARK), "{heard}");
    }
}

impl Drop for Hostile {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn hear(mut caller: TcpStream, kept: Arc<Mutex<Vec<u8>>>) {
    let mut head = Vec::new();
    // One request, whose body is in the same piece or not needed.
    let mut piece = [0; 16 << 10];
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        match caller.read(&mut piece).await {
            Ok(read) if read > 0 => head.extend_from_slice(&piece[..read]),
            _ => break,
        }
    }
    kept.lock().unwrap().extend_from_slice(&head);
    let body = r#"{"status":"healthy"}"#;
    let answer = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n{body}",
        body.len()
    );
    caller
        .write_all(answer.as_bytes())
        .await
        .unwrap_or_default();
}

/// An operator with every credential there is, each for a server of its own.
struct Owned {
    bench: Bench,
    models: Server,
    agent: agent_stand_in::Server,
    folder: TempDir,
}

impl Owned {
    async fn new() -> Self {
        let bench = Bench::new().await;
        bench
            .serves("stable", 600, 1_000)
            .serves("canary", 600, 1_000);
        let folder = tempfile::tempdir().unwrap();
        for name in [
            "google_api_key",
            "openai_api_key",
            "github_token",
            "agent",
            "metrics",
        ] {
            fs::write(folder.path().join(name), format!("{name}-{MARK}")).unwrap();
        }
        fs::create_dir(folder.path().join("bundles")).unwrap();
        let agent = agent_stand_in::Script::always(agent_stand_in::Answer::Good);
        Self {
            bench,
            models: StandIn::serve(Script::always(Answer::Agree)).await.unwrap(),
            agent: AgentStandIn::serve(agent).await.unwrap(),
            folder,
        }
    }

    fn file(&self, flag: &str, name: &str) -> String {
        format!("{flag}={}", self.folder.path().join(name).display())
    }

    fn launch(&self) -> Launch {
        self.bench
            .launch()
            .arg(format!("--gemini-url={}", self.models.url()))
            .arg(format!("--openai-url={}", self.models.openai_url()))
            .arg(self.file("--secrets-dir", ""))
            .arg(format!("--agent-origin={}", self.agent.url()))
            .arg(self.file("--agent-token-file", "agent"))
            .arg("--prometheus-origin=https://prometheus.example")
            .arg(self.file("--prometheus-token-file", "metrics"))
    }

    /// The answer to a template, with what the plugin logged.
    async fn asked(&self, block: &serde_json::Value) -> (Measurement, String) {
        self.asked_by(&self.launch(), block).await
    }

    async fn asked_by(&self, launch: &Launch, block: &serde_json::Value) -> (Measurement, String) {
        let mut plugin = Asked::start(launch).await;
        let answer = plugin.measure(&run(), &metric(&block.to_string())).await;
        let lines = plugin.plugin.output().lines().join("\n");
        assert!(!lines.contains(MARK) && !format!("{answer:?}").contains(MARK));
        (answer, lines)
    }

    /// Of the API server, only the run's own namespace was asked for.
    fn assert_one_namespace(&self) {
        for seen in self.bench.stand_in.seen() {
            let of = format!("/namespaces/{NAMESPACE}/");
            assert!(seen.uri.contains(&of), "{}", seen.uri);
        }
    }
}

#[tokio::test]
async fn agent_url_gets_the_token_at_the_operators_origins_only() {
    let owned = Owned::new().await;
    let (good, _) = owned.asked(&json!({"agentUrl": owned.agent.url()})).await;
    assert_eq!(good.phase, Phase::Successful, "{good:?}");
    let asked = owned.agent.calls();
    let token = format!("Bearer agent-{MARK}");
    assert_eq!(asked[0].header("authorization"), Some(token.as_str()));
    // A server of the author's own, also as the operator's with a name in it.
    let hostile = Hostile::new().await;
    let ours = owned.agent.address();
    for url in [
        hostile.url(),
        format!("http://{ours}@{}", hostile.address),
        format!("http://{}/{ours}", hostile.address),
    ] {
        let (answer, _) = owned.asked(&json!({ "agentUrl": url })).await;
        assert_eq!(answer.phase, Phase::Error, "{url}: {answer:?}");
        hostile.assert_knows_nothing();
    }
    hostile.assert_knows_nothing();
    assert!(!hostile.heard().contains("Bearer"), "{}", hostile.heard());
}

#[tokio::test]
async fn agent_url_that_redirects_takes_the_token_nowhere() {
    let owned = Owned::new().await;
    let hostile = Hostile::new().await;
    let to = agent_stand_in::Answer::Redirect(hostile.url());
    owned.agent.change(|script| {
        *script = agent_stand_in::Script::always(to);
    });
    let (answer, _) = owned.asked(&json!({"agentUrl": owned.agent.url()})).await;
    assert_eq!(answer.phase, Phase::Error, "{answer:?}");
    assert_eq!(hostile.heard(), "");
}

#[tokio::test]
async fn prometheus_address_gets_the_credential_at_the_operators_origins_only() {
    let owned = Owned::new().await;
    let hostile = Hostile::new().await;
    let block = |address: &str| {
        json!({"prometheus": {"address": address, "pairs": [
            {"name": "errors", "worse": "higher", "stable": "a", "canary": "b"}]}})
    };
    owned.asked(&block(&hostile.url())).await;
    hostile.assert_shown_nothing();
    // The operator's own is shown it: the test would else show nothing.
    let listed = Hostile::new().await;
    let launch = owned
        .launch()
        .arg(format!("--prometheus-origin={}", listed.url()));
    owned.asked_by(&launch, &block(&listed.url())).await;
    assert!(listed.heard().contains(&format!("Bearer metrics-{MARK}")));
}

#[tokio::test]
async fn model_names_lead_to_the_operators_servers_only() {
    let owned = Owned::new().await;
    let hostile = Hostile::new().await;
    let host = hostile.address;
    for (key, name) in [
        ("model", format!("http://{host}/v1")),
        ("model", format!("openai/http://{host}")),
        ("model", format!("gemini-x@{host}")),
        ("model", format!("//{host}/x")),
        ("model", "openai/../../admin".to_owned()),
        ("model", "gemini/../../../v1/files".to_owned()),
        ("models", format!("@{host}")),
        ("models", "gemini-2.5-flash?key=x".to_owned()),
    ] {
        let block = match key {
            "models" => json!({"models": [name]}),
            _ => json!({"model": name}),
        };
        let mut plugin = Asked::start(&owned.launch()).await;
        let first = plugin.run(&run(), &metric(&block.to_string())).await;
        if first.phase == Phase::Running {
            plugin.looked().await;
        } else {
            assert_eq!(first.phase, Phase::Error, "{name}: {first:?}");
        }
    }
    assert_eq!(hostile.heard(), "");
    for call in owned.models.calls() {
        let path = call.uri.split('?').next().unwrap().to_owned();
        let fits = path == "/v1/chat/completions"
            || path.starts_with("/v1beta/models/gemini") && path.matches('/').count() == 3;
        assert!(fits && !call.uri.contains('?'), "{}", call.uri);
    }
}

/// No such key exists: a template that sets one is told so, and nobody is asked.
#[tokio::test]
async fn addresses_of_models_are_no_keys_of_a_template() {
    let owned = Owned::new().await;
    let hostile = Hostile::new().await;
    for key in [
        "geminiUrl",
        "openaiUrl",
        "baseUrl",
        "modelUrl",
        "proxy",
        "prometheusOrigin",
    ] {
        let block = json!({"model": "gemini-2.5-flash", key: hostile.url()});
        let (answer, lines) = owned.asked(&block).await;
        assert_eq!(answer.phase, Phase::Successful, "{key}: {answer:?}");
        assert!(lines.contains(&format!("`{key}`")), "{key}: {lines}");
    }
    assert_eq!(hostile.heard(), "");
    assert_eq!(owned.models.calls().len(), 6, "the operator's was asked");
}

#[tokio::test]
async fn github_url_is_asked_by_nobody() {
    let owned = Owned::new().await;
    let hostile = Hostile::new().await;
    let block = json!({"githubUrl": format!("{}/a/b", hostile.url()), "baseBranch": "../../x"});
    let (answer, _) = owned.asked(&block).await;
    assert_eq!(answer.phase, Phase::Successful, "{answer:?}");
    assert_eq!(hostile.heard(), "");
}

#[tokio::test]
async fn bundle_dir_is_the_operators() {
    let owned = Owned::new().await;
    let elsewhere = tempfile::tempdir().unwrap();
    let block = json!({"bundleDir": elsewhere.path()});
    let (_, lines) = owned.asked(&block).await;
    assert!(lines.contains("key `bundleDir` is ignored: it is the operator's"));
    assert_eq!(fs::read_dir(elsewhere.path()).unwrap().count(), 0);
    // Where the operator has a folder, that one is used all the same.
    let launch = owned.launch().arg(owned.file("--bundle-dir", "bundles"));
    owned.asked_by(&launch, &block).await;
    assert_eq!(fs::read_dir(elsewhere.path()).unwrap().count(), 0);
    let bundles = owned.folder.path().join("bundles");
    assert_eq!(fs::read_dir(bundles).unwrap().count(), 1);
}

#[tokio::test]
async fn ca_file_is_the_operators() {
    let owned = Owned::new().await;
    let key = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let (pem, secret) = (key.cert.pem(), key.signing_key.serialize_pem());
    let ca = owned.folder.path().join("ca.pem");
    fs::write(&ca, &pem).unwrap();
    let options = agent_stand_in::Options {
        tls: Some(agent_stand_in::Tls::from_pem(&pem, &secret).unwrap()),
        ..agent_stand_in::Options::default()
    };
    let script = agent_stand_in::Script::always(agent_stand_in::Answer::Good);
    let agent = AgentStandIn::serve_with(script, options).await.unwrap();
    let block = json!({"agentUrl": agent.url(), "caFile": ca});
    let (answer, lines) = owned.asked(&block).await;
    assert_eq!(answer.phase, Phase::Error, "{answer:?}");
    assert!(answer.message.contains("not trusted"), "{}", answer.message);
    assert!(lines.contains("key `caFile` is ignored: it is the operator's"));
    let launch = owned.launch().arg(owned.file("--ca-file", "ca.pem"));
    let (answer, _) = owned.asked_by(&launch, &block).await;
    assert_eq!(answer.phase, Phase::Successful, "{answer:?}");
}

#[tokio::test]
async fn keys_and_files_of_credentials_are_the_operators() {
    let owned = Owned::new().await;
    let ours = "are the operator's, who mounts them";
    // Of the others there is none in a template.
    let none = "";
    for (key, value, why) in [
        ("apiKey", "key-of-the-author", ours),
        ("googleApiKey", "key-of-the-author", ours),
        ("openaiApiKey", "key-of-the-author", ours),
        ("githubToken", "key-of-the-author", ours),
        ("secretsDir", "/etc/passwd", none),
        ("agentTokenFile", "/etc/passwd", none),
        ("prometheusPasswordFile", "/etc/passwd", none),
        ("policy", "/etc/passwd", none),
        ("prices", "/etc/passwd", none),
    ] {
        let block = json!({"model": "gemini-2.5-flash", key: value});
        let (answer, lines) = owned.asked(&block).await;
        assert_eq!(answer.phase, Phase::Successful, "{key}: {answer:?}");
        let said = lines
            .lines()
            .find(|line| line.contains(&format!("`{key}`")));
        assert!(
            said.is_some_and(|line| line.contains(why)),
            "{key}: {lines}"
        );
        for shown in [lines, format!("{answer:?}")] {
            assert!(
                !shown.contains(value) && !shown.contains("root:"),
                "{shown}"
            );
        }
    }
    let calls = owned.models.calls();
    assert_eq!(calls.len(), 9);
    for call in calls {
        let key = format!("google_api_key-{MARK}");
        assert_eq!(call.header("x-goog-api-key"), Some(key.as_str()));
    }
}

/// A pod of another rollout, with a secret of its own in its log.
fn stranger(bench: &Bench, namespace: &'static str, hash: &'static str) {
    let pod = RolloutPod {
        namespace,
        rollout: "payroll",
        hash,
        suffix: "1",
        role: "canary",
        start_ms: bench.now_ms - 200_000,
    };
    let log = Log::lines(
        bench.now_ms - 190_000,
        100,
        vec!["ERROR salary of bob"; 900],
    );
    bench.stand_in.change(|world| {
        world.set_log(LogOf::current(namespace, &pod.name(), "web"), log);
        world.add_pod(pod.json());
        world.add_rollout(objects::rollout(namespace, "payroll", "x", hash));
    });
}

#[tokio::test]
async fn namespace_and_pod_name_open_no_other_namespace() {
    let owned = Owned::new().await;
    stranger(&owned.bench, "payroll", crate::bench::CANARY_HASH);
    let block = json!({"namespace": "payroll", "podName": "payroll-5f6d-1",
        "canaryLabel": "role=canary", "rollout": "payroll"});
    let (answer, lines) = owned.asked(&block).await;
    assert_eq!(answer.phase, Phase::Successful, "{answer:?}");
    for why in [
        "key `namespace` is ignored: the AnalysisRun's namespace is the only one",
        "key `podName` is ignored: all pods that the labels select",
    ] {
        assert!(lines.contains(why), "{lines}");
    }
    owned.assert_one_namespace();
    assert!(!format!("{answer:?}{lines}").contains("salary"));
}

#[tokio::test]
async fn labels_select_no_pod_of_another_rollout() {
    let owned = Owned::new().await;
    stranger(&owned.bench, NAMESPACE, crate::bench::CANARY_HASH);
    for block in [
        json!({"canaryLabel": "app=payroll"}),
        json!({"canaryLabel": "role"}),
        json!({"stableLabel": "app=payroll"}),
        json!({"canaryLabel": "role in (canary,stable)"}),
    ] {
        let (answer, lines) = owned.asked(&block).await;
        let shown = format!("{answer:?}{lines}");
        assert!(!shown.contains("salary"), "{block}: {shown}");
    }
    for seen in owned.bench.stand_in.seen() {
        let is_log = seen.resource == Resource::Log;
        assert!(!is_log || !seen.uri.contains("payroll"), "{}", seen.uri);
    }
    owned.assert_one_namespace();
}

#[tokio::test]
async fn budget_is_within_the_operators() {
    let owned = Owned::new().await;
    let block = json!({"model": "gemini-2.5-flash", "budget": {"calls": 100, "usd": 50}});
    let launch = owned.launch().arg("--max-budget-calls=0");
    let (answer, _) = owned.asked_by(&launch, &block).await;
    assert_eq!(answer.phase, Phase::Successful, "{answer:?}");
    assert_eq!(owned.models.calls().len(), 0);
}

#[tokio::test]
async fn model_may_settle_is_the_operators() {
    let owned = Owned::new().await;
    owned.bench.serves("canary", 20, 1_000);
    owned
        .models
        .change(|script| *script = Script::always(Answer::Obey));
    let block = json!({"model": "gemini-2.5-flash", "modelMaySettle": true}).to_string();
    for (launch, phase) in [
        (owned.launch(), Phase::Inconclusive),
        (owned.launch().arg("--model-may-settle"), Phase::Successful),
    ] {
        let mut plugin = Asked::start(&launch).await;
        let answer = plugin.measure_late(&run(), &metric(&block)).await;
        assert_eq!(answer.phase, phase, "{answer:?}");
    }
}
