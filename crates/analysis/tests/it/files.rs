//! Evidence from files.

use std::io::{Cursor, Write};
use std::path::{Path, PathBuf};

use analysis::files::{Log, Sources, read};
use flate2::Compression;
use flate2::write::GzEncoder;
use kube_stand_in::objects;
use serde_json::json;

use crate::scene::{NAMESPACE, NOW_MS, canary};

const LINES: &str = "2026-01-02T03:04:05Z 200 - blue\n2026-01-02T03:04:06Z 200 - blue\n";

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a folder"))
    }

    fn write(&self, name: &str, contents: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::write(&path, contents).expect("a file");
        path
    }
}

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text.as_bytes()).expect("in memory");
    encoder.finish().expect("in memory")
}

fn sources(stable: &Path, canary: &Path) -> Sources {
    Sources {
        stable: vec![Log::File(stable.to_owned())],
        canary: vec![Log::File(canary.to_owned())],
        ..Sources::default()
    }
}

#[test]
fn plain_and_gzip_and_what_is_open_are_the_same_log() {
    let folder = Folder::new();
    let plain = folder.write("plain.log", LINES);
    let packed = folder.write("packed.log.gz", [gzip(LINES), gzip(LINES)].concat());
    let gathered = read(Sources {
        stable: vec![
            Log::File(plain),
            Log::Open {
                name: "-".into(),
                reader: Box::new(Cursor::new(LINES)),
            },
        ],
        canary: vec![Log::File(packed)],
        ..Sources::default()
    })
    .expect("readable");
    let stable = &gathered.evidence.stable.logs;
    assert_eq!(stable[0].profile.lines, 2);
    assert_eq!(stable[0].profile, stable[1].profile);
    assert_eq!(stable[1].pod, "-");
    let canary = &gathered.evidence.canary.logs;
    assert_eq!(
        canary[0].profile.lines, 4,
        "gzip of several members is read whole"
    );
    assert_eq!(gathered.canary.pods, 1);
}

#[test]
fn many_files_keep_their_order() {
    let folder = Folder::new();
    let logs: Vec<_> = (0..20)
        .map(|n| Log::File(folder.write(&format!("{n:02}.log"), LINES.repeat(n + 1))))
        .collect();
    let gathered = read(Sources {
        canary: logs,
        ..Sources::default()
    })
    .expect("readable");
    let lines: Vec<_> = gathered
        .evidence
        .canary
        .logs
        .iter()
        .map(|log| log.profile.lines)
        .collect();
    assert_eq!(lines, (1..=20).map(|n| n * 2).collect::<Vec<u64>>());
    assert_eq!(gathered.stable.pods, 0);
}

#[test]
fn pods_and_events_as_kubectl_writes_them() {
    let folder = Folder::new();
    let log = folder.write("a.log", LINES);
    let pods = json!({"apiVersion": "v1", "kind": "List", "items": [canary("web", "1")]});
    let one_pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "stable-1"}});
    let events = json!({"apiVersion": "v1", "kind": "List", "items": [
        objects::warning(NAMESPACE, "web-ccc-1", "BackOff", NOW_MS),
        objects::warning(NAMESPACE, "cron-1", "BackOff", NOW_MS)]});
    let gathered = read(Sources {
        stable_pods: Some(folder.write("stable.json", one_pod.to_string())),
        canary_pods: Some(folder.write("canary.json", pods.to_string())),
        events: Some(folder.write("events.json", events.to_string())),
        ..sources(&log, &log)
    })
    .expect("readable");
    assert_eq!(gathered.evidence.canary.pods[0].name, "web-ccc-1");
    assert!(gathered.evidence.canary.pods[0].ready);
    assert_eq!(gathered.evidence.canary.events.len(), 1);
    assert_eq!(gathered.evidence.stable.pods[0].name, "stable-1");
    assert!(gathered.evidence.stable.events.is_empty());
}

#[test]
fn an_empty_log_is_said() {
    let folder = Folder::new();
    let gathered = read(sources(
        &folder.write("a.log", LINES),
        &folder.write("b.log", ""),
    ))
    .expect("readable");
    assert_eq!(gathered.left_out()[0].why, "the log is empty");
}

#[test]
fn what_cannot_be_read_names_the_file_and_the_reason() {
    let folder = Folder::new();
    let good = folder.write("good.log", LINES);
    let mut cut = gzip(&LINES.repeat(100));
    cut.truncate(cut.len() / 2);
    let name = |path: &Path| path.display().to_string();
    for (path, expected) in [
        (folder.0.path().join("none.log"), "failed to open {}"),
        (
            folder.0.path().to_owned(),
            "failed to read {}: it is a folder; name the log files in it",
        ),
        (
            folder.write("binary", [0_u8; 4096]),
            "failed to read {}: it is binary, not a log (plain text and gzip are read)",
        ),
        (
            folder.write("cut.gz", cut),
            "failed to decompress {}: it is damaged, or was cut short",
        ),
    ] {
        let error = read(sources(&good, &path)).expect_err("unreadable");
        assert_eq!(error.to_string(), expected.replace("{}", &name(&path)));
    }
    for contents in ["", "[]", "{}", "not json", r#"{"kind":"List","items":[7]}"#] {
        let json = folder.write("pods.json", contents);
        let error = read(Sources {
            canary_pods: Some(json.clone()),
            ..sources(&good, &good)
        })
        .expect_err("no pods");
        assert_eq!(
            error.to_string(),
            format!(
                "failed to parse {}: it is not what `kubectl get … -o json` writes",
                name(&json)
            )
        );
    }
}

#[test]
fn a_few_nuls_do_not_make_a_log_binary() {
    let folder = Folder::new();
    let log = folder.write("a.log", format!("\0\0\0\0{}", LINES.repeat(10)));
    assert!(read(sources(&log, &log)).is_ok());
}

#[test]
fn a_file_of_pods_without_end_is_refused() {
    let folder = Folder::new();
    let log = folder.write("a.log", LINES);
    let path = folder.0.path().join("pods.json");
    let file = std::fs::File::create(&path).expect("a file");
    file.set_len(analysis::files::MAX_JSON_BYTES + 1)
        .expect("a hole");
    let error = read(Sources {
        canary_pods: Some(path.clone()),
        ..sources(&log, &log)
    })
    .expect_err("too large");
    assert_eq!(
        error.to_string(),
        format!(
            "failed to read {}: it is larger than 64 MiB",
            path.display()
        )
    );
}
