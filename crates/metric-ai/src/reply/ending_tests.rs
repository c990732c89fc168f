//! What a measurement without a verdict ends as, and what is told of models.

use analysis::opinion::{Answer, Missing, MissingKind, Opinion, Spent};
use serde_json::Value;

use super::tests::{at, case, seen, settings, value_of};
use super::*;

fn of(block: &str) -> Case {
    Case {
        settings: settings(block),
        ..case(RunKind::Holding)
    }
}

#[test]
fn an_error_ends_as_the_template_says_and_keeps_its_reason() {
    let table = [
        ("{}", (Phase::Error, ""), "no rights"),
        (r#"{"onError":"error"}"#, (Phase::Error, ""), "no rights"),
        (
            r#"{"onError":"inconclusive"}"#,
            (Phase::Inconclusive, "0"),
            "`onError` makes this inconclusive: no rights",
        ),
        (
            r#"{"onError":"fail"}"#,
            (Phase::Failed, "0"),
            "`onError` makes this a failure: no rights",
        ),
        // The other keys are not about errors.
        (
            r#"{"onNoData":"fail","onInconclusive":"fail"}"#,
            (Phase::Error, ""),
            "no rights",
        ),
    ];
    for (block, end, message) in table {
        let answer = of(block).seen(at(5), &Err("no rights".into()));
        assert_eq!(value_of(&answer), end, "{block}");
        assert_eq!(answer.message, message);
        assert_eq!(answer.finished_at, Some(at(5)));
        let crowded = of(block).crowded(at(400));
        assert_eq!(value_of(&crowded), end, "{block}");
        let slow = of(block).looking(at(60), Begun::at_once(at(0)));
        assert_eq!(value_of(&slow), end, "{block}");
        let on_error = of(block).settings.endings.on_error;
        let refused = refused(at(5), &Measurement::default(), "no rights", on_error);
        assert_eq!(value_of(&refused), end, "{block}");
        assert_eq!(refused.message, message);
    }
}

#[test]
fn a_measurement_without_a_verdict_ends_as_the_template_says() {
    let (plain, failed) = ((Phase::Inconclusive, "0"), (Phase::Failed, "0"));
    let error = (Phase::Error, "");
    // The block, then the end without data, then that with too little.
    let table = [
        ("{}", plain, plain),
        (r#"{"onNoData":"fail"}"#, failed, plain),
        (r#"{"onNoData":"error"}"#, error, plain),
        (r#"{"onInconclusive":"fail"}"#, failed, failed),
        (r#"{"onInconclusive":"error"}"#, error, error),
        (
            r#"{"onNoData":"inconclusive","onInconclusive":"fail"}"#,
            plain,
            failed,
        ),
        (
            r#"{"onNoData":"fail","onInconclusive":"error"}"#,
            failed,
            error,
        ),
        (r#"{"onError":"fail"}"#, plain, plain),
    ];
    for (block, without, with) in table {
        for (no_data, end) in [(true, without), (false, with)] {
            let look = Seen {
                no_data,
                ..seen(Decision::Inconclusive)
            };
            let waiting = of(block).seen(at(20), &Ok(look.clone()));
            assert_eq!(waiting.phase, Phase::Running, "it still waits");
            let answer = of(block).seen(at(300), &Ok(look));
            assert_eq!(value_of(&answer), end, "{block} {no_data}");
            let reason = "no verdict after 300 s: needs about 340 more requests, 2 min at 3/s";
            assert!(answer.message.ends_with(reason), "{}", answer.message);
        }
    }
    let answer = of(r#"{"onNoData":"fail"}"#).seen(
        at(300),
        &Ok(Seen {
            no_data: true,
            ..seen(Decision::Inconclusive)
        }),
    );
    assert!(
        answer
            .message
            .starts_with("`onNoData` makes this a failure: no verdict"),
        "{}",
        answer.message
    );
}

#[test]
fn what_conditions_leave_open_is_inconclusive_as_well() {
    let block = r#"{"successCondition":"result >= 0.95","failureCondition":"result < 0.1",
        "onInconclusive":"fail","onNoData":"error"}"#;
    let answer = of(block).seen(at(5), &Ok(seen(Decision::Promote)));
    assert_eq!(value_of(&answer), (Phase::Failed, "0"));
    assert!(
        answer
            .message
            .starts_with("`onInconclusive` makes this a failure: `successCondition`"),
        "{}",
        answer.message
    );
}

#[test]
fn who_ends_a_run_does_not_fail_it() {
    let block = r#"{"onInconclusive":"fail","onNoData":"fail","onError":"fail"}"#;
    for outcome in [
        None,
        Some(Ok(seen(Decision::Inconclusive))),
        Some(Err("no rights".to_owned())),
    ] {
        let answer = of(block).terminated(at(5), outcome.as_ref());
        assert_eq!(value_of(&answer), (Phase::Inconclusive, "0"), "{outcome:?}");
    }
}

#[test]
fn no_ending_makes_a_verdict_or_a_success() {
    for ending in ["error", "inconclusive", "fail"] {
        let block = format!(
            r#"{{"onError":"{ending}","onNoData":"{ending}","onInconclusive":"{ending}"}}"#
        );
        let abort = of(&block).seen(at(5), &Ok(seen(Decision::Abort)));
        assert_eq!(value_of(&abort), (Phase::Failed, "0"));
        let promote = of(&block).seen(at(5), &Ok(seen(Decision::Promote)));
        assert_eq!(value_of(&promote), (Phase::Successful, "0.85"));
        for outcome in [Ok(seen(Decision::Inconclusive)), Err("trouble".to_owned())] {
            let answer = of(&block).seen(at(300), &outcome);
            assert_ne!(answer.phase, Phase::Successful, "{block}");
        }
    }
}

#[test]
fn findings_and_confidence_are_for_conditions() {
    let table = [
        ("findings <= 2", Phase::Successful),
        ("findings < 2", Phase::Failed),
        ("confidence >= 85", Phase::Successful),
        ("confidence > 85", Phase::Failed),
    ];
    for (condition, phase) in table {
        let block = format!(r#"{{"successCondition":"{condition}"}}"#);
        let answer = of(&block).seen(at(5), &Ok(seen(Decision::Promote)));
        assert_eq!(answer.phase, phase, "{condition}");
    }
}

#[test]
fn what_waits_for_nothing_ends_at_once() {
    let mut look = seen(Decision::Inconclusive);
    look.missing = None;
    look.message = "inconclusive: gemini-x objects".to_owned();
    let answer = of("{}").seen(at(2), &Ok(look.clone()));
    assert_eq!(value_of(&answer), (Phase::Inconclusive, "0"));
    assert_eq!(answer.message, "inconclusive: gemini-x objects");
    let answer = of(r#"{"onInconclusive":"fail"}"#).seen(at(2), &Ok(look));
    assert_eq!(value_of(&answer), (Phase::Failed, "0"));
}

fn view(promote: bool, confidence: u8, text: &str) -> Answer {
    Answer::View(View {
        promote,
        confidence,
        analysis: text.to_owned(),
        root_cause: text.to_owned(),
        remediation: text.to_owned(),
        cited: Vec::new(),
    })
}

fn opinions(answers: Vec<Answer>) -> Explained {
    let opinion = |(index, answer): (usize, Answer)| Opinion {
        model: format!("model-{index}"),
        took_ms: 1_500,
        answer,
    };
    Explained {
        opinions: answers.into_iter().enumerate().map(opinion).collect(),
        spent: Spent {
            calls: 3,
            tokens: 4_200,
            took_ms: 1_500,
            micro_usd: 1_250,
        },
        ..Explained::default()
    }
}

#[test]
fn metadata_has_what_models_said_and_what_it_cost() {
    let missing = Answer::Missing(Missing {
        kind: MissingKind::RateLimited,
        why: "the rate limit did not let us through".to_owned(),
    });
    let mut look = seen(Decision::Promote);
    look.explained = opinions(vec![
        view(true, 90, "fine"),
        view(false, 60, "doubtful"),
        missing,
    ]);
    let rationale = look.rationale.clone();
    let mut case = of(r#"{"models":["a","b","c"],"extraPrompt":"x"}"#);
    case.memo.spent.calls = 2;
    let metadata = case.seen(at(2), &Ok(look)).metadata;
    let json = |key: &str| serde_json::from_str::<Value>(&metadata[key]).unwrap();
    assert_eq!(metadata["modelCount"], "3");
    assert_eq!(metadata["votingRationale"], rationale);
    let results = json("modelResults");
    assert_eq!(results[0]["modelName"], "model-0");
    assert_eq!(results[0]["error"], Value::Null);
    assert_eq!(results[1]["promote"], false);
    assert_eq!(results[1]["confidence"], 60);
    assert_eq!(results[1]["executionTimeMs"], 1_500);
    assert_eq!(results[2]["error"], "the rate limit did not let us through");
    assert_eq!(json("analysisJSON")["remediation"], "fine");
    assert_eq!(json("analysisJSON")["rootCause"], "fine");
    // All looks of the measurement together.
    assert_eq!(
        metadata["cost"],
        r#"{"calls":5,"seconds":1.5,"tokens":4200,"usd":0.00125}"#
    );
    let memo = Memo::read(&metadata).unwrap();
    assert_eq!((memo.spent.calls, memo.spent.tokens), (5, 4_200));
    let analysis = &metadata["analysis"];
    assert!(!analysis.contains("No model was asked"), "{analysis}");
    assert!(
        !analysis.contains("`extraPrompt` was not used"),
        "{analysis}"
    );
}

#[test]
fn what_was_spent_travels_while_it_waits() {
    let mut look = seen(Decision::Inconclusive);
    look.explained = opinions(vec![view(true, 90, "fine")]);
    let first = of("{}").seen(at(5), &Ok(look.clone()));
    assert_eq!(first.phase, Phase::Running);
    let mut next = of("{}");
    next.memo = Memo::read(&first.metadata).unwrap();
    let second = next.seen(at(10), &Ok(look));
    let spent = Memo::read(&second.metadata).unwrap().spent;
    assert_eq!((spent.calls, spent.tokens), (6, 8_400));
}

#[test]
fn five_talkative_models_do_not_fill_the_metadata() {
    for unit in ["é", "\u{1}", "\"\\"] {
        let mut look = seen(Decision::Abort);
        let long = unit.repeat(2_000);
        look.report.clone_from(&long);
        look.explained = opinions((0..5).map(|_| view(false, 80, &long)).collect());
        look.earlier.carried = Some(judge::judgement::Carried("x".repeat(1_000)));
        let metadata = of("{}").seen(at(2), &Ok(look)).metadata;
        assert!(size(&metadata) <= MAX_METADATA_BYTES, "{unit:?}");
        let results: Value = serde_json::from_str(&metadata["modelResults"]).unwrap();
        assert_eq!(results.as_array().map(Vec::len), Some(5));
        assert_eq!(metadata["modelCount"], "5");
        assert!(Memo::read(&metadata).is_some(), "{unit:?}");
    }
}
