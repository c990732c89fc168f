use super::*;
use crate::request::Coverage;
use judge::Evidence;

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

fn judgement(decision: Decision) -> Judgement {
    Judgement {
        decision,
        ..judge::judge(&Evidence::default(), &judge::Policy::default())
    }
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
