//! Models that fail: each kind of trouble is a missing opinion, told apart, and
//! the judge decides.

use std::collections::BTreeMap;
use std::time::Duration;

use analysis::opinion::{Answer as Said, Explained, MissingKind};
use analysis::{Ask, Rules, decide};
use judge::Decision;
use model_stand_in::{Answer, Cut, Fault, Quota, RateLimit, Rule, Script, Server};
use tracing_subscriber::layer::SubscriberExt as _;

use crate::messages;
use crate::models::{
    GEMINI, KEY, OPENAI, aborting, ask, explain, explainer, promoting, serve, view, with_key,
};
use crate::scene::Captured;

fn missing(explained: &Explained) -> (MissingKind, &str) {
    match &explained.opinions[0].answer {
        Said::Missing(missing) => (missing.kind, &missing.why),
        Said::View(view) => panic!("a view: {view:?}"),
    }
}

fn fault(status: u16, headers: &[(&str, &str)], body: &str) -> Answer {
    let headers = headers
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect::<BTreeMap<_, _>>();
    Answer::Fault(Fault {
        status,
        body: body.to_owned(),
        headers,
    })
}

fn limit(quota: Quota, retry_delay_ms: u64) -> Answer {
    Answer::RateLimit(RateLimit {
        quota,
        retry_delay_ms: Some(retry_delay_ms),
        in_array: false,
    })
}

async fn always(rule: Rule, model: &str) -> (Server, Explained) {
    let server = serve(Script::new([rule])).await;
    let explained = explain(&server, &promoting(), &ask(&[model])).await;
    (server, explained)
}

/// What happens, how the opinion is missing, and requests that it takes.
type Trouble = (&'static str, Rule, MissingKind, usize);

/// The provider does not answer as it should.
fn refusals() -> Vec<Trouble> {
    use MissingKind::*;
    let now: &[(&str, &str)] = &[("retry-after", "0")];
    let large = "x".repeat(2 << 20);
    vec![
        ("retired", Rule::new(Answer::Retired), Retired, 1),
        ("a wrong key", Rule::new(Answer::EchoKey), KeyRefused, 1),
        ("401", Rule::new(Answer::Status(401)), KeyRefused, 1),
        ("403", Rule::new(Answer::Status(403)), KeyRefused, 1),
        (
            "blocked",
            Rule::new(Answer::Blocked("SAFETY".into())),
            Blocked,
            1,
        ),
        (
            "bad request",
            Rule::new(Answer::Status(400)),
            ProviderError,
            1,
        ),
        (
            "too large",
            Rule::new(Answer::Status(413)),
            ProviderError,
            1,
        ),
        (
            "a quota",
            Rule::new(limit(Quota::PerDay, 10)),
            QuotaSpent,
            1,
        ),
        (
            "a limit",
            Rule::new(limit(Quota::PerMinute, 90_000)),
            RateLimited,
            1,
        ),
        (
            "limits without end",
            Rule::new(limit(Quota::PerMinute, 1)),
            RateLimited,
            5,
        ),
        (
            "500 without end",
            Rule::new(fault(503, now, "")),
            ProviderError,
            5,
        ),
        ("no JSON", Rule::new(Answer::Garbage), ProviderError, 1),
        (
            "a huge answer",
            Rule::new(fault(200, &[], &large)),
            ProviderError,
            1,
        ),
        (
            "a huge error",
            Rule::new(fault(500, &[], &large)),
            ProviderError,
            1,
        ),
        (
            "a redirect",
            Rule::new(fault(302, &[("location", "/x")], "")),
            ProviderError,
            1,
        ),
    ]
}

/// The model says what cannot be used.
fn nonsense() -> Vec<Trouble> {
    use MissingKind::Unreadable;
    vec![
        (
            "prose",
            Rule::new(Answer::text("I would promote.")),
            Unreadable,
            2,
        ),
        ("nothing", Rule::new(Answer::text("")), Unreadable, 2),
        (
            "cut off",
            Rule::new(Answer::text("{")).finish("MAX_TOKENS"),
            Unreadable,
            2,
        ),
        (
            "cut off in silence",
            Rule::new(Answer::text("{\"promote\": tr")),
            Unreadable,
            2,
        ),
    ]
}

#[tokio::test]
async fn each_kind_of_trouble_is_told_apart_and_the_judge_decides() {
    for (what, rule, kind, calls) in refusals().into_iter().chain(nonsense()) {
        for model in [GEMINI, OPENAI] {
            let (server, explained) = always(rule.clone(), model).await;
            let (missing_kind, why) = missing(&explained);
            assert_eq!(missing_kind, kind, "{what}: {why}");
            assert_eq!(server.calls().len(), calls, "{what}, {model}");
            assert_eq!(explained.spent.calls as usize, calls, "{what}, {model}");
            for (judgement, expected) in [
                (promoting(), Decision::Promote),
                (aborting(), Decision::Abort),
            ] {
                let gathered = messages::gathered();
                let verdict = decide(judgement, &gathered, explained.clone(), &Rules::default());
                assert_eq!(verdict.decision, expected, "{what}");
                let name = model.trim_start_matches("openai/");
                assert!(
                    verdict.message.contains(name),
                    "{what}: {}",
                    verdict.message
                );
                assert!(verdict.message.len() <= analysis::message::MAX_MESSAGE_BYTES);
            }
        }
    }
}

#[tokio::test]
async fn a_retired_model_is_named_in_the_message() {
    let (_server, explained) = always(Rule::new(Answer::Retired), GEMINI).await;
    let verdict = decide(
        promoting(),
        &messages::gathered(),
        explained,
        &Rules::default(),
    );
    insta::assert_snapshot!(verdict.message, @"canary promoted: 0/412 errors (stable 2/1,630), 2/3 pods ready; model gemini-2.5-flash gave no opinion: retired or misspelt (404): name another in `model`");
    insta::assert_snapshot!(verdict.voting_rationale(), @"no model answered: the judge decided alone (gemini-2.5-flash: retired or misspelt (404): name another in `model`)");
}

#[tokio::test]
async fn a_tool_call_is_answered_by_a_repair() {
    let bad = model_stand_in::ToolCall::raw("get_pod_logs", "{bad");
    for model in [GEMINI, OPENAI] {
        let calls = Rule::new(Answer::ToolCalls(vec![bad.clone()])).times(1);
        let server = serve(Script::new([calls, Rule::new(Answer::Agree)])).await;
        let explained = explain(&server, &promoting(), &ask(&[model])).await;
        assert!(view(&explained).promote, "{model}");
        assert!(server.calls()[1].text.contains("called a tool"), "{model}");
    }
}

#[tokio::test]
async fn one_repair_says_what_was_wrong() {
    for model in [GEMINI, OPENAI] {
        // The stand-in refuses a conversation whose thought signature is lost.
        let first = Rule::new(Answer::text("{\"promote\": \"yes\"}"))
            .thoughts("let me think")
            .times(1);
        let server = serve(Script::new([first, Rule::new(Answer::Agree)])).await;
        let explained = explain(&server, &promoting(), &ask(&[model])).await;
        assert!(view(&explained).promote, "{model}");
        let calls = server.calls();
        assert_eq!((calls.len(), explained.spent.calls), (2, 2));
        assert!(
            calls[1].text.contains("has the wrong type"),
            "{}",
            calls[1].text
        );
        assert!(
            calls[1].text.contains(&calls[0].text),
            "the data is there again"
        );
    }
}

#[tokio::test]
async fn what_passes_is_asked_again() {
    for (what, rule) in [
        ("a limit", Rule::new(limit(Quota::PerMinute, 30))),
        ("503", Rule::new(fault(503, &[("retry-after-ms", "1")], ""))),
        ("a reset", Rule::new(Answer::Reset)),
        (
            "a break",
            Rule::new(Answer::Agree).cut(Cut {
                after_bytes: 40,
                connection: true,
            }),
        ),
    ] {
        for model in [GEMINI, OPENAI] {
            let again = Rule::new(Answer::Agree);
            let server = serve(Script::new([rule.clone().times(1), again])).await;
            let explained = explain(&server, &promoting(), &ask(&[model])).await;
            assert!(view(&explained).promote, "{what}");
            assert_eq!(explained.spent.calls, 2, "{what}");
            assert_eq!(server.calls().len(), 2, "{what}: nobody else repeats it");
        }
    }
}

#[tokio::test]
async fn nothing_waits_past_the_deadline() {
    // Who is told to come too late does not wait at all, so there the deadline
    // may be long: a slow machine must answer within it.
    const LONG_MS: u64 = 15_000;
    for (what, answer, deadline_ms, kind) in [
        ("a hang", Answer::Hang, 200, MissingKind::TimedOut),
        (
            "a limit",
            limit(Quota::PerMinute, 600_000),
            LONG_MS,
            MissingKind::RateLimited,
        ),
        (
            "503",
            fault(503, &[("retry-after", "600")], ""),
            LONG_MS,
            MissingKind::ProviderError,
        ),
    ] {
        let server = serve(Script::always(answer)).await;
        let mut ask = ask(&[GEMINI]);
        ask.deadline = Duration::from_millis(deadline_ms);
        let judgement = promoting();
        let explained = explain(&server, &judgement, &ask);
        let explained = tokio::time::timeout(Duration::from_secs(20), explained).await;
        let explained = explained.unwrap_or_else(|_| panic!("{what} is waited for"));
        assert_eq!(missing(&explained).0, kind, "{what}");
        // Also on the other side: no socket stays behind.
        server.wait_until_idle().await;
    }
}

#[tokio::test]
async fn who_gives_up_leaves_no_request_behind() {
    let server = serve(Script::always(Answer::Hang)).await;
    let explainer = explainer(&server);
    let (judgement, gathered) = (promoting(), messages::gathered());
    let ask = ask(&[GEMINI, OPENAI]);
    tokio::select! {
        _ = explainer.explain(&judgement, &gathered, &ask) => panic!("it hangs"),
        _ = server.wait_for_calls(2) => {}
    }
    server.wait_until_idle().await;
}

#[tokio::test]
async fn a_server_that_is_not_there_is_unreachable() {
    let server = serve(Script::default()).await;
    let explainer = explainer(&server);
    drop(server);
    let mut ask = ask(&[GEMINI]);
    // Long enough for a slow machine to be refused, too short for all tries.
    ask.deadline = Duration::from_secs(3);
    let explained = explainer
        .explain(&promoting(), &messages::gathered(), &ask)
        .await;
    assert_eq!(missing(&explained).0, MissingKind::Unreachable);
}

/// Everything that is logged on this thread, at any level.
fn logged(captured: &Captured) -> tracing::subscriber::DefaultGuard {
    let writer = captured.clone();
    let layer = tracing_subscriber::fmt::layer()
        .with_ansi(false)
        .without_time()
        .with_writer(move || writer.clone());
    tracing::subscriber::set_default(tracing_subscriber::registry().with(layer))
}

/// Errors of clients hold prompts, and providers quote keys: also such that no
/// redaction knows by their look.
#[tokio::test]
async fn no_error_holds_the_prompt_or_the_key() {
    for key in [KEY, "our-own-server"] {
        let quoting = format!(
            "{{\"error\": {{\"message\": \"user is null; key {key}\", \"code\": \"{key}\", \
             \"status\": \"user is null\"}}}}"
        );
        for status in [400, 401, 403, 404, 413, 429, 500, 200] {
            for model in [GEMINI, OPENAI] {
                quotes(key, model, fault(status, &[("retry-after", "0")], &quoting)).await;
            }
        }
    }
}

async fn quotes(key: &str, model: &str, answer: Answer) {
    let captured = Captured::default();
    let _guard = logged(&captured);
    let server = serve(Script::always(answer)).await;
    let (judgement, gathered) = (promoting(), messages::gathered());
    let explained = with_key(&server, key)
        .explain(&judgement, &gathered, &ask(&[model]))
        .await;
    let verdict = decide(judgement, &gathered, explained.clone(), &Rules::default());
    let said = serde_json::to_string(&explained).expect("JSON");
    for text in [&said, &verdict.message, &verdict.voting_rationale()] {
        assert!(!text.contains("user is null"), "{text}");
        assert!(!text.contains(key), "{text}");
    }
    let lines = captured.lines();
    assert!(
        lines.iter().any(|line| line.contains("model request")),
        "debug is captured"
    );
    for line in lines {
        assert!(!line.contains(key), "{line}");
        let level = line.trim_start();
        let is_low = level.starts_with("DEBUG") || level.starts_with("TRACE");
        assert!(is_low || !line.contains("user is null"), "{line}");
    }
}

#[tokio::test]
async fn users_find_the_words_that_they_search_for() {
    for (quota, words) in [
        (Quota::PerMinute, ["WARN", "rate limit", "429"]),
        (Quota::PerDay, ["WARN", "quota", "429"]),
    ] {
        let captured = Captured::default();
        let _guard = captured.install();
        let first = Rule::new(limit(quota, 1)).times(1);
        let server = serve(Script::new([first, Rule::new(Answer::Agree)])).await;
        explain(&server, &promoting(), &ask(&[GEMINI])).await;
        let lines = captured.lines();
        let found = |line: &&String| words.iter().all(|word| line.contains(word));
        assert!(
            lines.iter().any(|line| found(&line)),
            "{words:?}: {lines:#?}"
        );
    }
}

#[tokio::test]
async fn a_budget_ends_the_asking() {
    let prose = || Rule::new(Answer::text("prose"));
    for (what, change, kind, calls) in [
        (
            "calls",
            Box::new(|ask: &mut Ask| ask.budget.calls = 1) as Box<dyn Fn(&mut Ask)>,
            MissingKind::BudgetSpent,
            1,
        ),
        (
            "calls before",
            Box::new(|ask: &mut Ask| ask.spent_before.calls = 20),
            MissingKind::BudgetSpent,
            0,
        ),
        (
            "tokens",
            Box::new(|ask: &mut Ask| ask.budget.tokens = 8_000),
            MissingKind::BudgetSpent,
            0,
        ),
        (
            "seconds",
            Box::new(|ask: &mut Ask| ask.spent_before.took_ms = 600_000),
            MissingKind::BudgetSpent,
            0,
        ),
        (
            "money",
            Box::new(|ask: &mut Ask| ask.budget.micro_usd = Some(1_000)),
            MissingKind::BudgetSpent,
            0,
        ),
        (
            "money without a price",
            Box::new(|ask: &mut Ask| {
                ask.budget.micro_usd = Some(1_000_000);
                ask.models = vec!["gpt-unheard-of".into()];
            }),
            MissingKind::NotConfigured,
            0,
        ),
    ] {
        let server = serve(Script::new([prose()])).await;
        let mut ask = ask(&[GEMINI]);
        change(&mut ask);
        let explained = explain(&server, &promoting(), &ask).await;
        let (missing_kind, why) = missing(&explained);
        assert_eq!(missing_kind, kind, "{what}: {why}");
        assert_eq!(server.calls().len(), calls, "{what}");
        assert_eq!(explained.spent.calls as usize, calls, "{what}");
    }
}
