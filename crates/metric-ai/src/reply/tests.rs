//! The state machine of a measurement as tables, with time handed in.

use rollouts_plugin::Metric;

use super::*;

const START: i64 = 1_700_000_000;

pub(super) fn at(second: i64) -> Timestamp {
    Timestamp::from_second(START + second).unwrap()
}

pub(super) fn settings(block: &str) -> Settings {
    let mut metric = Metric::default();
    let name = crate::block::BLOCK.to_owned();
    metric.provider.plugin.insert(name, block.into());
    Settings::read(&metric, jiff::civil::date(2026, 6, 15)).unwrap()
}

pub(super) fn case(kind: RunKind) -> Case {
    Case {
        measurement: Measurement::default(),
        started_at: at(0),
        memo: Memo::default(),
        kind,
        promoted_before: false,
        run_began: at(0),
        known_end: None,
        settings: settings("{}"),
    }
}

pub(super) fn seen(decision: Decision) -> Seen {
    let missing = (decision == Decision::Inconclusive)
        .then(|| "needs about 340 more requests, 2 min at 3/s".to_owned());
    Seen {
        decision,
        confidence: 85,
        message: format!("the reason to {decision:?}"),
        report: format!("the reason to {decision:?}\nwith findings\n"),
        root_cause: (decision == Decision::Abort).then(|| "NullPointerException".to_owned()),
        missing,
        retry_after: Some(Duration::from_secs(120)),
        fired: decision == Decision::Abort,
        stable_gone: false,
        no_data: false,
        findings: 2,
        explained: Explained::not_asked(Unasked::NotConfigured),
        rationale: "no model was asked: the judge decided alone".to_owned(),
        agent: None,
        earlier: analysis::Earlier {
            carried: Some(judge::judgement::Carried("counts".into())),
            canary_start_ms: Some(7),
        },
        last_step_end: None,
    }
}

pub(super) fn value_of(answer: &Measurement) -> (Phase, &str) {
    (answer.phase, answer.value.as_str())
}

#[test]
fn verdicts_become_phases_and_values() {
    let table = [
        (
            Decision::Promote,
            Phase::Successful,
            "0.85",
            "the reason to Promote",
        ),
        (Decision::Abort, Phase::Failed, "0", "the reason to Abort"),
        (
            Decision::Inconclusive,
            Phase::Inconclusive,
            "0",
            "no verdict after 300 s: needs about 340 more requests, 2 min at 3/s",
        ),
    ];
    for (decision, phase, value, message) in table {
        let answer = case(RunKind::Holding).seen(at(300), &Ok(seen(decision)));
        assert_eq!(value_of(&answer), (phase, value), "{decision:?}");
        assert_eq!(answer.message, message);
        assert_eq!(answer.started_at, Some(at(0)));
        assert_eq!(answer.finished_at, Some(at(300)));
        assert_eq!(answer.resume_at, None);
    }
}

#[test]
fn trouble_is_an_error_that_says_what_mends_it() {
    let mut case = case(RunKind::Holding);
    case.memo.looks = 3;
    let answer = case.seen(at(5), &Err("may not get pods/log".into()));
    assert_eq!(value_of(&answer), (Phase::Error, ""));
    assert_eq!(answer.message, "may not get pods/log");
    assert_eq!(answer.finished_at, Some(at(5)));
    assert_eq!(Memo::read(&answer.metadata), Some(case.memo));
}

#[test]
fn the_last_error_of_a_background_run_pauses() {
    let mut case = case(RunKind::Background);
    case.known_end = Some(at(90));
    let trouble: Outcome = Err("failed to list pods".to_owned());
    let early = case.seen(at(60), &trouble);
    assert_eq!(value_of(&early), (Phase::Error, ""));
    let last = case.seen(at(70), &trouble);
    assert_eq!(value_of(&last), (Phase::Inconclusive, "0"));
    assert!(
        last.message.starts_with("no attempt is left") && last.message.contains("list pods"),
        "{}",
        last.message
    );
    // A template may want it to fail, and cannot want the run to end unjudged.
    for (block, phase) in [
        (r#"{"onError":"fail"}"#, Phase::Failed),
        (r#"{"onError":"error"}"#, Phase::Inconclusive),
        (r#"{"onError":"inconclusive"}"#, Phase::Inconclusive),
    ] {
        case.settings = settings(block);
        assert_eq!(case.seen(at(70), &trouble).phase, phase, "{block}");
    }
    case.kind = RunKind::Holding;
    case.settings = settings("{}");
    assert_eq!(case.seen(at(70), &trouble).phase, Phase::Error);
}

#[test]
fn too_little_is_running_until_the_deadline() {
    let answer = case(RunKind::Holding).seen(at(20), &Ok(seen(Decision::Inconclusive)));
    assert_eq!(value_of(&answer), (Phase::Running, ""));
    assert_eq!(
        answer.message,
        "needs about 340 more requests, 2 min at 3/s"
    );
    assert_eq!(answer.resume_at, Some(at(30)));
    assert_eq!(answer.finished_at, None);
    let memo = Memo::read(&answer.metadata).unwrap();
    assert_eq!(memo.looks, 1);
    assert_eq!(memo.earlier, seen(Decision::Inconclusive).earlier);
    assert!(size(&answer.metadata) < 200);
}

#[test]
fn a_background_run_answers_before_its_last_step_ends() {
    let mut look = seen(Decision::Inconclusive);
    look.last_step_end = Some(at(90));
    let waiting = |now| case(RunKind::Background).seen(at(now), &Ok(look.clone()));
    assert_eq!(waiting(79).phase, Phase::Running);
    assert_eq!(waiting(79).resume_at, Some(at(80)));
    let answer = waiting(80);
    assert_eq!(answer.phase, Phase::Inconclusive);
    assert_eq!(
        answer.message,
        "no verdict after 80 s (the rollout's last step is about to end): needs about 340 more \
         requests, 2 min at 3/s"
    );
    look.last_step_end = None;
    let answer = case(RunKind::Background).seen(at(30), &Ok(look));
    assert!(
        answer.message.contains("waits 30 s when"),
        "{}",
        answer.message
    );
}

#[test]
fn a_measurement_begun_as_the_rollout_ends_does_not_pause_it() {
    let gone = Seen {
        stable_gone: true,
        last_step_end: Some(at(1)),
        ..seen(Decision::Inconclusive)
    };
    let over = Case {
        promoted_before: true,
        ..case(RunKind::Background)
    };
    let phase = |case: &Case, now, seen: &Seen| case.seen(at(now), &Ok(seen.clone())).phase;
    assert_eq!(phase(&over, 2, &gone), Phase::Running);
    // Each part of it is needed, and it ends.
    assert_eq!(phase(&over, 62, &gone), Phase::Inconclusive);
    let unjudged = case(RunKind::Background);
    assert_eq!(phase(&unjudged, 2, &gone), Phase::Inconclusive);
    let holding = Case {
        kind: RunKind::Holding,
        ..over.clone()
    };
    assert_eq!(phase(&holding, 301, &gone), Phase::Inconclusive);
    let too_little = Seen {
        stable_gone: false,
        ..gone.clone()
    };
    assert_eq!(phase(&over, 2, &too_little), Phase::Inconclusive);
    let fired = Seen {
        fired: true,
        ..gone
    };
    assert_eq!(phase(&over, 2, &fired), Phase::Inconclusive);
}

#[test]
fn a_slow_look_of_a_background_run_is_asked_about_before_the_last_step_ends() {
    let mut slow = case(RunKind::Background);
    slow.memo.last_step_end = Some(at(90));
    assert_eq!(
        slow.looking(at(70), Begun::at_once(at(60))).resume_at,
        Some(at(75))
    );
    assert_eq!(
        slow.looking(at(84), Begun::at_once(at(60))).resume_at,
        Some(at(87))
    );
    assert_eq!(
        slow.looking(at(87), Begun::at_once(at(60))).phase,
        Phase::Inconclusive
    );
}

#[test]
fn a_measurement_begun_after_its_deadline_takes_one_look() {
    let mut late = case(RunKind::Background);
    late.memo.last_step_end = Some(at(3));
    // The look begins at once and is waited for, though the deadline is past.
    let answer = late.looking(at(0), Begun::at_once(at(0)));
    assert_eq!(answer.phase, Phase::Running);
    assert_eq!(answer.resume_at, Some(at(1)));
    let mut look = seen(Decision::Abort);
    look.last_step_end = Some(at(3));
    assert_eq!(late.seen(at(1), &Ok(look)).phase, Phase::Failed);
    // A look that does not end in time is not waited for past the last step.
    assert_eq!(
        late.looking(at(6), Begun::at_once(at(0))).phase,
        Phase::Running
    );
    let answer = late.looking(at(7), Begun::at_once(at(0)));
    assert_eq!(answer.phase, Phase::Inconclusive);
    assert!(
        answer
            .message
            .ends_with("the first look did not end in time")
    );
}

#[test]
fn a_look_under_way_is_asked_about_until_it_has_taken_too_long() {
    let mut case = case(RunKind::Holding);
    let answer = case.looking(at(1), Begun::at_once(at(0)));
    assert_eq!(value_of(&answer), (Phase::Running, ""));
    assert_eq!(answer.message, "the first look at the canary is under way");
    case.measurement.message = "needs about 9 more requests".into();
    assert_eq!(
        case.looking(at(2), Begun::at_once(at(0))).message,
        "needs about 9 more requests"
    );
    assert_eq!(
        case.looking(at(59), Begun::at_once(at(0))).phase,
        Phase::Running
    );
    let answer = case.looking(at(60), Begun::at_once(at(0)));
    assert_eq!(answer.phase, Phase::Error);
    assert!(answer.message.contains("longer than 60 s"));
}

#[test]
fn a_look_that_waits_for_its_turn_is_no_error_however_long() {
    let mut case = case(RunKind::Holding);
    case.measurement.message = FIRST_LOOK.into();
    let waits = Begun {
        at: at(0),
        turn: None,
    };
    for now in [2, 60, 299, 359] {
        let answer = case.looking(at(now), waits);
        assert_eq!(answer.phase, Phase::Running, "at {now}");
        assert!(answer.message.contains("--max-analyses"), "{answer:?}");
    }
    // Its minute begins with its turn.
    let turn = Begun {
        turn: Some(at(100)),
        ..waits
    };
    assert_eq!(case.looking(at(159), turn).phase, Phase::Running);
    assert_eq!(case.looking(at(160), turn).phase, Phase::Error);
    // What never got one is not known: that pauses, and aborts nothing.
    let answer = case.looking(at(360), waits);
    assert_eq!(value_of(&answer), (Phase::Inconclusive, "0"));
    assert!(answer.message.starts_with("no verdict after 360 s"));
    assert!(answer.message.contains("--max-analyses"), "{answer:?}");
}

#[test]
fn without_room_it_waits_and_then_says_so() {
    let case = case(RunKind::Holding);
    let answer = case.crowded(at(0));
    assert_eq!(answer.phase, Phase::Running);
    assert_eq!(answer.resume_at, Some(at(5)));
    assert_eq!(case.crowded(at(400)).phase, Phase::Error);
}

#[test]
fn terminate_fails_only_what_has_fired() {
    let mut fired_only = seen(Decision::Inconclusive);
    fired_only.fired = true;
    let table: [(Option<Outcome>, Phase, &str); 6] = [
        (
            Some(Ok(seen(Decision::Abort))),
            Phase::Failed,
            "the reason to Abort",
        ),
        (
            Some(Ok(fired_only)),
            Phase::Failed,
            "the reason to Inconclusive",
        ),
        (
            Some(Ok(seen(Decision::Promote))),
            Phase::Inconclusive,
            "terminated before a verdict was asked for: the reason to Promote",
        ),
        (
            Some(Ok(seen(Decision::Inconclusive))),
            Phase::Inconclusive,
            "terminated before a verdict was asked for: needs about 340 more requests, 2 min at 3/s",
        ),
        (
            Some(Err("no rights".into())),
            Phase::Inconclusive,
            "terminated: no rights",
        ),
        (
            None,
            Phase::Inconclusive,
            "terminated before the first look ended",
        ),
    ];
    for (outcome, phase, message) in table {
        let answer = case(RunKind::Background).terminated(at(9), outcome.as_ref());
        assert_eq!(value_of(&answer), (phase, "0"), "{outcome:?}");
        assert_eq!(answer.message, message);
        assert_eq!(answer.finished_at, Some(at(9)));
        assert_eq!(answer.resume_at, None);
    }
    let mut waiting = case(RunKind::Background);
    waiting.measurement.message = "needs about 9 more requests".into();
    assert_eq!(
        waiting.terminated(at(9), None).message,
        "terminated before a verdict: needs about 9 more requests"
    );
}

#[test]
fn conditions_worsen_a_promote_and_nothing_else() {
    let with = |block: &str, decision| {
        let mut case = case(RunKind::Holding);
        case.settings = settings(block);
        case.seen(at(300), &Ok(seen(decision)))
    };
    use Decision::{Abort, Inconclusive, Promote};
    let (met, unmet) = (
        r#"{"successCondition":"result > 0.50"}"#,
        r#"{"successCondition":"result >= 0.95"}"#,
    );
    let both = r#"{"successCondition":"result >= 0.95","failureCondition":"result < 0.1"}"#;
    let always = r#"{"successCondition":"true"}"#;
    let table = [
        (met, Promote, Phase::Successful, "0.85"),
        (unmet, Promote, Phase::Failed, "0"),
        (both, Promote, Phase::Inconclusive, "0"),
        (always, Abort, Phase::Failed, "0"),
        (always, Inconclusive, Phase::Inconclusive, "0"),
    ];
    for (block, decision, phase, value) in table {
        let answer = with(block, decision);
        assert_eq!(value_of(&answer), (phase, value), "{block} {decision:?}");
    }
    assert_eq!(
        with(unmet, Promote).message,
        "`successCondition` in the plugin's block does not allow 0.85; the reason to Promote"
    );
    let json: serde_json::Value =
        serde_json::from_str(&with(unmet, Promote).metadata["analysisJSON"]).unwrap();
    assert_eq!(json["promote"], false);
}

#[test]
fn metadata_is_what_users_of_the_go_plugin_read() {
    let mut case = case(RunKind::Holding);
    case.settings = settings(
        r#"{"model":"gemini-2.0-flash","extraPrompt":"x","githubUrl":"https://g/h","podName":"p"}"#,
    );
    let answer = case.seen(at(2), &Ok(seen(Decision::Abort)));
    let shown = serde_json::to_string_pretty(&answer.metadata).unwrap();
    insta::assert_snapshot!(shown, @r#"
    {
      "analysis": "the reason to Abort\nwith findings\n\nNo model was asked: the operator configured none (a key, or --openai-url).\n`extraPrompt` was not used: it is for models.\n`githubUrl` was not used: this version opens no issue.\nWarning: key `podName` is ignored: all pods that the labels select are read.",
      "analysisJSON": "{\"confidence\":85,\"promote\":false,\"rootCause\":\"NullPointerException\",\"text\":\"the reason to Abort\"}",
      "confidence": "85",
      "cost": "{\"calls\":0,\"seconds\":0.0,\"tokens\":0,\"usd\":0.0}",
      "modelCount": "0",
      "modelResults": "[]",
      "state": "{\"v\":1,\"looks\":1,\"start_ms\":7,\"carried\":\"counts\"}",
      "votingRationale": "no model was asked: the judge decided alone"
    }
    "#);
}

#[test]
fn metadata_and_message_are_bounded_whatever_was_seen() {
    for unit in ["é", "\u{1}", "\"\\", "x"] {
        let mut look = seen(Decision::Abort);
        let long = unit.repeat(20_000);
        look.message.clone_from(&long);
        look.report.clone_from(&long);
        look.root_cause = Some(long.clone());
        let carried: String = unit.repeat(1_024).chars().take(500).collect();
        look.earlier.carried = Some(judge::judgement::Carried(carried));
        let mut case = case(RunKind::Holding);
        case.settings = settings(r#"{"model":"m","extraPrompt":"x"}"#);
        let answer = case.seen(at(2), &Ok(look));
        assert!(size(&answer.metadata) <= MAX_METADATA_BYTES, "{unit:?}");
        assert!(answer.message.len() <= MAX_MESSAGE_BYTES, "{unit:?}");
        assert!(!answer.message.contains(char::is_control));
        let json: serde_json::Value =
            serde_json::from_str(&answer.metadata["analysisJSON"]).unwrap();
        assert_eq!(json["promote"], false);
        assert!(answer.metadata["analysis"].contains("No model was asked"));
        let carries = Memo::read(&answer.metadata).unwrap();
        assert!(
            carries.earlier.carried.is_some(),
            "{unit:?}: the state went first"
        );
    }
}

#[test]
fn a_block_full_of_mistakes_does_not_fill_the_metadata() {
    let keys: Vec<String> = (0..60)
        .map(|n| format!("\"{}{n}\":1", "k".repeat(50)))
        .collect();
    let mut case = case(RunKind::Holding);
    case.settings = settings(&format!("{{{}}}", keys.join(",")));
    let answer = case.seen(at(2), &Ok(seen(Decision::Abort)));
    assert!(size(&answer.metadata) <= MAX_METADATA_BYTES);
    let analysis = &answer.metadata["analysis"];
    assert!(analysis.contains("with findings"), "{analysis}");
    assert_eq!(analysis.matches("Warning:").count(), MAX_SHOWN_WARNINGS);
}

#[test]
fn what_one_look_does_not_find_again_stays_carried() {
    let mut case = case(RunKind::Holding);
    case.memo.earlier = seen(Decision::Promote).earlier;
    let mut look = seen(Decision::Inconclusive);
    look.earlier = analysis::Earlier::default();
    let answer = case.seen(at(2), &Ok(look));
    let memo = Memo::read(&answer.metadata).unwrap();
    assert_eq!(memo.earlier, case.memo.earlier);
}

#[test]
fn a_refusal_keeps_what_was_carried() {
    let before = Measurement {
        started_at: Some(at(0)),
        metadata: BTreeMap::from([
            (memo::KEY.to_owned(), "{}".to_owned()),
            ("analysis".to_owned(), "old".to_owned()),
        ]),
        ..Measurement::default()
    };
    let answer = refused(at(4), &before, "key `maxWait`: no\n", None);
    assert_eq!(value_of(&answer), (Phase::Error, ""));
    assert_eq!(answer.message, "key `maxWait`: no");
    assert_eq!(answer.metadata.keys().collect::<Vec<_>>(), [memo::KEY]);
    assert_eq!(
        (answer.started_at, answer.finished_at),
        (Some(at(0)), Some(at(4)))
    );
}

#[test]
fn a_resume_time_survives_the_api_servers_whole_seconds() {
    let now = at(10)
        .checked_add(jiff::SignedDuration::from_millis(300))
        .unwrap();
    let answer = case(RunKind::Holding).looking(now, Begun::at_once(at(10)));
    assert_eq!(answer.resume_at, Some(at(12)));
}

#[test]
fn nothing_but_a_promote_is_ever_successful() {
    let outcomes: [Outcome; 3] = [
        Ok(seen(Decision::Abort)),
        Ok(seen(Decision::Inconclusive)),
        Err("trouble".into()),
    ];
    for kind in [RunKind::Holding, RunKind::Background] {
        for now in [0, 29, 31, 300, 100_000] {
            let case = case(kind);
            let mut answers = vec![
                case.looking(at(now), Begun::at_once(at(0))),
                case.crowded(at(now)),
                case.terminated(at(now), None),
                refused(at(now), &case.measurement, "trouble", None),
            ];
            for outcome in &outcomes {
                answers.push(case.seen(at(now), outcome));
                answers.push(case.terminated(at(now), Some(outcome)));
            }
            // Whoever terminates a run did not wait for its verdict.
            answers.push(case.terminated(at(now), Some(&Ok(seen(Decision::Promote)))));
            for answer in answers {
                assert_ne!(answer.phase, Phase::Successful, "{answer:?}");
            }
        }
    }
}
