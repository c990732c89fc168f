//! What a block may say, and what becomes of it.

use super::*;

const TODAY: Date = jiff::civil::date(2026, 6, 15);

fn metric(block: &str) -> Metric {
    let mut metric = Metric::default();
    metric.provider.plugin.insert(BLOCK.into(), block.into());
    metric
}

fn read(block: &str) -> Result<Settings, BlockError> {
    Settings::read(&metric(block), TODAY)
}

#[test]
fn an_empty_block_takes_the_defaults() {
    for block in ["{}", "null", r#"{"stableLabel":"","maxWait":null}"#] {
        let settings = read(block).unwrap();
        assert_eq!(settings.stable.as_str(), "role=stable");
        assert_eq!(settings.canary.as_str(), "role=canary");
        assert_eq!(settings.max_wait, None);
        assert!(settings.warnings.is_empty());
    }
}

#[test]
fn every_key_is_read() {
    let settings = read(
        r#"{"analysisMode":"default","model":"gemini-2.0-flash","stableLabel":"app=a,role=s",
            "canaryLabel":"role in (canary, preview)","githubUrl":"https://github.com/a/b",
            "baseBranch":"main","extraPrompt":"watch\nlatency","maxWait":"90s",
            "successCondition":"result > 0.50","failureCondition":"result < 0.1"}"#,
    )
    .unwrap();
    assert_eq!(settings.stable.as_str(), "app=a,role=s");
    assert_eq!(settings.canary.as_str(), "role in (canary, preview)");
    assert_eq!(settings.max_wait, Some(Duration::from_secs(90)));
    assert_eq!(settings.models, ["gemini-2.0-flash"]);
    assert_eq!(settings.extra_prompt.unwrap().reveal(), "watch\nlatency");
    let repository = settings.repository.unwrap();
    assert_eq!(repository.url.reveal(), "https://github.com/a/b");
    assert_eq!(repository.base_branch.reveal(), "main");
    assert!(settings.warnings.is_empty(), "{:?}", settings.warnings);
}

#[test]
fn what_cannot_be_used_is_an_error_that_names_the_key() {
    use BlockError as E;
    let wrong = |key: &str, needed: &'static str, found: &'static str| E::Type {
        key: key.to_owned(),
        needed,
        found,
    };
    let table = [
        ("[]", E::NotAMap),
        ("{", E::NotAMap),
        ("\"x\"", E::NotAMap),
        (
            r#"{"stableLabel":1}"#,
            wrong("stableLabel", "text", "a number"),
        ),
        (
            r#"{"canaryPodLabel":["a"]}"#,
            wrong("canaryPodLabel", "text", "a list"),
        ),
        (
            r#"{"extraPrompt":true}"#,
            wrong("extraPrompt", "text", "true or false"),
        ),
        (r#"{"models":"a"}"#, wrong("models", "a list", "text")),
        (
            r#"{"models":["a",1]}"#,
            wrong("models[1]", "text", "a number"),
        ),
        (r#"{"budget":5}"#, wrong("budget", "a map", "a number")),
        (
            r#"{"budget":{"calls":[5]}}"#,
            wrong("budget.calls", "a whole number", "a list"),
        ),
        (
            r#"{"prometheus":["up"]}"#,
            wrong("prometheus", "a map", "a list"),
        ),
        (
            r#"{"judgePolicy":"strict"}"#,
            wrong("judgePolicy", "a map", "text"),
        ),
        (r#"{"analysisMode":"agent"}"#, E::AgentWithoutUrl),
        (
            r#"{"analysisMode":"agent","agentUrl":" "}"#,
            E::AgentWithoutUrl,
        ),
        (
            r#"{"canaryLabel":"role=canary&limit=0"}"#,
            E::Selector { key: "canaryLabel" },
        ),
        (r#"{"stableLabel":","}"#, E::Selector { key: "stableLabel" }),
        (r#"{"onError":"success"}"#, E::NoSuccess { key: "onError" }),
        (
            r#"{"onNoData":"Successful"}"#,
            E::NoSuccess { key: "onNoData" },
        ),
        (
            r#"{"onInconclusive":"promote"}"#,
            E::NoSuccess {
                key: "onInconclusive",
            },
        ),
    ];
    for (block, expected) in table {
        assert_eq!(read(block).unwrap_err(), expected, "{block}");
    }
    assert!(matches!(
        read(r#"{"successCondition":"result >"}"#).unwrap_err(),
        E::Condition(_)
    ));
    let mut with_condition = metric("{}");
    with_condition.failure_condition = "rate > 5".into();
    assert!(matches!(
        Settings::read(&with_condition, TODAY).unwrap_err(),
        E::Condition(_)
    ));
}

#[test]
fn size_is_limited() {
    let long = format!(r#"{{"extraPrompt":"{}"}}"#, "x".repeat(MAX_BLOCK_BYTES));
    assert_eq!(read(&long).unwrap_err(), BlockError::TooLarge);
    let keys: Vec<String> = (0..=MAX_KEYS).map(|i| format!("\"k{i}\":1")).collect();
    assert_eq!(
        read(&format!("{{{}}}", keys.join(","))).unwrap_err(),
        BlockError::TooLarge
    );
    let selector = format!(r#"{{"stableLabel":"{}"}}"#, "x".repeat(3_000));
    assert_eq!(
        read(&selector).unwrap_err(),
        BlockError::Selector { key: "stableLabel" }
    );
}

#[test]
fn old_and_unknown_keys_warn_and_do_not_fail() {
    let table = [
        (
            r#"{"canaryPodLabel":"x=y"}"#,
            "key `canaryPodLabel` is an old spelling: write `canaryLabel`",
        ),
        (
            r#"{"canaryPodLabel":"x=y","canaryLabel":"a=b"}"#,
            "key `canaryPodLabel` is ignored: `canaryLabel` is there",
        ),
        (
            r#"{"namespace":"prod"}"#,
            "key `namespace` is ignored: the AnalysisRun's namespace is the only one a \
             template may read",
        ),
        (
            r#"{"podName":"x"}"#,
            "key `podName` is ignored: all pods that the labels select are read",
        ),
        (
            r#"{"canarylabel":"x=y"}"#,
            "unknown key `canarylabel` is ignored: did you mean `canaryLabel`?",
        ),
        (
            r#"{"extraPromt":"x"}"#,
            "unknown key `extraPromt` is ignored: did you mean `extraPrompt`?",
        ),
        (
            r#"{"colour\u0007":"blue"}"#,
            "unknown key `colour?` is ignored",
        ),
        (
            r#"{"analysisMode":"default","agentUrl":"http://a"}"#,
            "key `agentUrl` is ignored: `analysisMode` is `default`",
        ),
    ];
    for (block, warning) in table {
        assert_eq!(read(block).unwrap().warnings, [warning], "{block}");
    }
    assert_eq!(
        read(r#"{"canaryPodLabel":"x=y"}"#).unwrap().canary.as_str(),
        "x=y"
    );
}

#[test]
fn the_block_is_found_under_any_name_that_led_to_us() {
    let named = |names: &[&str]| {
        let mut metric = Metric::default();
        for name in names {
            let block = r#"{"maxWait":"7s"}"#.into();
            metric.provider.plugin.insert((*name).into(), block);
        }
        Settings::read(&metric, TODAY)
    };
    let old = named(&["ai-metric"]).unwrap();
    assert_eq!(
        old.warnings,
        ["block `ai-metric` is an old name: call it `argoproj-labs/metric-ai`"]
    );
    assert_eq!(
        named(&["my-org/judge"]).unwrap().max_wait,
        Some(Duration::from_secs(7))
    );
    assert_eq!(named(&[]).unwrap_err(), BlockError::Missing);
    assert_eq!(named(&["a/b", "c/d"]).unwrap_err(), BlockError::Missing);
}

#[test]
fn no_value_is_shown() {
    for block in [
        r#"{"analysisMode":"hunter2"}"#,
        r#"{"maxWait":"hunter2"}"#,
        r#"{"stableLabel":"hunter2&"}"#,
        r#"{"successCondition":"hunter2"}"#,
        r#"{"model":"x","colour":"hunter2"}"#,
        r#"{"model":"hunter2 hunter2"}"#,
        r#"{"models":["hunter2","hunter2"]}"#,
        r#"{"minConfidence":"hunter2"}"#,
        r#"{"onError":"hunter2"}"#,
        r#"{"budget":{"calls":"hunter2"}}"#,
        r#"{"budget":{"calls":{"x":"hunter2"}}}"#,
        r#"{"agentUrl":"hunter2"}"#,
        r#"{"judgePolicy":{"promoteRatio":"hunter2","ignore":[{"reason":"hunter2"}]}}"#,
        r#"{"prometheus":"hunter2"}"#,
        r#"{"apiKey":"hunter2"}"#,
        r#""hunter2"#,
    ] {
        let shown = match read(block) {
            Ok(settings) => settings.warnings.join(" "),
            Err(error) => format!("{error} {error:?}"),
        };
        assert!(!shown.contains("hunter2"), "{block}: {shown}");
    }
}

#[test]
fn metadata_describes_the_metric_without_its_credentials() {
    let metric = metric(
        r#"{"agentUrl":"http://user:hunter2@agent:8080/a2a?token=hunter2","canaryLabel":"a=b"}"#,
    );
    let described = describe(&metric);
    assert_eq!(described["provider"], "MetricAI");
    assert_eq!(described["stableLabel"], "role=stable");
    assert_eq!(described["canaryLabel"], "a=b");
    assert_eq!(described["agentUrl"], "http://agent:8080/a2a");
    assert_eq!(describe(&Metric::default()).len(), 1);
}

/// What is of the right type and impossible, with what is said of it.
const OUT_OF_RANGE: &[(&str, &str)] = &[
    (
        r#"{"analysisMode":"auto"}"#,
        "key `analysisMode`: must be `default` or `agent`",
    ),
    (
        r#"{"agentUrl":"agent:8080"}"#,
        "key `agentUrl`: an http:// or https:// address without a query is needed, as in \
         http://kubernetes-agent:8080",
    ),
    (
        r#"{"maxWait":"5"}"#,
        "key `maxWait`: a time from 1s to 24h is needed, as in `5m`",
    ),
    (
        r#"{"maxWait":"0s"}"#,
        "key `maxWait`: a time from 1s to 24h is needed, as in `5m`",
    ),
    (
        r#"{"maxWait":"25h"}"#,
        "key `maxWait`: a time from 1s to 24h is needed, as in `5m`",
    ),
    (
        r#"{"minConfidence":0.85}"#,
        "key `minConfidence`: a whole percentage from 51 to 99 is needed, as in `85`",
    ),
    (
        r#"{"minConfidence":50}"#,
        "key `minConfidence`: a whole percentage from 51 to 99 is needed, as in `85`",
    ),
    (
        r#"{"minConfidence":100}"#,
        "key `minConfidence`: a whole percentage from 51 to 99 is needed, as in `85`",
    ),
    (
        r#"{"minRequests":-1}"#,
        "key `minRequests`: a whole number from 0 to 100000000 is needed",
    ),
    (
        r#"{"minRequests":"many"}"#,
        "key `minRequests`: a whole number from 0 to 100000000 is needed",
    ),
    (
        r#"{"onError":"ignore"}"#,
        "key `onError`: must be `error`, `inconclusive` or `fail`",
    ),
    (
        r#"{"onError":"success"}"#,
        "key `onError`: success is no value here, as nothing but a promote verdict is one; \
         write `error`, `inconclusive` or `fail`",
    ),
    (
        r#"{"model":"../../v1/x"}"#,
        "key `model`: the name of a model is needed, as in `gemini-2.5-flash`",
    ),
    (
        r#"{"models":["a","b c"]}"#,
        "key `models[1]`: the name of a model is needed, as in `gemini-2.5-flash`",
    ),
    (
        r#"{"models":["a","b","a"]}"#,
        "key `models[2]`: each model is named once: it has one vote",
    ),
    (
        r#"{"models":[]}"#,
        "key `models`: one to five names are needed",
    ),
    (
        r#"{"models":["a","b","c","d","e","f"]}"#,
        "key `models`: one to five names are needed",
    ),
    (
        r#"{"budget":{"calls":1001}}"#,
        "key `budget.calls`: a whole number from 0 to 1000 is needed",
    ),
    (
        r#"{"budget":{"tokens":1.5}}"#,
        "key `budget.tokens`: a whole number from 0 to 10000000 is needed",
    ),
    (
        r#"{"budget":{"seconds":"1m"}}"#,
        "key `budget.seconds`: a whole number from 0 to 3600 is needed",
    ),
    (
        r#"{"budget":{"usd":"NaN"}}"#,
        "key `budget.usd`: a number from 0 to 1000 is needed",
    ),
    (
        r#"{"judgePolicy":{"promoteMargin":1}}"#,
        "key `judgePolicy`: `promoteMargin` is out of range: it must be 0.001 to 0.1 (share)",
    ),
];

#[test]
fn what_is_out_of_range_names_its_key_and_the_mend() {
    for (block, expected) in OUT_OF_RANGE {
        assert_eq!(read(block).unwrap_err().to_string(), *expected, "{block}");
    }
}

#[test]
fn the_mode_follows_from_the_agents_address() {
    let mode = |block: &str| read(block).unwrap().mode;
    for block in [
        "{}",
        r#"{"analysisMode":"default"}"#,
        r#"{"analysisMode":"DEFAULT","agentUrl":"http://a"}"#,
    ] {
        assert_eq!(mode(block), Mode::Default, "{block}");
    }
    for block in [
        r#"{"agentUrl":"http://a:8080"}"#,
        r#"{"analysisMode":"Agent","agentUrl":" http://a:8080/ "}"#,
        r#"{"agentUrl":"http://a:8080/a2a/analyze"}"#,
        r#"{"agentUrl":"http://a:8080/a2a/analyze/"}"#,
    ] {
        let url = AgentUrl::parse("http://a:8080").unwrap();
        assert_eq!(mode(block), Mode::Agent { url }, "{block}");
    }
}

#[test]
fn numbers_may_come_as_text_and_nothing_as_nothing() {
    let settings = read(
        r#"{"minConfidence":"85","minRequests":" 500 ","models":["a","b:7b","org/c"],
            "budget":{"calls":"5","tokens":1000,"seconds":30.0,"usd":"0.25"},
            "onError":"Inconclusive","onNoData":"fail","onInconclusive":"error",
            "judgePolicy":{"promoteMargin":"0.01","gateMinCount":4,"ignore":[
                {"event":"BackOff","reason":"r","until":"2026-12-31"}]},
            "prometheus":{"address":"http://u:p@prom:9090","pairs":[{"name":"p95","stable":"a","canary":"b"}]}}"#,
    )
    .unwrap();
    assert_eq!(settings.min_confidence, Some(85));
    assert_eq!(settings.min_requests, Some(500));
    assert_eq!(settings.models, ["a", "b:7b", "org/c"]);
    assert_eq!(
        settings.budget,
        Budget {
            calls: Some(5),
            tokens: Some(1_000),
            seconds: Some(30),
            micro_usd: Some(250_000),
        }
    );
    assert_eq!(
        settings.endings,
        Endings {
            on_error: Some(Ending::Inconclusive),
            on_no_data: Some(Ending::Fail),
            on_inconclusive: Some(Ending::Error),
        }
    );
    assert_eq!(settings.judge_policy.set, ["promoteMargin", "gateMinCount"]);
    assert_eq!(settings.judge_policy.policy.ignore.len(), 1);
    let metrics = settings.metrics.unwrap();
    assert_eq!(metrics.pairs()[0].name, "p95");
    assert!(settings.warnings.is_empty(), "{:?}", settings.warnings);

    let empty = read(
        r#"{"minConfidence":"","minRequests":null,"models":null,"budget":{"calls":""},
            "onError":"","judgePolicy":null,"prometheus":"","maxWait":" "}"#,
    )
    .unwrap();
    assert_eq!(empty.min_confidence, None);
    assert_eq!(empty.budget, Budget::default());
    assert_eq!(empty.endings, Endings::default());
    assert_eq!(empty.judge_policy, PolicyFile::default());
    assert_eq!(empty.metrics, None);
    assert_eq!(empty.keys, ["budget"]);
}

#[test]
fn strange_keys_within_maps_are_warned_about_as_well() {
    let table = [
        (
            r#"{"budget":{"call":5}}"#,
            "unknown key `budget.call` is ignored: did you mean `budget.calls`?",
        ),
        (
            r#"{"model":"a","models":["b"]}"#,
            "key `model` is ignored: `models` is there",
        ),
        (
            r#"{"modelMaySettle":true}"#,
            "key `modelMaySettle` is ignored: it is the operator's, who sets the plugin's \
             argument `--model-may-settle`",
        ),
        (
            r#"{"judgePolicy":{"ignore":[
                {"event":"BackOff","reason":"r","until":"2026-06-14"}]}}"#,
            "key `judgePolicy.ignore[0]`: expired on 2026-06-14, so what it ignores counts \
             again: remove the entry, or give it a new date",
        ),
    ];
    for (block, warning) in table {
        assert_eq!(read(block).unwrap().warnings, [warning], "{block}");
    }
}

#[test]
fn a_broken_block_still_says_what_an_error_is() {
    let table = [
        (r#"{"onError":"fail","maxWait":"x"}"#, Some(Ending::Fail)),
        (r#"{"onError":"success"}"#, None),
        (r#"{"maxWait":"x"}"#, None),
        ("{", None),
    ];
    for (block, expected) in table {
        assert_eq!(on_error(&metric(block)), expected, "{block}");
    }
}

/// Every key with a value that nobody should see.
const PLANTED: &str = r#"{"extraPrompt":"hunter2","agentUrl":"http://u:hunter2@a/base",
    "githubUrl":"https://hunter2@g/h","baseBranch":"hunter2","maxWait":"5m",
    "stableLabel":"role=hunter2","canaryLabel":"role=hunter2","model":"hunter2",
    "judgePolicy":{"ignore":[
        {"template":"hunter2 hunter2","reason":"hunter2","until":"2026-12-31"},
        {"template":"hunter2 hunter2","reason":"hunter2","until":"2020-12-31"}]},
    "budget":{"colour":"hunter2"},
    "prometheus":{"address":"http://u:hunter2@p","pairs":[
        {"name":"p95","stable":"hunter2","canary":"hunter2"}]}}"#;

#[test]
fn settings_print_no_value() {
    let settings = read(PLANTED).unwrap();
    let shown = format!(
        "{settings:?} {:?} {:?} {:?} {:?}",
        settings.mode, settings.repository, settings.metrics, settings.extra_prompt
    );
    assert!(!shown.contains("hunter2"), "{shown}");
    assert!(shown.contains("extraPrompt"), "{shown}");
}

#[test]
fn the_documentation_names_every_key_and_every_argument() {
    let page = include_str!("../../../../docs/plugin.md");
    for key in KEYS {
        assert!(page.contains(&format!("`{key}`")), "{key}");
    }
    // Each key is in the example as well.
    let example = page.split("With all of them:").nth(1).unwrap();
    let example = example.split("```").nth(1).unwrap();
    let shown = |key: &str| example.contains(&format!("\n  {key}:"));
    let alone = ["analysisMode", "agentUrl", "model", "failureCondition"];
    for key in KEYS.iter().filter(|key| !alone.contains(key)) {
        assert!(shown(key), "{key} is not in the example");
    }
    for argument in crate::args::arguments() {
        assert!(page.contains(&format!("`--{argument}")), "--{argument}");
    }
}
