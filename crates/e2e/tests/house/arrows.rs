//! Who may use whom. ARCHITECTURE.md draws the same picture.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand};

/// What each crate may use of ours. A crate that is not listed fails the test:
/// its place has to be decided, not found out.
const MAY_USE: &[(&str, &[&str])] = &[
    ("go-plugin", &[]),
    ("rollouts-plugin", &["go-plugin"]),
    ("judge", &[]),
    ("bench", &["judge"]),
    ("analysis", &["judge"]),
    ("agent-api", &[]),
    (
        "metric-ai",
        &["agent-api", "analysis", "judge", "rollouts-plugin"],
    ),
    (
        "cli",
        &["agent-api", "analysis", "demo", "judge", "rollouts-plugin"],
    ),
    // What it stands in for is not there without a cluster: decision 0011.
    (
        "demo",
        &["kube-stand-in", "model-stand-in", "rollouts-plugin"],
    ),
    ("demo-app", &[]),
    ("kube-stand-in", &[]),
    ("model-stand-in", &[]),
    ("agent-stand-in", &[]),
    (
        "e2e",
        &[
            "agent-stand-in",
            "analysis",
            "bench",
            "demo",
            "go-plugin",
            "judge",
            "kube-stand-in",
            "rollouts-plugin",
        ],
    ),
];

/// Ours that tests may use on top.
const TESTS_MAY_USE: &[&str] = &[
    "agent-stand-in",
    "kube-stand-in",
    "model-stand-in",
    "rollouts-plugin",
];

/// What must not be reachable from a crate, at any distance, and why.
const MUST_NOT_REACH: &[(&str, &[&str], &str)] = &[
    (
        "judge",
        &["tokio", "kube", "tracing", "reqwest", "jiff", "getrandom"],
        "the judge is pure",
    ),
    (
        "go-plugin",
        &["kube", "k8s-openapi", "judge"],
        "go-plugin knows the protocol only",
    ),
    (
        "rollouts-plugin",
        &["kube", "judge"],
        "the SDK serves other plugins as well",
    ),
    (
        "agent-api",
        &["kube", "judge", "axum"],
        "it is what crosses the wire, and its client",
    ),
    (
        "metric-ai",
        &[
            "axum",
            "ring",
            "openssl-sys",
            "kube-stand-in",
            "model-stand-in",
            "agent-stand-in",
        ],
        "the plugin is no server, and has one TLS provider",
    ),
    (
        "demo",
        &["rustls", "ring", "openssl-sys", "kube", "judge"],
        "nothing of the demo speaks TLS, and the judge is in the plugin",
    ),
    (
        "cli",
        &["ring", "openssl-sys"],
        "one TLS provider: aws-lc-rs",
    ),
];

fn metadata() -> Metadata {
    MetadataCommand::new()
        .other_options(["--locked".to_owned(), "--offline".to_owned()])
        .exec()
        .expect("cargo metadata runs in the workspace")
}

fn ours(metadata: &Metadata) -> BTreeSet<String> {
    let packages = metadata.workspace_packages();
    packages.iter().map(|p| p.name.to_string()).collect()
}

#[test]
fn every_crate_uses_only_what_it_may() {
    let metadata = metadata();
    let ours = ours(&metadata);
    let may: BTreeMap<&str, &[&str]> = MAY_USE.iter().copied().collect();
    let mut wrong = Vec::new();
    for package in metadata.workspace_packages() {
        let Some(allowed) = may.get(package.name.as_str()) else {
            wrong.push(format!("{}: not in MAY_USE", package.name));
            continue;
        };
        for dependency in &package.dependencies {
            let name = dependency.name.as_str();
            let in_tests = dependency.kind == DependencyKind::Development;
            let fine = !ours.contains(name)
                || allowed.contains(&name)
                || (in_tests && TESTS_MAY_USE.contains(&name));
            if !fine {
                wrong.push(format!("{} uses {name}", package.name));
            }
        }
    }
    assert!(wrong.is_empty(), "arrows that may not be: {wrong:#?}");
}

#[test]
fn every_listed_crate_exists() {
    let ours = ours(&metadata());
    let listed: BTreeSet<String> = MAY_USE.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(listed, ours, "MAY_USE lists the crates of the workspace");
}

/// All that is built into `start` for the system that we ship for. Asked of
/// `cargo tree`, which knows the features that are on; `cargo metadata` also
/// lists optional dependencies that are not.
fn reached(start: &str) -> BTreeSet<String> {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--locked", "--offline", "--edges", "no-dev"])
        .args(["--target", "x86_64-unknown-linux-musl"])
        .args(["--prefix", "none", "--format", "{p}", "--package", start])
        .output()
        .expect("cargo tree runs");
    assert!(
        output.status.success(),
        "cargo tree: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter_map(|line| line.split_whitespace().next())
        .map(str::to_owned)
        .collect()
}

#[test]
fn nothing_reaches_what_it_must_not() {
    let mut wrong = Vec::new();
    for (name, forbidden, why) in MUST_NOT_REACH {
        let reached = reached(name);
        assert!(reached.contains(*name), "cargo tree shows {name} itself");
        for crate_name in *forbidden {
            if reached.contains(*crate_name) {
                wrong.push(format!("{name} reaches {crate_name}: {why}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
