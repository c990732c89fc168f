//! What all measurements of a process share: answers and rate limits.

use std::time::Duration;

use analysis::opinion::{Answer as Said, MissingKind};
use futures::future::join_all;
use model_stand_in::{Answer, Quota, RateLimit, Rule, Script};

use crate::messages;
use crate::models::{GEMINI, OPENAI, aborting, ask, explainer, finding, promoting, serve};

#[tokio::test]
async fn a_repeated_look_costs_no_call() {
    let server = serve(Script::always(Answer::Agree)).await;
    let explainer = explainer(&server);
    let mut gathered = messages::gathered();
    let first = explainer
        .explain(&promoting(), &gathered, &ask(&[GEMINI]))
        .await;
    assert_eq!(first.spent.calls, 1);

    // What differs at each look and tells nothing.
    let mut judgement = promoting();
    judgement.findings[0].last_ms = Some(1);
    judgement.carried.0 = "later".into();
    judgement.exposure.canary_per_second = 4.0;
    gathered.evidence.canary.pods.reverse();
    gathered.evidence.canary.pods[0].name = "web-9".into();
    let second = explainer
        .explain(&judgement, &gathered, &ask(&[GEMINI]))
        .await;
    assert_eq!(second.opinions[0].answer, first.opinions[0].answer);
    let spent = second.spent;
    assert_eq!((spent.calls, spent.tokens, spent.micro_usd), (0, 0, 0));

    // What tells something.
    let mut other = ask(&[GEMINI]);
    other.extra_prompt = Some("We deploy on Fridays.".into());
    judgement.findings[0].canary_count += 1;
    for (judgement, ask) in [
        (promoting(), other),
        (judgement, ask(&[GEMINI])),
        (aborting(), ask(&[GEMINI])),
        (promoting(), ask(&[OPENAI])),
    ] {
        let explained = explainer.explain(&judgement, &gathered, &ask).await;
        assert_eq!(explained.spent.calls, 1);
    }
}

#[tokio::test]
async fn equal_questions_at_once_share_one_call() {
    let server = serve(Script::new([Rule::new(Answer::Agree).delay_ms(50)])).await;
    let explainer = explainer(&server);
    let (judgement, gathered) = (promoting(), messages::gathered());
    let ask = ask(&[GEMINI]);
    let all = join_all((0..20).map(|_| explainer.explain(&judgement, &gathered, &ask))).await;
    assert!(
        all.iter()
            .all(|explained| explained.opinions[0].view().is_some())
    );
    assert_eq!(server.calls().len(), 1);
    let calls: u32 = all.iter().map(|explained| explained.spent.calls).sum();
    assert_eq!(calls, 1);
}

#[tokio::test]
async fn a_failure_is_not_kept() {
    let first = Rule::new(Answer::Retired).times(1);
    let server = serve(Script::new([first, Rule::new(Answer::Agree)])).await;
    let explainer = explainer(&server);
    let (judgement, gathered) = (promoting(), messages::gathered());
    for calls in 1..=2 {
        let explained = explainer
            .explain(&judgement, &gathered, &ask(&[GEMINI]))
            .await;
        assert_eq!(explained.opinions[0].view().is_some(), calls == 2);
        assert_eq!(server.calls().len(), calls);
    }
}

#[tokio::test]
async fn a_rate_limit_holds_for_every_measurement() {
    let limit = Answer::RateLimit(RateLimit {
        quota: Quota::PerMinute,
        retry_delay_ms: Some(300_000),
        in_array: true,
    });
    let limited = Rule::new(limit).model(GEMINI);
    let server = serve(Script::new([limited, Rule::new(Answer::Agree)])).await;
    let explainer = explainer(&server);
    let gathered = messages::gathered();
    let other = |id: &str| {
        let mut judgement = promoting();
        judgement.findings = vec![finding(id, "another canary")];
        judgement
    };
    let first = explainer
        .explain(&promoting(), &gathered, &ask(&[GEMINI]))
        .await;
    // A clone, as every measurement has one: it knows as well.
    let clone = explainer.clone();
    let second = clone
        .explain(&other("deadbeef"), &gathered, &ask(&[GEMINI]))
        .await;
    for explained in [&first, &second] {
        let Said::Missing(missing) = &explained.opinions[0].answer else {
            panic!("{explained:?}");
        };
        assert_eq!(missing.kind, MissingKind::RateLimited);
    }
    assert_eq!(second.spent.calls, 0);
    assert_eq!(server.calls().len(), 1, "nobody asks while it is closed");
    let third = explainer
        .explain(&other("deadbeef"), &gathered, &ask(&[OPENAI]))
        .await;
    assert!(third.opinions[0].view().is_some(), "another model is asked");
}

#[tokio::test]
async fn after_a_limit_everyone_waits_and_gets_through() {
    let limit = Answer::RateLimit(RateLimit {
        quota: Quota::PerMinute,
        retry_delay_ms: Some(100),
        in_array: false,
    });
    let first = Rule::new(limit).times(1);
    let rest = Rule::new(Answer::Agree).delay_ms(20);
    let server = serve(Script::new([first, rest])).await;
    let explainer = explainer(&server);
    let gathered = messages::gathered();
    let ask = ask(&[GEMINI]);
    let judgements: Vec<_> = (0..12)
        .map(|n| {
            let mut judgement = promoting();
            judgement.findings = vec![finding(&format!("{n:08x}"), "another canary")];
            judgement
        })
        .collect();
    let all = judgements
        .iter()
        .map(|judgement| explainer.explain(judgement, &gathered, &ask));
    let all = tokio::time::timeout(Duration::from_secs(60), join_all(all)).await;
    let all = all.expect("in time");
    assert!(
        all.iter()
            .all(|explained| explained.opinions[0].view().is_some())
    );
    assert_eq!(server.calls().len(), 13);
    assert!(server.most_at_once() <= 4, "{}", server.most_at_once());
}
