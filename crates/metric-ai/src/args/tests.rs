//! The command line and the environment as tables.

use super::*;

const COOKIE: (&str, &str) = (HANDSHAKE.cookie_key, HANDSHAKE.cookie_value);

fn parsed(args: &[&str], env: &[(&str, &str)]) -> Result<Command, clap::Error> {
    let args = ["rollouts-plugin-metric-ai"].iter().chain(args);
    parse(args.map(OsString::from), |name| {
        env.iter()
            .find(|(key, _)| *key == name)
            .map(|(_, value)| OsString::from(value))
    })
}

#[test]
fn it_serves_only_with_the_cookie() {
    let serve = parsed(&[], &[COOKIE]).unwrap();
    assert!(matches!(serve, Command::Serve(_)));
    for env in [&[] as &[_], &[(COOKIE.0, "other")], &[(COOKIE.0, "")]] {
        assert!(matches!(parsed(&[], env).unwrap(), Command::Explain));
    }
}

#[test]
fn log_levels_are_logrus_names() {
    let table = [
        ("panic", LevelFilter::OFF, None),
        ("FATAL", LevelFilter::OFF, None),
        ("error", LevelFilter::ERROR, None),
        ("warn", LevelFilter::WARN, None),
        ("Warning", LevelFilter::WARN, None),
        ("info", LevelFilter::INFO, None),
        ("", LevelFilter::INFO, None),
        ("DEBUG", LevelFilter::DEBUG, None),
        (" trace ", LevelFilter::TRACE, None),
        ("verbose", LevelFilter::INFO, Some("verbose")),
        ("a\nb", LevelFilter::INFO, Some("a b")),
    ];
    for (text, level, bad) in table {
        let env = [COOKIE, ("LOG_LEVEL", text)];
        let Command::Serve(config) = parsed(&[], &env).unwrap() else {
            panic!("{text:?} does not serve")
        };
        assert_eq!(config.log_level, level, "{text:?}");
        assert_eq!(config.bad_log_level.as_deref(), bad, "{text:?}");
    }
}

#[test]
fn the_way_into_the_cluster() {
    let table = [
        (
            &[("KUBECONFIG", "/a:/b"), ("HOME", "/h")] as &[_],
            Some("/a"),
        ),
        (
            &[
                ("KUBECONFIG", "/a"),
                ("KUBERNETES_SERVICE_HOST", "10.0.0.1"),
            ],
            Some("/a"),
        ),
        (
            &[("KUBERNETES_SERVICE_HOST", "10.0.0.1"), ("HOME", "/h")],
            None,
        ),
        (
            &[("KUBECONFIG", ""), ("HOME", "/h")],
            Some("/h/.kube/config"),
        ),
        (&[], None),
    ];
    for (env, kubeconfig) in table {
        let env: Vec<_> = env.iter().copied().chain([COOKIE]).collect();
        let Command::Serve(config) = parsed(&[], &env).unwrap() else {
            panic!("{env:?} does not serve")
        };
        match (config.access, kubeconfig) {
            (Access::InCluster, None) => {}
            (Access::Kubeconfig(path), Some(expected)) if path == *expected => {}
            other => panic!("{env:?}: {other:?}"),
        }
    }
}

#[test]
fn commands() {
    let env = [
        ("HTTPS_PROXY", "http://p"),
        ("https_proxy", "http://other"),
        ("HTTP_PROXY", ""),
        ("http_proxy", "http://not-reached"),
        ("no_proxy", "cluster.local"),
    ];
    let Command::Check(check) = parsed(&["check", "http://a"], &env).unwrap() else {
        panic!("it does not check")
    };
    assert_eq!(
        check,
        CheckConfig {
            url: "http://a".into(),
            step_limit: Duration::from_secs(5),
            proxies: Proxies {
                https: "http://p".into(),
                no: "cluster.local".into(),
                ..Proxies::default()
            },
        }
    );
    let install = parsed(&["install", "/plugins/"], &[COOKIE]).unwrap();
    assert!(matches!(install, Command::Install(path) if path == *"/plugins/"));
    for wrong in [
        &["check"] as &[&str],
        &["check", "http://a", "--timeout", "0"],
        &["check", "http://a", "--timeout", "600"],
        &["serve"],
        &["--help"],
        &["--version"],
        &["--tokn=hunter2"],
        &["--max-analyses=0"],
        &["--models"],
        &["--model-may-settle=hunter2"],
        &["--max-budget-usd=nan"],
        &["--policy=a", "--policy=b"],
    ] {
        assert!(parsed(wrong, &[]).is_err(), "{wrong:?}");
        // The controller would show no more of it than that it ended.
        let Err(trouble) = operator(wrong, &[]) else {
            panic!("{wrong:?} is taken")
        };
        assert!(!trouble.contains("hunter2"), "{trouble}");
    }
}

/// What the controller's plugin gets to know of the operator.
fn operator(args: &[&str], env: &[(&str, &str)]) -> Result<Given, String> {
    let env: Vec<_> = env.iter().copied().chain([COOKIE]).collect();
    match parsed(args, &env).unwrap() {
        Command::Serve(config) => config.operator,
        other => panic!("{args:?}: {other:?}"),
    }
}

#[test]
fn a_wrong_argument_is_named() {
    let table = [
        (
            &["--tokn=hunter2"] as &[&str],
            "argument `--tokn`: there is none of that name",
        ),
        (
            &["--max-analyses=65"],
            "argument `--max-analyses` (or variable `CANARY_JUDGE_MAX_ANALYSES`): its value is \
             missing or cannot be used",
        ),
        (
            &["--max-budget-usd=much"],
            "argument `--max-budget-usd` (or variable `CANARY_JUDGE_MAX_BUDGET_USD`): its value \
             is missing or cannot be used",
        ),
        (
            &["--policy"],
            "argument `--policy` (or variable `CANARY_JUDGE_POLICY`): its value is missing or \
             cannot be used",
        ),
        (
            &["--policy=a", "--policy=b"],
            "argument `--policy` (or variable `CANARY_JUDGE_POLICY`): it is given more than once",
        ),
        (&["hunter2"], "one of them is not an argument at all"),
        (
            &["--help"],
            "`--help` and `--version` are for people, not for the controller",
        ),
    ];
    for (args, expected) in table {
        assert_eq!(operator(args, &[]).unwrap_err(), expected, "{args:?}");
    }
    let wrong = operator(&[], &[("CANARY_JUDGE_MAX_ANALYSES", "hunter2")]).unwrap_err();
    assert!(wrong.contains("CANARY_JUDGE_MAX_ANALYSES"), "{wrong}");
    let wrong = operator(&[], &[("CANARY_JUDGE_MODEL_MAY_SETTLE", "hunter2")]).unwrap_err();
    assert_eq!(
        wrong,
        "variable `CANARY_JUDGE_MODEL_MAY_SETTLE`: must be true or false"
    );
}

#[test]
fn what_nobody_sets_has_its_default() {
    let given = operator(&[], &[]).unwrap();
    assert_eq!(given.secrets_dir, PathBuf::from("/etc/secrets"));
    assert_eq!((given.max_analyses, given.model_may_settle), (4, false));
    assert_eq!(given.budget.calls, Some(20));
    assert_eq!(given.budget.tokens, Some(400_000));
    assert_eq!(given.budget.seconds, Some(600));
    assert_eq!(given.budget.micro_usd, None);
    assert!(given.models.is_empty() && given.agent_origins.is_empty());
    assert!(given.environment.google_api_key.is_none() && given.openai_url.is_none());
}

#[test]
fn each_argument_has_a_variable_and_wins_over_it() {
    let args = [
        "--models=a,b",
        "--gemini-url=http://g",
        "--openai-url=http://o/v1",
        "--model-may-settle",
        "--max-budget-calls=1",
        "--max-budget-tokens=2",
        "--max-budget-seconds=3",
        "--max-budget-usd=0.5",
        "--prices=/p",
        "--agent-origin=http://a",
        "--agent-token-file=/t",
        "--prometheus-origin=http://p",
        "--prometheus-user=u",
        "--prometheus-password-file=/w",
        "--prometheus-token-file=/x",
        "--ca-file=/c",
        "--bundle-dir=/b",
        "--policy=/y",
        "--max-analyses=5",
        "--secrets-dir=/s",
        "--secret=ops/keys",
    ];
    let by_argument = operator(&args, &[]).unwrap();
    let as_variable = |arg: &str| {
        let (flag, value) = arg.split_once('=').unwrap_or((arg, "true"));
        (variable(&flag[2..]), value.to_owned())
    };
    let variables: Vec<(String, String)> = args.iter().map(|arg| as_variable(arg)).collect();
    let variables: Vec<(&str, &str)> = variables
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    let by_variable = operator(&[], &variables).unwrap();
    assert_eq!(format!("{by_argument:?}"), format!("{by_variable:?}"));
    assert_eq!(by_argument.models, ["a", "b"]);
    // Every argument is in the table above.
    for name in arguments() {
        let is_given = |arg: &&str| arg[2..].split('=').next() == Some(&name);
        assert!(args.iter().any(is_given), "{name}");
    }

    let others = [
        ("CANARY_JUDGE_MODELS", "c"),
        ("CANARY_JUDGE_MAX_ANALYSES", "9"),
        ("CANARY_JUDGE_AGENT_ORIGIN", "http://x,http://y"),
        ("CANARY_JUDGE_POLICY", ""),
    ];
    let both = operator(&["--models", "a", "--max-analyses=5"], &others).unwrap();
    assert_eq!((both.models, both.max_analyses), (vec!["a".to_owned()], 5));
    assert_eq!(both.agent_origins, ["http://x", "http://y"]);
    assert_eq!(both.policy, None);
    let off = operator(&[], &[("CANARY_JUDGE_MODEL_MAY_SETTLE", "false")]).unwrap();
    assert!(!off.model_may_settle);
}

#[test]
fn the_environments_own_names_are_read() {
    let env = [
        ("GOOGLE_API_KEY", "google"),
        ("OPENAI_API_KEY", "openai"),
        ("GITHUB_TOKEN", "github"),
        ("OPENAI_BASE_URL", "http://vllm:8000/v1"),
        ("GEMINI_MODEL", "gemini-x"),
        ("OPENAI_MODEL", "gpt-x"),
    ];
    let given = operator(&[], &env).unwrap();
    let revealed = |secret: &Option<analysis::Secret>| {
        let secret = secret.as_ref().unwrap();
        secret.reveal().to_owned()
    };
    let environment = &given.environment;
    assert_eq!(revealed(&environment.google_api_key), "google");
    assert_eq!(revealed(&environment.openai_api_key), "openai");
    assert_eq!(revealed(&environment.github_token), "github");
    assert_eq!(revealed(&given.openai_url), "http://vllm:8000/v1");
    assert_eq!(environment.gemini_model.as_deref(), Some("gemini-x"));
    assert_eq!(environment.openai_model.as_deref(), Some("gpt-x"));
    let flag = operator(&["--openai-url=http://other"], &env).unwrap();
    assert_eq!(revealed(&flag.openai_url), "http://other");
}
