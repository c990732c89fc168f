//! What holds for every input.

use judge::evidence::LogProfile;
use judge::{Evidence, Policy, Profile, ProfileOptions, Profiler, Window};
use proptest::prelude::*;

use crate::scene::{Log, START_MS, evidence, steady, window};

fn read(bytes: &[u8], chunk: usize, options: ProfileOptions) -> Profile {
    let mut profiler = Profiler::new(options);
    for piece in bytes.chunks(chunk.max(1)) {
        profiler.push(piece);
    }
    profiler.finish()
}

/// Pieces that logs are made of, and that break readers.
fn piece() -> impl Strategy<Value = Vec<u8>> {
    let known = prop_oneof![
        Just("\n"),
        Just("\r\n"),
        Just("2026-11-22T03:04:05.123456789Z "),
        Just("stdout F "),
        Just("stderr P "),
        Just("{\"log\":\""),
        Just("\",\"stream\":\"stdout\"}"),
        Just("ERROR "),
        Just("panic: x"),
        Just("\tat a.B.c(B.java:1)"),
        Just("Caused by: x.YException: z"),
        Just("Traceback (most recent call last):\n  File \"a.py\", line 1, in f\nKeyError: 1"),
        Just("goroutine 1 [running]:\nmain.main()\n\t/src/main.go:9 +0x20"),
        Just("{\"level\":\"error\",\"msg\":\"x\",\"status\":500}"),
        Just("GET /x HTTP/1.1\" 500 "),
        Just("500 - blue"),
        Just("password=hunter2"),
        Just("\u{1b}[31m"),
        Just("\u{feff}"),
        Just("é"),
        Just("thread 'main' panicked at src/x.rs:1:2:"),
        Just(" "),
        Just("{"),
        Just("\""),
        Just("\\"),
    ];
    prop_oneof![
        4 => known.prop_map(|text| text.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..20),
    ]
}

fn log() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(piece(), 0..60).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn no_bytes_panic_and_judging_is_total(stable in log(), canary in log(), aligned: bool, runtime_timestamps: bool, carried in "\\PC{0,60}") {
        let window = if aligned { Window::new(START_MS, START_MS + 60_000) } else { Window::unaligned() };
        let options = ProfileOptions { window, runtime_timestamps };
        let log = |bytes: &[u8]| LogProfile { pod: "p".into(), container: "c".into(), previous: false, profile: read(bytes, 7, options) };
        let mut evidence = Evidence { window, carried: Some(judge::judgement::Carried(carried)), ..Evidence::default() };
        evidence.stable.logs.push(log(&stable));
        evidence.canary.logs.push(log(&canary));
        let judgement = judge::judge(&evidence, &Policy::default());
        prop_assert!((0.51..=0.99).contains(&judgement.confidence));
        prop_assert!(judgement.gates.iter().all(|gate| !gate.log_e.is_nan()));
        prop_assert!(judgement.carried.0.len() <= judge::MAX_CARRIED_BYTES);
        let bundle = serde_json::to_string(&evidence).unwrap();
        let again: Evidence = serde_json::from_str(&bundle).unwrap();
        prop_assert_eq!(judge::judge(&again, &Policy::default()), judgement, "a bundle is judged the same");
    }

    #[test]
    fn chunks_change_nothing(bytes in log(), chunk in 1..50_usize, runtime_timestamps: bool) {
        let options = ProfileOptions { window: Window::unaligned(), runtime_timestamps };
        let mut whole = read(&bytes, usize::MAX, options);
        let pieces = read(&bytes, chunk, options);
        whole.bytes = pieces.bytes;
        prop_assert_eq!(whole, pieces);
    }

    #[test]
    fn the_order_of_logs_and_pods_changes_nothing(logs in prop::collection::vec(log(), 2..6), turn in 0..6_usize) {
        let window = Window::unaligned();
        let options = ProfileOptions { window, runtime_timestamps: false };
        let names = ["a", "b", "c", "d", "e", "f"];
        let all: Vec<LogProfile> = logs.iter().zip(names).map(|(bytes, pod)| LogProfile { pod: pod.into(), container: String::new(), previous: false, profile: read(bytes, 64, options) }).collect();
        let mut turned = all.clone();
        let by = turn % turned.len();
        turned.rotate_left(by);
        let judge = |stable: &[LogProfile], canary: &[LogProfile]| {
            let mut evidence = Evidence { window, ..Evidence::default() };
            evidence.stable.logs = stable.to_vec();
            evidence.canary.logs = canary.to_vec();
            judge::judge(&evidence, &Policy::default())
        };
        prop_assert_eq!(judge(&all, &turned), judge(&turned, &all));
    }
}

#[test]
fn a_flood_of_unique_lines_stays_bounded() {
    let mut profiler = Profiler::new(ProfileOptions::default());
    let mut random = crate::scene::Random::new(9);
    let word = |random: &mut crate::scene::Random| -> String {
        (0..8)
            .map(|_| char::from(b'a' + (random.below(26) as u8)))
            .collect()
    };
    for index in 0..30_000 {
        let level = if index % 10 == 0 { "ERROR" } else { "INFO" };
        let words: Vec<String> = (0..1 + random.below(12))
            .map(|_| word(&mut random))
            .collect();
        profiler.push(format!("{level} {}\n", words.join(" ")).as_bytes());
    }
    let profile = profiler.finish();
    assert_eq!(profile.events, 30_000);
    assert!(
        profile.templates.len() <= judge::MAX_TEMPLATES,
        "{}",
        profile.templates.len()
    );
    let kept: u64 = profile
        .templates
        .iter()
        .map(judge::profile::Template::total)
        .sum();
    assert_eq!(
        kept + profile.evicted_events,
        30_000,
        "no event is lost without a trace"
    );
    let errors: u64 = profile
        .templates
        .iter()
        .filter(|t| t.level == judge::level::Level::Error)
        .map(judge::profile::Template::total)
        .sum();
    assert_eq!(errors, 3_000, "errors are never evicted");
}

#[test]
fn nothing_secret_is_in_a_profile() {
    let log = Log {
        pod: "p",
        lines: (0..200).map(|i| (i * 100, format!("ERROR login of bob with password=hunter{i} token: \"tok-{i}-secretvalue\" by jane{i}@example.com failed"))).collect(),
    };
    let evidence = evidence(&[], &[log], window(30_000));
    let judgement = judge::judge(&evidence, &Policy::default());
    let text = serde_json::to_string(&(evidence, judgement)).unwrap();
    for secret in ["hunter", "secretvalue", "example.com"] {
        assert!(!text.contains(secret), "{secret}");
    }
    assert!(text.contains("password=***"));
}

#[test]
fn a_bundle_is_small_for_an_ordinary_log() {
    let log = steady("p", 20_000, 600_000, |i| format!("200 - blue ({i}ms)"));
    let evidence = evidence(&[], &[log], window(600_000));
    assert!(serde_json::to_string(&evidence).unwrap().len() < 64 * 1024);
}
