use std::fs;
use std::io::{Read, Write as _};
use std::os::unix::fs::PermissionsExt as _;

use judge::evidence::{LogProfile, MetricSamples, Window, Worse};
use judge::judgement::Carried;
use judge::profile::{Cell, PackedCells};
use judge::{Evidence, ProfileOptions, Profiler};
use proptest::prelude::*;

use super::*;
use crate::decide::decide;
use crate::opinion::{Answer, Opinion, View};
use crate::request::Coverage;

const AT_MS: i64 = 1_795_316_705_000;

fn log(pod: &str, lines: &[String]) -> LogProfile {
    let mut profiler = Profiler::new(ProfileOptions {
        window: Window::new(AT_MS - 60_000, AT_MS),
        runtime_timestamps: false,
    });
    for line in lines {
        profiler.push(line.as_bytes());
        profiler.push(b"\n");
    }
    LogProfile {
        pod: pod.to_owned(),
        container: "app".to_owned(),
        previous: false,
        profile: profiler.finish(),
    }
}

fn requests(count: usize, failed_every: usize) -> Vec<String> {
    (0..count)
        .map(|n| {
            let second = n * 55 / count;
            let status = if failed_every > 0 && n % failed_every == 0 {
                500
            } else {
                200
            };
            format!(
                "2026-11-22T03:04:{second:02}.{:03}Z {status} - blue ({:.3}s)",
                n % 1_000,
                0.01
            )
        })
        .collect()
}

fn gathered(failed_every: usize) -> Gathered {
    let mut evidence = Evidence {
        window: Window::new(AT_MS - 60_000, AT_MS),
        carried: Some(Carried("j2 something".to_owned())),
        ..Evidence::default()
    };
    evidence.stable.logs = vec![log("stable-1", &requests(2_000, 0))];
    evidence.canary.logs = vec![log("canary-1", &requests(700, failed_every))];
    evidence.canary.metrics = vec![MetricSamples {
        name: "p95".to_owned(),
        unit: "ms".to_owned(),
        worse: Worse::Higher,
        values: vec![
            (AT_MS, 0.1 + 0.2),
            (AT_MS, -0.0),
            (AT_MS, f64::MIN_POSITIVE / 3.0),
            (AT_MS, f64::MAX),
            (AT_MS, 1.0 / 3.0),
        ],
    }];
    let coverage = Coverage {
        sought: "pods with role=x".to_owned(),
        pods: 1,
        logs_wanted: 1,
        logs_read: 1,
    };
    Gathered {
        evidence,
        stable: coverage.clone(),
        canary: coverage,
        canary_start_ms: Some(AT_MS - 60_000),
        last_step_end_ms: None,
    }
}

fn about() -> About {
    About {
        namespace: "shop".to_owned(),
        rollout: "web".to_owned(),
        run: "web-5d45b5bbf7-2".to_owned(),
        metric: "ai-analysis".to_owned(),
        measurement: "uid/ai-analysis/1".to_owned(),
    }
}

fn bundle_of(gathered: &Gathered, at_ms: i64) -> Bundle {
    let (policy, rules) = (Policy::default(), Rules::default());
    let explained = Explained {
        opinions: vec![Opinion {
            model: "m".to_owned(),
            took_ms: 12,
            answer: Answer::View(View {
                promote: true,
                confidence: 80,
                analysis: "it fails".to_owned(),
                root_cause: String::new(),
                remediation: String::new(),
                cited: vec!["219c2ed4".to_owned()],
            }),
        }],
        ..Explained::default()
    };
    let judgement = judge::judge(&gathered.evidence, &policy);
    let verdict = decide(judgement, gathered, explained, &rules);
    let terms = Terms {
        policy: &policy,
        rules: &rules,
    };
    Bundle::of(about(), at_ms, gathered, terms, &verdict).unwrap()
}

fn bundle(failed_every: usize) -> Bundle {
    bundle_of(&gathered(failed_every), AT_MS)
}

/// The file with its bundle edited, and hashed again as a forger would.
fn forged(bundle: &Bundle, edit: impl FnOnce(String) -> String) -> Vec<u8> {
    let text = edit(serde_json::to_string(bundle).unwrap());
    let hash = canonical::sha256(&text);
    format!("{{\"bundle\":{text},\"sha256\":\"{hash}\"}}\n").into_bytes()
}

#[test]
fn what_is_written_is_read_back_bit_for_bit_and_decided_the_same() {
    for (failed_every, decision) in [(0, Decision::Promote), (10, Decision::Abort)] {
        let bundle = bundle(failed_every);
        let (bytes, _) = bundle.to_bytes().unwrap();
        let read = Bundle::from_bytes(&bytes).unwrap();
        assert_eq!(read, bundle);
        assert_eq!(read.to_bytes().unwrap().0, bytes);
        let bits = |bundle: &Bundle| -> Vec<u64> {
            let values = &bundle.gathered.evidence.canary.metrics[0].values;
            values.iter().map(|(_, value)| value.to_bits()).collect()
        };
        assert_eq!(bits(&read), bits(&bundle), "-0 and the smallest survive");
        let replayed = replay(&read, With::default()).unwrap();
        assert!(replayed.is_same(), "{:?}", replayed.differences);
        assert_eq!(replayed.verdict.decision, decision);
        assert_eq!(replayed.other_tool, None);
        assert_eq!(read.verdict.said().unwrap().decision, decision);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_log_and_any_number_survive(
        lines in prop::collection::vec(".{0,80}", 0..40),
        value in prop::num::f64::NORMAL | prop::num::f64::SUBNORMAL | prop::num::f64::ZERO,
        margin in 0.001_f64..0.1,
    ) {
        let mut gathered = gathered(0);
        gathered.evidence.canary.logs.push(log("any", &lines));
        gathered.evidence.canary.metrics[0].values.push((AT_MS, value));
        let policy = Policy { promote_margin: margin, ..Policy::default() };
        let rules = Rules::default();
        let judgement = judge::judge(&gathered.evidence, &policy);
        let verdict = decide(judgement, &gathered, Explained::default(), &rules);
        let terms = Terms { policy: &policy, rules: &rules };
        let bundle = Bundle::of(about(), AT_MS, &gathered, terms, &verdict).unwrap();
        let read = Bundle::from_bytes(&bundle.to_bytes().unwrap().0).unwrap();
        prop_assert_eq!(&read, &bundle);
        prop_assert!(replay(&read, With::default()).unwrap().is_same());
    }

    #[test]
    fn a_forged_bundle_is_refused_or_replayed_and_never_panics(
        at in any::<prop::sample::Index>(),
        number in prop::sample::select(vec![
            "0", "-1", "1", "4294967295", "18446744073709551615", "-9223372036854775808",
            "9223372036854775807", "1e308", "1e999", "null", "17179869184", "[]", "\"x\"",
        ]),
    ) {
        let bundle = bundle(10);
        let bytes = forged(&bundle, |text| {
            // One of its numbers is replaced.
            let numbers: Vec<_> = text
                .match_indices([':', ',', '['])
                .map(|(start, _)| start + 1)
                .filter(|start| text[*start..].starts_with(|c: char| c.is_ascii_digit()))
                .collect();
            let start = *at.get(&numbers);
            let end = start + text[start..].find([',', '}', ']']).unwrap();
            format!("{}{number}{}", &text[..start], &text[end..])
        });
        if let Ok(read) = Bundle::from_bytes(&bytes) {
            let _ = replay(&read, With::default()).unwrap();
        }
    }

    #[test]
    fn any_bytes_are_refused_and_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(Bundle::from_bytes(&bytes).is_err());
    }
}

#[test]
fn a_changed_byte_is_seen() {
    let (bytes, _) = bundle(10).to_bytes().unwrap();
    let text = String::from_utf8(bytes).unwrap();
    for (from, to) in [
        ("\"decision\":\"abort\"", "\"decision\":\"promote\""),
        ("\"atMs\":1795316705000", "\"atMs\":1795316705001"),
        ("\"bundle\":{", "\"bundle\":{ "),
    ] {
        assert!(text.contains(from), "{from}");
        let edited = text.replacen(from, to, 1);
        assert!(
            matches!(
                Bundle::from_bytes(edited.as_bytes()),
                Err(BundleError::Changed)
            ),
            "{to}"
        );
    }
}

#[test]
fn a_forged_verdict_is_seen_when_it_is_decided_again() {
    let bytes = forged(&bundle(10), |text| {
        text.replace("\"decision\":\"abort\"", "\"decision\":\"promote\"")
    });
    let read = Bundle::from_bytes(&bytes).unwrap();
    let replayed = replay(&read, With::default()).unwrap();
    assert_eq!(replayed.verdict.decision, Decision::Abort);
    let fields: Vec<&str> = replayed
        .differences
        .iter()
        .map(|difference| difference.field.as_str())
        .collect();
    assert_eq!(fields, ["decision", "judgement.decision"]);
    assert_eq!(replayed.differences[0].recorded, "\"promote\"");
    assert_eq!(replayed.differences[0].now, "\"abort\"");
}

#[test]
fn the_last_digits_of_a_number_are_told_from_another_verdict() {
    let bundle = bundle(10);
    let gates = &replay(&bundle, With::default())
        .unwrap()
        .verdict
        .judgement
        .gates;
    let number = gates.iter().find(|gate| gate.fired).unwrap().log_e;
    for (factor, is_rounding) in [(1.0 + 1e-13, true), (1.0 + 1e-6, false)] {
        let bytes = forged(&bundle, |text| {
            let name = |number| serde_json::to_string(&number).unwrap();
            let edited = text.replacen(&name(number), &name(number * factor), 1);
            assert_ne!(edited, text);
            edited
        });
        let replayed = replay(&Bundle::from_bytes(&bytes).unwrap(), With::default()).unwrap();
        assert!(!replayed.is_same());
        assert_eq!(replayed.is_same_but_for_rounding(), is_rounding);
    }
}

#[test]
fn another_policy_gives_another_verdict() {
    let bundle = bundle(0);
    let strict = Policy {
        promote_margin: 0.001,
        ..Policy::default()
    };
    let with = With {
        policy: Some(&strict),
        ..With::default()
    };
    let replayed = replay(&bundle, with).unwrap();
    assert_eq!(replayed.verdict.decision, Decision::Inconclusive);
    assert!(!replayed.is_same());
    let view = replayed.verdict.explained.opinions[0].view().unwrap();
    assert!(view.cited.is_empty(), "the finding it cites is not there");
}

#[test]
fn what_another_version_wrote_is_said_to_be_so() {
    let bundle = bundle(0);
    let tool = format!("\"tool\":\"{TOOL_VERSION}\"");
    type Edit<'a> = &'a dyn Fn(String) -> String;
    let edits: [(&str, Edit<'_>); 4] = [
        ("a later form", &|text| {
            text.replacen("\"format\":1", "\"format\":2", 1)
        }),
        ("a field that is not there", &|text| {
            text.replacen("\"cut_lines\":0,", "", 1)
        }),
        ("a field that is not known", &|text| {
            text.replacen("\"cut_lines\":0,", "\"cut_lines\":0,\"later\":1,", 1)
        }),
        ("another kind of value", &|text| {
            text.replacen("\"cut_lines\":0,", "\"cut_lines\":[0],", 1)
        }),
    ];
    for (what, edit) in edits {
        let bytes = forged(&bundle, |text| {
            let edited = edit(text.clone());
            assert_ne!(edited, text, "{what}");
            edited.replacen(&tool, "\"tool\":\"9.8.7\\u001b[2J\"", 1)
        });
        let error = Bundle::from_bytes(&bytes).unwrap_err();
        let text = error.to_string();
        assert!(
            text.contains("another version (9.8.7 [2J)"),
            "{what}: {text}"
        );
    }
}

#[test]
fn a_verdict_of_another_version_is_told_apart() {
    let bytes = forged(&bundle(0), |text| {
        text.replacen(
            &format!("\"tool\":\"{TOOL_VERSION}\""),
            "\"tool\":\"9.8.7\"",
            1,
        )
    });
    let replayed = replay(&Bundle::from_bytes(&bytes).unwrap(), With::default()).unwrap();
    assert_eq!(replayed.other_tool.as_deref(), Some("9.8.7"));
}

#[test]
fn what_no_look_gathers_is_refused() {
    let refused = |edit: &dyn Fn(&mut Gathered)| {
        let mut gathered = gathered(0);
        edit(&mut gathered);
        let judgement = judge::judge(&Evidence::default(), &Policy::default());
        let verdict = crate::decide::alone(judgement, &gathered);
        let terms = Terms {
            policy: &Policy::default(),
            rules: &Rules::default(),
        };
        Bundle::of(about(), AT_MS, &gathered, terms, &verdict).unwrap_err()
    };
    let errors = [
        refused(&|all| all.evidence.canary.metrics[0].values[0].1 = f64::NAN),
        refused(&|all| all.evidence.canary.metrics[0].values[0].1 = f64::INFINITY),
        refused(&|all| all.evidence.canary.logs[0].profile.events = u64::MAX),
        refused(&|all| all.evidence.canary.logs[0].profile.tallies[0].errors = u64::MAX),
        refused(&|all| {
            let cell = Cell {
                bucket: u32::MAX,
                ..Cell::default()
            };
            let template = &mut all.evidence.canary.logs[0].profile.templates[0];
            template.cells = PackedCells::pack([cell]).unwrap();
        }),
        refused(&|all| all.evidence.canary.logs[0].pod = "x".repeat(100_000)),
        refused(&|all| all.evidence.window.start_ms = Some(i64::MIN)),
        refused(&|all| all.evidence.carried = Some(Carried("x".repeat(2_000)))),
        refused(&|all| {
            let log = all.evidence.canary.logs[0].clone();
            all.evidence.canary.logs = vec![log; 1_001];
        }),
    ];
    for error in errors {
        assert!(matches!(error, BundleError::OutOfBounds { .. }), "{error}");
    }
}

#[test]
fn depth_and_size_are_bounded() {
    let deep = format!("{{\"sha256\":\"\",\"bundle\":{}", "[".repeat(1_000_000));
    assert!(matches!(
        Bundle::from_bytes(deep.as_bytes()),
        Err(BundleError::NoBundle(_))
    ));
    let folder = tempfile::tempdir().unwrap();
    let bomb = folder.path().join("bomb.gz");
    let mut encoder = flate2::write::GzEncoder::new(
        fs::File::create(&bomb).unwrap(),
        flate2::Compression::fast(),
    );
    let blank = vec![b' '; 1 << 20];
    for _ in 0..=(MAX_BUNDLE_BYTES >> 20) {
        encoder.write_all(&blank).unwrap();
    }
    encoder.finish().unwrap();
    assert!(matches!(read(&bomb), Err(BundleError::TooLarge { .. })));
    let mut large = bundle(0);
    large.explained.opinions[0].model = "x".repeat(MAX_BUNDLE_BYTES as usize);
    assert!(matches!(
        write(folder.path(), &large),
        Err(BundleError::TooLarge { .. })
    ));
    assert_eq!(
        fs::read_dir(folder.path()).unwrap().count(),
        1,
        "no part stays"
    );
    assert!(matches!(
        bytes(&bomb, 10),
        Err(BundleError::TooLarge { .. })
    ));
}

/// Fails the one who reads on and on.
struct Endless(u64);

impl Read for Endless {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        self.0 = self
            .0
            .checked_sub(into.len() as u64)
            .ok_or_else(|| std::io::Error::other("read far beyond the limit"))?;
        into.fill(b' ');
        Ok(into.len())
    }
}

#[test]
fn what_has_no_end_is_not_read_to_its_end() {
    let limit_bytes = 100_000;
    let read = file::unpacked(Endless(4 * limit_bytes), limit_bytes).unwrap();
    assert_eq!(read.len() as u64, limit_bytes + 1);
    // And so where it is packed: what unpacks to ten times the limit.
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(&vec![b' '; 1_000_000]).unwrap();
    let packed = encoder.finish().unwrap();
    let read = file::unpacked(&packed[..], limit_bytes).unwrap();
    assert_eq!(read.len() as u64, limit_bytes + 1);
}

#[test]
fn a_bundle_in_a_folder_is_whole_private_and_named_after_what_it_is_about() {
    let folder = tempfile::tempdir().unwrap();
    let bundle = bundle(10);
    let path = write(folder.path(), &bundle).unwrap();
    let name = path.file_name().unwrap().to_str().unwrap();
    assert!(name.starts_with("20261122T030505.000Z-shop-web-"), "{name}");
    assert!(name.ends_with(".bundle.json.gz"), "{name}");
    let mode = fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(read(&path).unwrap(), bundle);
    assert_eq!(
        write(folder.path(), &bundle).unwrap(),
        path,
        "the same again"
    );
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    for plain in ["plain.json", "packed.json.gz"] {
        let path = folder.path().join(plain);
        save(&path, &bundle).unwrap();
        assert_eq!(read(&path).unwrap(), bundle);
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
    }
    assert!(matches!(
        write(&folder.path().join("none"), &bundle),
        Err(BundleError::Write { .. })
    ));
}

#[test]
fn a_name_cannot_leave_its_folder() {
    let mut bundle = bundle(0);
    bundle.about.namespace = "../../etc".to_owned();
    bundle.about.rollout = "a/b\0\u{202e}".to_owned() + &"x".repeat(300);
    let name = file_name(&bundle, "0123456789");
    assert_eq!(
        name,
        format!(
            "20261122T030505.000Z-.._.._etc-a_b__{}-01234567.bundle.json.gz",
            "x".repeat(55)
        )
    );
    assert!(name.len() < 200);
}

#[test]
fn the_oldest_bundles_make_room_and_nothing_else_is_touched() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name);
    let old = |n: usize| format!("20250101T000000.{n:04}Z-shop-web-aaaaaaaa.bundle.json.gz");
    for n in 0..MAX_FOLDER_FILES {
        fs::write(file(&old(n)), "x").unwrap();
    }
    fs::write(file("notes.txt"), "mine").unwrap();
    fs::write(file("20250101-backup.tar"), "mine").unwrap();
    let stale = "20250101T000000.000Z-shop-web-aaaaaaaa.bundle-7-0.part";
    let fresh = "20261122T030504.000Z-shop-web-aaaaaaaa.bundle-7-1.part";
    fs::write(file(stale), "half").unwrap();
    fs::write(file(fresh), "half").unwrap();
    let path = write(folder.path(), &bundle(0)).unwrap();
    assert!(path.exists());
    assert!(!file(&old(0)).exists(), "the oldest is gone");
    assert!(file(&old(1)).exists(), "and only that");
    assert!(file("notes.txt").exists() && file("20250101-backup.tar").exists());
    assert!(!file(stale).exists(), "left by a killed process");
    assert!(file(fresh).exists(), "another process may be writing it");

    // By size: one file that says it is as large as the whole folder may be.
    let large = fs::File::create(file(&old(5))).unwrap();
    large.set_len(MAX_FOLDER_BYTES).unwrap();
    let earlier = bundle_of(&gathered(0), AT_MS - 1_000);
    write(folder.path(), &earlier).unwrap();
    assert!(!file(&old(5)).exists());
    assert!(file(&old(6)).exists() && path.exists());
}
