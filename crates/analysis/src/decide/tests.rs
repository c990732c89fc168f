use std::time::Duration;

use judge::Evidence;
use judge::judgement::{
    Exposure, ExposureUnit, Finding, FindingClass, Gate, GateKind, Missing as Lack, MissingReason,
};
use proptest::prelude::*;

use super::*;
use crate::message::MAX_MESSAGE_BYTES;
use crate::opinion::{Answer, Missing, MissingKind, Opinion, View};
use crate::request::Coverage;

const DOCS: &str = include_str!("../../../../docs/models.md");

fn gathered(pods: usize, logs_wanted: usize, logs_read: usize) -> Gathered {
    let coverage = Coverage {
        sought: "role=x".into(),
        pods,
        logs_wanted,
        logs_read,
    };
    Gathered {
        evidence: Evidence::default(),
        stable: coverage.clone(),
        canary: coverage,
        canary_start_ms: None,
        last_step_end_ms: None,
    }
}

fn heard() -> Gathered {
    gathered(3, 3, 3)
}

fn finding(id: &str) -> Finding {
    Finding {
        id: id.into(),
        class: FindingClass::NewError,
        title: "PSQLException".into(),
        text: "PSQLException: <*>".into(),
        sample: "PSQLException: too many clients".into(),
        stable_count: 0,
        canary_count: 4,
        stable_rate: 0.0,
        canary_rate: 0.01,
        ratio: None,
        confirmed: false,
        first_ms: None,
        last_ms: None,
        canary_pods: 1,
        canary_pods_total: 3,
    }
}

fn gate(fired: bool, holds: bool) -> Gate {
    Gate {
        kind: GateKind::ErrorRate,
        log_e: 9.0,
        threshold: 5.1,
        stable_rate: 0.001,
        canary_rate: 0.05,
        stable_count: 1,
        canary_count: 20,
        fired,
        holds,
    }
}

fn judgement(decision: Decision) -> Judgement {
    Judgement {
        decision,
        confidence: 0.9,
        exposure: Exposure {
            unit: ExposureUnit::Requests,
            stable: 900,
            canary: 400,
            stable_errors: 1,
            canary_errors: 0,
            canary_per_second: 2.0,
        },
        findings: vec![finding("0a1b2c3d")],
        missing: None,
        ..judge::judge(&Evidence::default(), &judge::Policy::default())
    }
}

fn lacking(reason: MissingReason) -> Judgement {
    Judgement {
        confidence: 0.51,
        missing: Some(Lack {
            reason,
            exposure: Some(200),
            seconds: Some(100),
        }),
        ..judgement(Decision::Inconclusive)
    }
}

fn view(promote: bool, confidence: u8, cited: &[&str]) -> Answer {
    Answer::View(View {
        promote,
        confidence,
        analysis: "It cannot reach the database.".into(),
        root_cause: "The connection pool is exhausted.".into(),
        remediation: String::new(),
        cited: cited.iter().map(|id| (*id).to_owned()).collect(),
    })
}

fn gone() -> Answer {
    Answer::Missing(Missing {
        kind: MissingKind::Retired,
        why: "retired or misspelt (404)".into(),
    })
}

fn said(answers: Vec<Answer>) -> Explained {
    let names = ["gemini-x", "gpt-y", "qwen-z", "m-4", "m-5", "m-6"];
    let opinions = answers
        .into_iter()
        .zip(names)
        .map(|(answer, name)| Opinion {
            model: name.to_owned(),
            took_ms: 7,
            answer,
        });
    Explained {
        opinions: opinions.collect(),
        ..Explained::default()
    }
}

/// The rows of the tables in the documentation.
fn opinions() -> Vec<(&'static str, Explained)> {
    let exists = &["0a1b2c3d"][..];
    let promotes = |sure| view(true, sure, &[]);
    let objects = |sure| view(false, sure, &[]);
    let cites = |sure| view(false, sure, exists);
    vec![
        (
            "none was asked",
            Explained::not_asked(Unasked::NotConfigured),
        ),
        ("none answered", said(vec![gone(), gone()])),
        ("one promotes", said(vec![promotes(90)])),
        ("one promotes, sure to 0 %", said(vec![promotes(0)])),
        ("one objects, cites a finding", said(vec![cites(90)])),
        ("one objects, cites none", said(vec![objects(90)])),
        (
            "one objects, cites what does not exist",
            said(vec![view(false, 90, &["ffffffff"])]),
        ),
        ("two at a tie", said(vec![promotes(80), cites(80)])),
        (
            "two promote, one objects with a finding",
            said(vec![promotes(80), promotes(80), cites(90)]),
        ),
        (
            "one promotes, two object, one with a finding",
            said(vec![promotes(90), objects(60), cites(60)]),
        ),
        (
            "one promotes, two object without",
            // What a promoting model cites is no evidence against.
            said(vec![view(true, 90, exists), objects(60), objects(60)]),
        ),
        (
            "one sure promotes, two unsure object",
            said(vec![promotes(90), cites(40), cites(40)]),
        ),
        (
            "one promotes, one gave no opinion",
            said(vec![promotes(90), gone()]),
        ),
        (
            "one objects with a finding, one gave no opinion",
            said(vec![gone(), cites(90)]),
        ),
        (
            "all promote, less sure than `minConfidence`",
            said(vec![promotes(55), promotes(56)]),
        ),
    ]
}

/// The columns: what the judge says, and what was gathered.
fn judge_says(column: &str) -> (Judgement, Gathered) {
    let lacks = |reason| (lacking(reason), heard());
    match column {
        "promote" => (judgement(Decision::Promote), heard()),
        "promote held back" => (judgement(Decision::Promote), gathered(3, 3, 1)),
        "gate fired" => (
            Judgement {
                gates: vec![gate(true, false)],
                ..judgement(Decision::Abort)
            },
            heard(),
        ),
        "veto" => (
            Judgement {
                vetoes: vec![finding("deadbeef")],
                ..judgement(Decision::Abort)
            },
            heard(),
        ),
        "inconclusive" | "too little" => lacks(MissingReason::TooLittle),
        "suspicious" => lacks(MissingReason::Suspicious),
        "unheard" => (lacking(MissingReason::TooLittle), gathered(3, 3, 1)),
        other => panic!("no such column: {other}"),
    }
}

/// The cells of a table of the documentation: row, column, what it says.
fn table(name: &str) -> Vec<(String, String, String)> {
    let (_, rest) = DOCS.split_once(&format!("<!-- {name} -->")).unwrap();
    let (table, _) = rest.split_once("<!-- end -->").unwrap();
    let mut rows = table.trim().lines().map(|line| {
        let cells = line.trim_matches('|').split('|');
        cells.map(|cell| cell.trim().to_owned()).collect::<Vec<_>>()
    });
    let head = rows.next().unwrap();
    rows.skip(1)
        .flat_map(|row| {
            assert_eq!(row.len(), head.len(), "{row:?}");
            let cells = head.iter().zip(&row).skip(1);
            cells
                .map(|(column, cell)| (row[0].clone(), column.clone(), cell.clone()))
                .collect::<Vec<_>>()
        })
        .collect()
}

fn outcome(verdict: &Verdict) -> &'static str {
    match (verdict.decision, &verdict.waiting) {
        (Decision::Promote, None) => "promote",
        (Decision::Abort, None) => "abort",
        (Decision::Inconclusive, None) => "final",
        (Decision::Inconclusive, Some(_)) => "waits",
        (_, Some(_)) => "waits for what is decided",
    }
}

#[test]
fn every_combination_ends_as_the_documentation_says() {
    for (name, columns, model_may_settle) in [("verdicts", 5, false), ("settled", 3, true)] {
        let cells = table(name);
        assert_eq!(cells.len(), opinions().len() * columns);
        for (row, column, expected) in cells {
            let explained = opinions()
                .into_iter()
                .find_map(|(known, explained)| (known == row).then_some(explained))
                .unwrap_or_else(|| panic!("no such row: {row}"));
            let rules = Rules {
                min_confidence: if row.contains("minConfidence") { 70 } else { 0 },
                model_may_settle,
                ..Rules::default()
            };
            let (judgement, gathered) = judge_says(&column);
            let verdict = decide(judgement, &gathered, explained, &rules);
            assert_eq!(outcome(&verdict), expected, "{row}: {column}");
            assert!(!verdict.voting_rationale().is_empty());
        }
    }
}

#[test]
fn what_was_not_heard_is_settled_by_nobody() {
    let rules = Rules {
        model_may_settle: true,
        ..Rules::default()
    };
    use MissingReason::*;
    for reason in [NoCanary, NoStable, NoCanaryExposure, NoStableExposure] {
        for (row, explained) in opinions() {
            let verdict = decide(lacking(reason), &heard(), explained, &rules);
            assert_eq!(outcome(&verdict), "waits", "{reason:?}: {row}");
        }
    }
    let promotes = || said(vec![view(true, 99, &[])]);
    let held = Judgement {
        gates: vec![gate(false, true)],
        ..lacking(TooLittle)
    };
    let mut idle = lacking(TooLittle);
    idle.exposure.stable = 0;
    for judgement in [held, idle] {
        let verdict = decide(judgement, &heard(), promotes(), &rules);
        assert_eq!(outcome(&verdict), "waits");
    }
    for rules in [
        Rules {
            min_requests: 401,
            ..rules
        },
        Rules {
            min_confidence: 52,
            ..rules
        },
    ] {
        let verdict = decide(lacking(TooLittle), &heard(), promotes(), &rules);
        assert_eq!(outcome(&verdict), "waits", "{rules:?}");
    }
}

#[test]
fn the_messages_say_who_decided() {
    let rules = Rules {
        min_confidence: 70,
        ..Rules::default()
    };
    let settle = Rules {
        model_may_settle: true,
        ..Rules::default()
    };
    let mut lines = String::new();
    let mut say = |column: &str, row: &str, rules: &Rules| {
        let (judgement, gathered) = judge_says(column);
        let all = opinions();
        let (_, explained) = all.iter().find(|(known, _)| *known == row).unwrap();
        let verdict = decide(judgement, &gathered, explained.clone(), rules);
        lines.push_str(&format!(
            "{}\n  {}\n",
            verdict.message,
            verdict.voting_rationale()
        ));
    };
    let none = Rules::default();
    say("promote", "one promotes", &none);
    say("promote", "two promote, one objects with a finding", &none);
    say("promote", "one promotes, one gave no opinion", &none);
    say("promote", "none answered", &none);
    say("promote", "one objects, cites a finding", &none);
    say(
        "promote",
        "one promotes, two object, one with a finding",
        &none,
    );
    say("promote", "one objects, cites none", &none);
    say("promote", "two at a tie", &none);
    say(
        "promote",
        "all promote, less sure than `minConfidence`",
        &rules,
    );
    say("gate fired", "one objects, cites a finding", &none);
    say("gate fired", "one promotes", &none);
    say("veto", "none was asked", &none);
    say("too little", "one promotes", &settle);
    say("too little", "one objects, cites a finding", &settle);
    insta::assert_snapshot!(lines, @r#"
    canary promoted: 0/400 errors (stable 1/900); model gemini-x agrees
      gemini-x promotes (90): weight 0.90 to promote, 0.00 against; the judge says promote, the verdict is promote
    canary promoted: 0/400 errors (stable 1/900); 2 of 3 models agree
      gemini-x promotes (80), gpt-y promotes (80), qwen-z objects (90): weight 1.60 to promote, 0.90 against; the judge says promote, the verdict is promote
    canary promoted: 0/400 errors (stable 1/900); model gemini-x agrees; model gpt-y gave no opinion: retired or misspelt (404)
      gemini-x promotes (90): weight 0.90 to promote, 0.00 against; the judge says promote, the verdict is promote; no opinion of gpt-y: retired or misspelt (404)
    canary promoted: 0/400 errors (stable 1/900); model gemini-x (and 1 more) gave no opinion: retired or misspelt (404)
      no model answered: the judge decided alone (gemini-x: retired or misspelt (404); gpt-y: retired or misspelt (404))
    canary aborted: model gemini-x objects: The connection pool is exhausted, citing PSQLException in 1/3 pods, 0 in stable; the judge alone would promote: 0/400 errors (stable 1/900)
      gemini-x objects (90): weight 0.00 to promote, 0.90 against; the judge says promote, the verdict is abort
    canary aborted: 2 of 3 models object: The connection pool is exhausted, citing PSQLException in 1/3 pods, 0 in stable; the judge alone would promote: 0/400 errors (stable 1/900)
      gemini-x promotes (90), gpt-y objects (60), qwen-z objects (60): weight 0.90 to promote, 1.20 against; the judge says promote, the verdict is abort
    canary inconclusive: model gemini-x objects without citing a finding: The connection pool is exhausted; the judge alone would promote: 0/400 errors (stable 1/900)
      gemini-x objects (90): weight 0.00 to promote, 0.90 against; the judge says promote, the verdict is inconclusive
    canary inconclusive: models are at a tie, 1 to promote and 1 against, of equal confidence; the judge alone would promote: 0/400 errors (stable 1/900)
      gemini-x promotes (80), gpt-y objects (80): weight 0.80 to promote, 0.80 against; the judge says promote, the verdict is inconclusive
    canary inconclusive: models agree, and are only 55 % sure: minConfidence asks for more; the judge alone would promote: 0/400 errors (stable 1/900)
      gemini-x promotes (55), gpt-y promotes (56): weight 1.11 to promote, 0.00 against; the judge says promote, the verdict is inconclusive
    canary aborted: +4.9 pp errors (20/400 requests, stable 1/900), PSQLException in 1/3 pods, 0 in stable; gemini-x: The connection pool is exhausted
      gemini-x objects (90): weight 0.00 to promote, 0.90 against; the judge says abort, the verdict is abort
    canary aborted: +4.9 pp errors (20/400 requests, stable 1/900), PSQLException in 1/3 pods, 0 in stable; model gemini-x would promote, which lifts no gate
      gemini-x promotes (90): weight 0.90 to promote, 0.00 against; the judge says abort, the verdict is abort
    canary aborted: PSQLException in 1/3 pods, 0 in stable, PSQLException in 1/3 pods, 0 in stable
      no model was asked: the judge decided alone
    canary promoted: 0/400 errors (stable 1/900); model gemini-x settles it, as the operator allows
      gemini-x promotes (90): weight 0.90 to promote, 0.00 against; the judge says inconclusive, the verdict is promote
    canary aborted: model gemini-x objects: The connection pool is exhausted, citing PSQLException in 1/3 pods, 0 in stable; the judge alone could not tell: 0/400 errors (stable 1/900)
      gemini-x objects (90): weight 0.00 to promote, 0.90 against; the judge says inconclusive, the verdict is abort
    "#);
}

#[test]
fn the_rules_hold_a_promotion_back_and_say_what_for() {
    let held = |rules: Rules| {
        let explained = said(vec![view(true, 99, &[])]);
        decide(judgement(Decision::Promote), &heard(), explained, &rules)
    };
    let few = held(Rules {
        min_requests: 500,
        ..Rules::default()
    });
    assert_eq!(
        few.message,
        "canary inconclusive: needs about 100 more requests, 50 s at 2/s, as minRequests asks; 0/400 errors (stable 1/900) so far"
    );
    let waiting = few.waiting.unwrap();
    assert_eq!(waiting.retry_after, Some(Duration::from_secs(50)));
    let unsure = held(Rules {
        min_confidence: 91,
        ..Rules::default()
    });
    assert_eq!(
        unsure.message,
        "canary inconclusive: only 90 % sure, minConfidence asks for more; 0/400 errors (stable 1/900) so far"
    );
    assert_eq!(outcome(&unsure), "waits");
    let met = held(Rules {
        min_requests: 400,
        min_confidence: 90,
        model_may_settle: false,
    });
    assert_eq!(outcome(&met), "promote");
}

#[test]
fn models_can_doubt_a_promotion_not_make_it_surer() {
    for (sure, expected) in [
        (vec![99], 90),
        (vec![90, 71], 80),
        (vec![70], 70),
        (vec![10], 51),
        (vec![255], 90),
    ] {
        let explained = said(sure.iter().map(|sure| view(true, *sure, &[])).collect());
        let verdict = decide(
            judgement(Decision::Promote),
            &heard(),
            explained,
            &Rules::default(),
        );
        assert_eq!(verdict.confidence, expected, "{sure:?}");
    }
    let abort = decide(
        judgement(Decision::Abort),
        &heard(),
        said(vec![view(true, 1, &[])]),
        &Rules::default(),
    );
    assert_eq!(abort.confidence, 90, "the judge's own");
}

#[test]
fn results_have_the_names_of_the_contracts() {
    let verdict = decide(
        judgement(Decision::Promote),
        &heard(),
        said(vec![view(false, 80, &["0a1b2c3d"]), gone()]),
        &Rules::default(),
    );
    let results = serde_json::to_string_pretty(&verdict.model_results()).unwrap();
    insta::assert_snapshot!(results, @r#"
    [
      {
        "modelName": "gemini-x",
        "analysis": "It cannot reach the database.",
        "rootCause": "The connection pool is exhausted.",
        "remediation": "",
        "promote": false,
        "confidence": 80,
        "executionTimeMs": 7,
        "error": null
      },
      {
        "modelName": "gpt-y",
        "analysis": "",
        "rootCause": "",
        "remediation": "",
        "promote": false,
        "confidence": 0,
        "executionTimeMs": 7,
        "error": "retired or misspelt (404)"
      }
    ]
    "#);
    let (model, view) = verdict.leading_opinion().unwrap();
    assert_eq!((model, view.confidence), ("gemini-x", 80));
}

#[test]
fn a_promotion_needs_pods_and_most_of_the_logs() {
    for (what, gathered, expected) in [
        ("all read", gathered(3, 3, 3), Decision::Promote),
        ("most read", gathered(4, 4, 2), Decision::Promote),
        ("no pod is there", gathered(0, 0, 0), Decision::Inconclusive),
        ("few read", gathered(3, 3, 1), Decision::Inconclusive),
        ("no log is there", gathered(3, 0, 0), Decision::Inconclusive),
    ] {
        let verdict = alone(judgement(Decision::Promote), &gathered);
        assert_eq!(verdict.decision, expected, "{what}");
        assert_eq!(
            verdict.waiting.is_some(),
            expected == Decision::Inconclusive
        );
        assert_eq!(
            verdict.message.contains("nothing matches role=x"),
            gathered.canary.pods == 0,
            "{}",
            verdict.message
        );
    }
    let mut stable_unread = gathered(3, 3, 3);
    stable_unread.stable.logs_read = 0;
    assert_eq!(
        alone(judgement(Decision::Promote), &stable_unread).decision,
        Decision::Inconclusive
    );
}

#[test]
fn an_abort_stays_an_abort() {
    let verdict = alone(judgement(Decision::Abort), &gathered(0, 3, 0));
    assert_eq!(verdict.decision, Decision::Abort);
    assert_eq!(verdict.waiting, None);
}

#[test]
fn confidence_is_whole_percent_and_never_certainty() {
    for (confidence, expected) in [
        (0.0, 51),
        (0.51, 51),
        (0.857, 85),
        (0.29, 51),
        (1.0, 99),
        (f64::NAN, 51),
        (0.58, 58),
    ] {
        assert_eq!(percent(confidence), expected, "{confidence}");
    }
}

fn any_answer() -> impl Strategy<Value = Answer> {
    let text = "\\PC{0,400}|[\\x00-\\x1f\u{202e}\u{200b}a-z ]{0,400}";
    let cited = prop::sample::subsequence(vec!["0a1b2c3d", "deadbeef", "ffffffff"], 0..=3);
    prop_oneof![
        (any::<bool>(), any::<u8>(), text, cited).prop_map(|(promote, confidence, text, cited)| {
            Answer::View(View {
                promote,
                confidence,
                analysis: text.clone(),
                root_cause: text,
                remediation: String::new(),
                cited: cited.into_iter().map(str::to_owned).collect(),
            })
        }),
        Just(gone()),
    ]
}

proptest! {
    #[test]
    fn nothing_that_models_say_makes_a_verdict_less_careful(
        answers in prop::collection::vec(any_answer(), 0..6),
        column in prop::sample::select(vec!["promote", "promote held back", "gate fired", "veto",
            "too little", "suspicious", "unheard"]),
        min_confidence in 0_u8..=99,
        min_requests in 0_u64..800,
        model_may_settle in any::<bool>(),
    ) {
        let rules = Rules { min_confidence, min_requests, model_may_settle };
        let (judgement, gathered) = judge_says(column);
        let judges = alone(judgement.clone(), &gathered);
        let explained = said(answers);
        let verdict = decide(judgement, &gathered, explained.clone(), &rules);
        match judges.decision {
            Decision::Abort => prop_assert_eq!(verdict.decision, Decision::Abort),
            Decision::Inconclusive => {
                let settled = model_may_settle && column == "too little";
                prop_assert!(settled || verdict.decision != Decision::Promote);
                if !model_may_settle || column == "unheard" {
                    prop_assert_eq!(verdict.decision, Decision::Inconclusive);
                }
            }
            Decision::Promote => {}
        }
        if verdict.decision == Decision::Promote {
            prop_assert!(verdict.confidence <= judges.confidence);
            prop_assert!(verdict.confidence >= min_confidence);
            prop_assert!(verdict.judgement.exposure.canary >= min_requests);
        }
        prop_assert!((51..=99).contains(&verdict.confidence));
        prop_assert!(verdict.message.len() <= MAX_MESSAGE_BYTES);
        prop_assert!(!verdict.message.chars().any(char::is_control));
        prop_assert!(!verdict.voting_rationale().chars().any(char::is_control));
        let starts = match verdict.decision {
            Decision::Promote => "canary promoted: ",
            Decision::Abort => "canary aborted: ",
            Decision::Inconclusive => "canary inconclusive: ",
        };
        prop_assert!(verdict.message.starts_with(starts), "{}", verdict.message);
    }
}
