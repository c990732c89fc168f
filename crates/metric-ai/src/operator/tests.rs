//! What an operator may set, what becomes of it, and what is never shown.

use std::fs;
use std::path::Path;

use rollouts_plugin::Metric;

use super::*;
use crate::block::BLOCK;

const TODAY: Date = jiff::civil::date(2026, 6, 15);

fn given(secrets_dir: &Path) -> Given {
    Given {
        secrets_dir: secrets_dir.to_owned(),
        max_analyses: 4,
        ..Given::default()
    }
}

fn secret(text: &str) -> Option<Secret> {
    Secret::new(text)
}

fn settings(block: &str) -> Settings {
    let mut metric = Metric::default();
    metric.provider.plugin.insert(BLOCK.into(), block.into());
    Settings::read(&metric, TODAY).unwrap()
}

fn refused(change: impl FnOnce(&mut Given, &Path)) -> String {
    let folder = tempfile::tempdir().unwrap();
    let mut given = given(folder.path());
    change(&mut given, folder.path());
    let error = Operator::new(given, TODAY).unwrap_err();
    crate::words::chain(&error)
}

#[test]
fn mounted_files_win_over_the_environment_and_are_read_each_time() {
    let folder = tempfile::tempdir().unwrap();
    let mut given = given(folder.path());
    given.environment.google_api_key = secret("from the environment");
    given.environment.openai_api_key = secret("from the environment");
    let operator = Operator::new(given, TODAY).unwrap();
    let keys = || {
        let found = operator.credentials(&SecretData::default());
        assert!(found.troubles.is_empty(), "{:?}", found.troubles);
        let shown = |secret: Option<Secret>| secret.map(|s| s.reveal().to_owned());
        (
            shown(found.google_api_key),
            shown(found.openai_api_key),
            shown(found.github_token),
            shown(found.google_cloud_project),
        )
    };
    let environment = Some("from the environment".to_owned());
    assert_eq!(
        keys(),
        (environment.clone(), environment.clone(), None, None)
    );
    for (name, text) in [
        ("google_api_key", "from a file\n"),
        ("openai_api_key", " \n"),
        ("github_token", "token"),
        ("google_cloud_project", "project"),
    ] {
        fs::write(folder.path().join(name), text).unwrap();
    }
    let file = |text: &str| Some(text.to_owned());
    assert_eq!(
        keys(),
        (
            file("from a file"),
            environment,
            file("token"),
            file("project")
        )
    );
    fs::write(folder.path().join("google_api_key"), "replaced").unwrap();
    assert_eq!(keys().0, file("replaced"));
}

#[test]
fn a_credential_that_cannot_be_read_is_said_and_not_fatal() {
    let folder = tempfile::tempdir().unwrap();
    let mut given = given(folder.path());
    given.environment.google_api_key = secret("from the environment");
    given.agent_origins = vec!["https://agent".into()];
    given.agent_token = Some(folder.path().join("token"));
    given.prometheus_origins = vec!["http://prometheus:9090".into()];
    given.prometheus_user = secret("user");
    given.prometheus_password = Some(folder.path().join("password"));
    fs::create_dir(folder.path().join("google_api_key")).unwrap();
    let large = "x".repeat(17 * 1024);
    fs::write(folder.path().join("github_token"), large).unwrap();
    fs::write(folder.path().join("openai_api_key"), b"\xff\xfe").unwrap();
    let operator = Operator::new(given, TODAY).unwrap();
    let found = operator.credentials(&SecretData::default());
    assert!(found.google_api_key.is_some(), "the environment's");
    assert!(found.github_token.is_none() && found.openai_api_key.is_none());
    assert!(found.agent_token.is_none() && found.prometheus.is_none());
    assert_eq!(
        found.troubles,
        [
            "file `google_api_key` in the folder of secrets is not used: it is no regular file",
            "file `openai_api_key` in the folder of secrets is not used: it is not UTF-8 text",
            "file `github_token` in the folder of secrets is not used: it is larger than 16384 \
             bytes",
            "the file of `--agent-token-file` is missing or empty",
            "the file of `--prometheus-password-file` is missing or empty",
        ]
    );
    fs::write(folder.path().join("token"), "agent").unwrap();
    fs::write(folder.path().join("password"), "word").unwrap();
    let found = operator.credentials(&SecretData::default());
    assert_eq!(found.agent_token, secret("agent"));
    let login = Login::Password {
        user: secret("user").unwrap(),
        password: secret("word").unwrap(),
    };
    assert_eq!(found.prometheus, Some(login));
}

/// What spoils the arguments; the folder is there to put files into.
type Change = fn(&mut Given, &Path);

/// What cannot be used, with what is said of it.
const UNUSABLE: &[(Change, &str)] = &[
    (|g, _| g.models = vec!["a b".into()], "`--models`"),
    (
        |g, _| g.models = vec!["a".into(), "a".into()],
        "`--models` cannot be used: each model is named once",
    ),
    (|g, _| g.models = vec!["a".into(); 6], "`--models`"),
    (
        |g, _| g.environment.gemini_model = Some("hunter2?".into()),
        "`GEMINI_MODEL`",
    ),
    (|g, _| g.gemini_url = secret("hunter2"), "`--gemini-url`"),
    (
        |g, _| g.openai_url = secret("ftp://hunter2"),
        "`--openai-url`",
    ),
    (
        |g, _| g.agent_origins = vec!["agent:8080".into()],
        "`--agent-origin`",
    ),
    (
        |g, _| g.agent_origins = vec!["https://agent/hunter2".into()],
        "`--agent-origin`",
    ),
    (
        |g, _| g.prometheus_origins = vec!["https://u:hunter2@p".into()],
        "`--prometheus-origin`",
    ),
    (
        |g, _| g.agent_token = Some("/hunter2".into()),
        "`--agent-token-file` cannot be used: `--agent-origin` must say who may receive it",
    ),
    (
        |g, _| g.prometheus_token = Some("/hunter2".into()),
        "`--prometheus-token-file` cannot be used: `--prometheus-origin` must say",
    ),
    (
        |g, _| g.prometheus_user = secret("hunter2"),
        "`--prometheus-user` cannot be used: `--prometheus-password-file` must be there too",
    ),
    (
        |g, _| g.prometheus_password = Some("/hunter2".into()),
        "`--prometheus-password-file` cannot be used",
    ),
    (
        |g, folder| {
            g.prometheus_user = secret("hunter2");
            g.prometheus_password = Some(folder.into());
            g.prometheus_token = Some(folder.into());
        },
        "`--prometheus-token-file` cannot be used",
    ),
    (
        |g, _| g.ca_files = vec!["/nonexistent/hunter2".into()],
        "`--ca-file` cannot be used",
    ),
    (
        |g, _| g.bundle_dir = Some("/nonexistent/hunter2".into()),
        "`--bundle-dir` cannot be used: a folder that is there is needed",
    ),
    (
        |g, folder| g.policy = Some(folder.join("hunter2")),
        "`--policy` cannot be used: its file cannot be read: No such file",
    ),
    (
        |g, folder| {
            fs::write(folder.join("policy"), "promotRatio = 2\n").unwrap();
            g.policy = Some(folder.join("policy"));
        },
        "line 1, column 1: unknown key `promotRatio`; did you mean `promoteRatio`?",
    ),
    (
        |g, folder| {
            fs::write(folder.join("prices"), "x".repeat(65 * 1024)).unwrap();
            g.prices = Some(folder.join("prices"));
        },
        "`--prices` cannot be used: its file cannot be read: it is larger than 65536 bytes",
    ),
];

#[test]
fn what_cannot_be_used_names_the_argument_and_no_value() {
    for (change, expected) in UNUSABLE {
        let refused = refused(change);
        assert!(refused.contains(expected), "{expected}: {refused}");
        assert!(!refused.contains("hunter2"), "{refused}");
    }
}

#[test]
fn the_models_are_the_templates_then_the_operators_then_those_of_a_key() {
    let folder = tempfile::tempdir().unwrap();
    let models = |models: &[&str], key: bool, named: bool, block: &str| {
        let mut given = given(folder.path());
        given.models = models.iter().map(|name| (*name).to_owned()).collect();
        given.environment.google_api_key = secret("key").filter(|_| key);
        given.openai_url = secret("http://vllm:8000/v1").filter(|_| key);
        given.environment.openai_model = Some("llama".to_owned()).filter(|_| named);
        given.environment.gemini_model = Some("gemini-x".to_owned()).filter(|_| named);
        let operator = Operator::new(given, TODAY).unwrap();
        operator.models_of(
            &settings(block),
            &operator.credentials(&SecretData::default()),
        )
    };
    assert_eq!(models(&["o"], true, true, r#"{"model":"t"}"#), ["t"]);
    assert_eq!(models(&["o", "p"], true, true, "{}"), ["o", "p"]);
    assert_eq!(models(&[], true, true, "{}"), ["gemini-x", "llama"]);
    assert_eq!(models(&[], true, false, "{}"), [DEFAULT_GEMINI_MODEL]);
    assert!(models(&[], false, true, "{}").is_empty());
}

#[test]
fn a_template_can_ask_for_less_and_not_for_more() {
    let folder = tempfile::tempdir().unwrap();
    let mut given = given(folder.path());
    given.budget = Budget {
        calls: Some(10),
        tokens: None,
        seconds: Some(60),
        micro_usd: Some(500_000),
    };
    given.model_may_settle = true;
    let operator = Operator::new(given, TODAY).unwrap();
    let asked = r#"{"budget":{"calls":20,"tokens":99,"seconds":5},"minConfidence":80,
        "minRequests":500}"#;
    assert_eq!(
        operator.budget_of(&settings(asked)),
        Budget {
            calls: Some(10),
            tokens: Some(99),
            seconds: Some(5),
            micro_usd: Some(500_000),
        }
    );
    assert_eq!(operator.budget_of(&settings("{}")), operator.max_budget);
    assert_eq!(
        operator.rules_of(&settings(asked)),
        Rules {
            min_confidence: 80,
            min_requests: 500,
            model_may_settle: true,
        }
    );
}

#[test]
fn a_templates_policy_starts_from_the_operators() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("policy.toml");
    let text = "promoteRatio = 1.5\ngateMinCount = 5\n[[ignore]]\nevent = \"BackOff\"\n\
                reason = \"r\"\nuntil = 2026-06-20\n";
    fs::write(&file, text).unwrap();
    let mut given = given(folder.path());
    given.policy = Some(file);
    let operator = Operator::new(given, TODAY).unwrap();
    let block = settings(r#"{"judgePolicy":{"gateMinCount":4}}"#);
    let policy = operator.policy_of(&block, TODAY);
    assert!((policy.promote_ratio - 1.5).abs() < 1e-9);
    assert_eq!((policy.gate_min_count, policy.ignore.len()), (4, 1));
    let later = operator.policy_of(&block, jiff::civil::date(2026, 6, 21));
    assert_eq!(later.ignore.len(), 0, "it has expired meanwhile");
}

#[test]
fn no_credential_is_printed() {
    let folder = tempfile::tempdir().unwrap();
    for name in [
        "google_api_key",
        "google_cloud_project",
        "token",
        "password",
    ] {
        fs::write(folder.path().join(name), "hunter2").unwrap();
    }
    let mut given = given(folder.path());
    given.environment = Environment {
        google_api_key: secret("hunter2"),
        openai_api_key: secret("hunter2"),
        github_token: secret("hunter2"),
        ..Environment::default()
    };
    given.gemini_url = secret("https://u:hunter2@gemini");
    given.openai_url = secret("https://hunter2@openai/v1?key=hunter2");
    given.agent_origins = vec!["https://agent".into()];
    given.agent_token = Some(folder.path().join("token"));
    given.prometheus_origins = vec!["https://prometheus".into()];
    given.prometheus_user = secret("hunter2");
    given.prometheus_password = Some(folder.path().join("password"));
    let before = format!("{given:?}");
    let operator = Operator::new(given, TODAY).unwrap();
    let credentials = operator.credentials(&SecretData::default());
    assert!(credentials.prometheus.is_some() && credentials.agent_token.is_some());
    let shown = format!("{before} {operator:?} {credentials:?}");
    assert!(!shown.contains("hunter2"), "{shown}");
}

#[test]
fn what_is_set_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let plain = Operator::new(given(folder.path()), TODAY).unwrap();
    assert_eq!((plain.gemini_url, plain.openai_url), (None, None));
    assert_eq!(plain.prices, Prices::default());
    assert_eq!(plain.outbound, Outbound::default());
    assert_eq!(plain.bundle_dir, None);
    let mut given = given(folder.path());
    given.gemini_url = secret("http://gemini:8080");
    given.agent_origins = vec!["https://agent.example:8443/".into()];
    given.bundle_dir = Some(folder.path().into());
    let prices = folder.path().join("prices");
    fs::write(&prices, "[models]\nm = { input = 1, output = 2 }\n").unwrap();
    given.prices = Some(prices);
    let operator = Operator::new(given, TODAY).unwrap();
    assert_eq!(operator.gemini_url, secret("http://gemini:8080"));
    let agent = Origin::of("https://agent.example:8443/a2a/analyze").unwrap();
    assert_eq!(operator.agent_origins, [agent]);
    assert!(operator.prometheus_origins.is_empty());
    assert_ne!(operator.prices, Prices::default());
    assert_eq!(operator.bundle_dir.as_deref(), Some(folder.path()));
}
