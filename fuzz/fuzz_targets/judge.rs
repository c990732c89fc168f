//! Any evidence under any policy is judged: always the same, within its ranges, and never
//! promoted without exposure of both arms.
#![no_main]

use judge::evidence::{ArmEvidence, LogProfile};
use judge::judgement::Carried;
use judge::{
    Decision, Evidence, MAX_CARRIED_BYTES, MAX_FINDINGS, Policy, ProfileOptions, Profiler, Window,
    policy,
};
use libfuzzer_sys::fuzz_target;

/// A window that the recorded logs' times fall into.
const START_MS: i64 = 1_795_316_645_000;

/// Each threshold at one end of its range, or as it is.
fn policy(bits: u64) -> Policy {
    let mut thresholds = Policy::default();
    for (place, field) in policy::FIELDS.iter().enumerate() {
        match bits.rotate_right(2 * place as u32) & 3 {
            1 => (field.set)(&mut thresholds, field.min),
            2 => (field.set)(&mut thresholds, field.max),
            _ => {}
        }
    }
    thresholds
}

fn arm(bytes: &[u8], options: ProfileOptions) -> ArmEvidence {
    // Two pods of an arm, so that profiles are merged.
    let (one, other) = bytes.split_at(bytes.len() / 2);
    let logs = [("a", one), ("b", other)].map(|(pod, bytes)| {
        let mut profiler = Profiler::new(options);
        profiler.push(bytes);
        LogProfile {
            pod: pod.to_owned(),
            container: String::new(),
            previous: false,
            profile: profiler.finish(),
        }
    });
    ArmEvidence {
        logs: logs.into(),
        ..ArmEvidence::default()
    }
}

fuzz_target!(|input: (u8, u64, &str, u16, &[u8])| {
    let (flags, thresholds, carried, cut, bytes) = input;
    let window = if flags & 1 == 0 {
        Window::unaligned()
    } else {
        Window::new(START_MS, START_MS + 1_000 * i64::from(flags))
    };
    let options = ProfileOptions {
        window,
        runtime_timestamps: flags & 2 != 0,
    };
    let (stable, canary) = bytes.split_at(usize::from(cut) % (bytes.len() + 1));
    let mut evidence = Evidence {
        window,
        stable: arm(stable, options),
        canary: arm(canary, options),
        carried: (flags & 4 != 0).then(|| Carried(carried.to_owned())),
        ..Evidence::default()
    };
    let policy = policy(thresholds);
    let judgement = judge::judge(&evidence, &policy);
    assert!((0.51..=0.99).contains(&judgement.confidence), "{judgement:?}");
    assert!(judgement.carried.0.len() <= MAX_CARRIED_BYTES, "{judgement:?}");
    assert!(judgement.findings.len() <= MAX_FINDINGS, "{judgement:?}");
    for gate in &judgement.gates {
        assert!(!gate.log_e.is_nan(), "{gate:?}");
        assert!(gate.canary_rate.is_finite() && gate.stable_rate.is_finite(), "{gate:?}");
    }
    let exposure = &judgement.exposure;
    let fired = judgement.gates.iter().any(|gate| gate.fired) || !judgement.vetoes.is_empty();
    match judgement.decision {
        Decision::Promote => {
            assert!(exposure.canary > 0 && exposure.stable > 0, "{judgement:?}");
            assert!(!fired, "{judgement:?}");
        }
        Decision::Abort => assert!(fired, "{judgement:?}"),
        Decision::Inconclusive => assert!(judgement.missing.is_some(), "{judgement:?}"),
    }

    evidence.stable.logs.reverse();
    evidence.canary.logs.reverse();
    assert_eq!(judge::judge(&evidence, &policy), judgement, "the order of pods changes nothing");
    // The next look takes back what this one hands on.
    evidence.carried = Some(judgement.carried);
    let _ = judge::judge(&evidence, &policy);
});
