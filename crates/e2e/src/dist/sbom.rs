//! The bill of materials: every crate that cargo says it compiled into the
//! release, with what `Cargo.lock` and the crates say of themselves.
//!
//! Not from `cargo metadata` alone, which lists optional crates that are off
//! and mixes the features of the whole workspace. [`listed`] reads the document
//! back, for [`check`](crate::check) to hold against `cargo tree`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use cargo_metadata::{DependencyKind, Message, Metadata, MetadataCommand, Package, PackageId};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::args::SbomArgs;
use crate::release::{self, Arch, PROGRAMS, SBOM};

/// The name of the property that says which architectures a crate is in.
const ARCHS_PROPERTY: &str = "canary-judge:architectures";
/// How long rustc may take to tell its version.
const VERSION_LIMIT: Duration = Duration::from_secs(60);

/// For each crate that was compiled, the architectures for which, and whether
/// any of it is in the programs: build scripts and macros run on the machine
/// that builds.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Use {
    archs: BTreeSet<Arch>,
    is_shipped: bool,
}

/// A crate's name and version.
pub(crate) type NameVersion = (String, String);

/// Writes the document.
pub(crate) fn write(args: &SbomArgs) -> Result<()> {
    let mut used = BTreeMap::new();
    for (arch, path) in &args.compiled {
        let file = File::open(path).with_context(|| path.display().to_string())?;
        compiled(*arch, BufReader::new(file), &mut used)
            .with_context(|| path.display().to_string())?;
    }
    let metadata = metadata()?;
    let lock = metadata.workspace_root.join("Cargo.lock");
    let checksums = checksums(&fs::read_to_string(&lock).with_context(|| lock.to_string())?)?;
    let mut rustc = Command::new("rustc");
    let rustc = e2e::command::output(rustc.arg("--version"), VERSION_LIMIT)?;
    let build = Build {
        commit: &args.commit,
        time: Timestamp::from_second(args.seconds)?,
        rustc: rustc.trim(),
        files: digests(&args.folder.path)?,
    };
    let document = document(&build, &metadata, &used, &checksums)?;
    let path = args.folder.path.join(SBOM);
    fs::write(&path, format!("{document:#}\n")).with_context(|| path.display().to_string())
}

/// What all crates of the release were built with and into.
struct Build<'a> {
    commit: &'a str,
    time: Timestamp,
    rustc: &'a str,
    /// Name and digest of each program's file, with the crate it is from.
    files: Vec<(String, String, &'static str)>,
}

fn digests(folder: &Path) -> Result<Vec<(String, String, &'static str)>> {
    release::files(folder)
        .into_iter()
        .map(|(arch, program, path)| {
            let digest = e2e::digest::of_file(&path)?;
            Ok((arch.file(program), digest, program.package))
        })
        .collect()
}

/// Everything that the workspace may depend on.
pub(crate) fn metadata() -> Result<Metadata> {
    let options = ["--locked", "--offline"].map(str::to_owned);
    let mut command = MetadataCommand::new();
    command.manifest_path(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"));
    Ok(command.other_options(options).exec()?)
}

/// Adds what one build compiled to what was `used`.
fn compiled(arch: Arch, messages: impl BufRead, used: &mut BTreeMap<PackageId, Use>) -> Result<()> {
    let mut has_ended = false;
    for message in Message::parse_stream(messages) {
        match message? {
            Message::CompilerArtifact(artifact) => {
                let entry = used.entry(artifact.package_id).or_default();
                entry.archs.insert(arch);
                // Only what is for the target lies in the target's folder.
                let mut files = artifact.filenames.iter();
                entry.is_shipped |=
                    files.any(|file| file.components().any(|part| part.as_str() == arch.target()));
            }
            Message::BuildFinished(end) => has_ended = end.success,
            _ => {}
        }
    }
    ensure!(has_ended, "the build did not end well");
    Ok(())
}

/// The digests that `Cargo.lock` holds crates of registries to.
fn checksums(lock: &str) -> Result<BTreeMap<NameVersion, String>> {
    #[derive(serde::Deserialize)]
    struct Lock {
        package: Vec<Locked>,
    }
    #[derive(serde::Deserialize)]
    struct Locked {
        name: String,
        version: String,
        checksum: Option<String>,
    }
    let lock: Lock = toml::from_str(lock).context("Cargo.lock")?;
    let packages = lock.package.into_iter();
    Ok(packages
        .filter_map(|p| Some(((p.name, p.version), p.checksum?)))
        .collect())
}

fn document(
    build: &Build<'_>,
    metadata: &Metadata,
    used: &BTreeMap<PackageId, Use>,
    checksums: &BTreeMap<NameVersion, String>,
) -> Result<Value> {
    let mut components = BTreeMap::new();
    for (id, how) in used {
        let package = &metadata[id];
        let reference = reference(package, build.commit);
        let component = component(package, how, &reference, checksums)?;
        components.insert(reference, component);
    }
    let mut components: Vec<Value> = components.into_values().collect();
    components.push(json!({
        "type": "library",
        "bom-ref": "rust-std",
        "name": "rust-std",
        "version": build.rustc.split(' ').nth(1).unwrap_or_default(),
        "description": "Rust's standard library, with the musl libc (MIT) and the libunwind (Apache-2.0 WITH LLVM-exception) that come with its musl targets",
        "licenses": [{"expression": "MIT OR Apache-2.0"}],
        "scope": "required",
    }));
    let mut text = build.commit.to_owned();
    let files: Vec<Value> = build
        .files
        .iter()
        .map(|(name, digest, _)| {
            text.push_str(digest);
            json!({
                "type": "file",
                "bom-ref": name,
                "name": name,
                "hashes": [{"alg": "SHA-256", "content": digest}],
            })
        })
        .collect();
    Ok(json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "serialNumber": serial_number(&text),
        "version": 1,
        "metadata": {
            "timestamp": build.time.to_string(),
            "lifecycles": [{"phase": "build"}],
            "tools": {"components": [
                {"type": "application", "name": "canary-judge dist", "version": env!("CARGO_PKG_VERSION")},
                {"type": "application", "name": "rustc", "version": build.rustc},
            ]},
            "component": {
                "type": "application",
                "bom-ref": "canary-judge",
                "name": "canary-judge",
                "version": env!("CARGO_PKG_VERSION"),
                "purl": format!("pkg:github/canary-judge/canary-judge@{}", build.commit),
                "licenses": [{"expression": env!("CARGO_PKG_LICENSE")}],
                "components": files,
            },
        },
        "components": components,
        "dependencies": dependencies(build, metadata, used)?,
    }))
}

/// What a crate is called in the document: the package URL. Ours are in no
/// registry, where others may have taken the names.
fn reference(package: &Package, commit: &str) -> String {
    if package.source.is_some() {
        format!("pkg:cargo/{}@{}", package.name, package.version)
    } else {
        let folder = package.manifest_path.parent().and_then(|p| p.file_name());
        let folder = folder.unwrap_or(&package.name);
        format!("pkg:github/canary-judge/canary-judge@{commit}#crates/{folder}")
    }
}

fn component(
    package: &Package,
    how: &Use,
    reference: &str,
    checksums: &BTreeMap<NameVersion, String>,
) -> Result<Value> {
    let name_version = (package.name.to_string(), package.version.to_string());
    let license = package
        .license
        .as_ref()
        .with_context(|| format!("{} {} names no licence", package.name, package.version))?;
    let archs: Vec<_> = how.archs.iter().map(|arch| arch.name()).collect();
    let mut component = json!({
        "type": "library",
        "bom-ref": reference,
        "name": name_version.0,
        "version": name_version.1,
        "purl": reference,
        // An old spelling of OR, from before SPDX expressions.
        "licenses": [{"expression": license.replace('/', " OR ")}],
        // The format's word for what is used only to build.
        "scope": if how.is_shipped { "required" } else { "excluded" },
        "properties": [{"name": ARCHS_PROPERTY, "value": archs.join(",")}],
    });
    if package.source.is_some() {
        let checksum = checksums.get(&name_version).with_context(|| {
            format!(
                "Cargo.lock has no checksum of {} {}",
                name_version.0, name_version.1
            )
        })?;
        component["hashes"] = json!([{"alg": "SHA-256", "content": checksum}]);
    }
    Ok(component)
}

fn dependencies(
    build: &Build<'_>,
    metadata: &Metadata,
    used: &BTreeMap<PackageId, Use>,
) -> Result<Vec<Value>> {
    let reference = |id| reference(&metadata[id], build.commit);
    let resolve = metadata
        .resolve
        .as_ref()
        .context("cargo resolved nothing")?;
    let mut all = BTreeMap::new();
    for node in resolve
        .nodes
        .iter()
        .filter(|node| used.contains_key(&node.id))
    {
        let needed: BTreeSet<_> = node
            .deps
            .iter()
            .filter(|dep| used.contains_key(&dep.pkg))
            .filter(|dep| {
                dep.dep_kinds
                    .iter()
                    .any(|d| d.kind != DependencyKind::Development)
            })
            .map(|dep| reference(&dep.pkg))
            .collect();
        all.insert(reference(&node.id), needed);
    }
    for (file, _, package) in &build.files {
        let packages = metadata.packages.iter();
        let from = packages
            .filter(|p| p.source.is_none() && p.name == *package)
            .map(|p| reference(&p.id));
        all.insert(file.clone(), from.chain(["rust-std".to_owned()]).collect());
    }
    let files = build.files.iter().map(|(file, _, _)| file.clone());
    all.insert("canary-judge".to_owned(), files.collect());
    Ok(all
        .into_iter()
        .map(|(from, to)| json!({"ref": from, "dependsOn": to}))
        .collect())
}

/// A number that is the same for the same release: the format wants a UUID,
/// and a random one would make each document another.
fn serial_number(text: &str) -> String {
    let hex = e2e::digest::of_text(text);
    // Version 8 and variant 2: a UUID of one's own making (RFC 9562).
    format!(
        "urn:uuid:{}-{}-8{}-a{}-{}",
        &hex[..8],
        &hex[8..12],
        &hex[13..16],
        &hex[17..20],
        &hex[20..32]
    )
}

/// The programs' files that a document is about, with their digests.
pub(crate) fn files(document: &Value) -> BTreeMap<String, String> {
    let files = document["metadata"]["component"]["components"].as_array();
    let text = |value: &Value| value.as_str().map(str::to_owned);
    files
        .into_iter()
        .flatten()
        .filter_map(|file| Some((text(&file["name"])?, text(&file["hashes"][0]["content"])?)))
        .collect()
}

/// The commit that a document says was built.
pub(crate) fn commit(document: &Value) -> &str {
    let purl = document["metadata"]["component"]["purl"].as_str();
    purl.and_then(|purl| purl.split_once('@'))
        .map_or("unknown", |(_, commit)| commit)
}

/// The crates that a document lists for an architecture.
pub(crate) fn listed(document: &Value, arch: Arch) -> BTreeSet<NameVersion> {
    let components = document["components"].as_array().into_iter().flatten();
    components
        .filter(|component| {
            component["properties"]
                .as_array()
                .is_some_and(|properties| {
                    properties.iter().any(|property| {
                        property["name"] == ARCHS_PROPERTY
                            && property["value"]
                                .as_str()
                                .is_some_and(|archs| archs.split(',').any(|a| a == arch.name()))
                    })
                })
        })
        .filter_map(|c| {
            Some((
                c["name"].as_str()?.to_owned(),
                c["version"].as_str()?.to_owned(),
            ))
        })
        .collect()
}

/// What `cargo tree` says that the programs are built from: it knows which
/// features are on, and nothing of what was compiled.
pub(crate) struct Tree {
    /// What is in them, and the macros that they use.
    pub(crate) needed: BTreeSet<NameVersion>,
    /// That, and what build scripts may use. Not all of it is compiled: a crate
    /// may name such a dependency and come without its script.
    pub(crate) possible: BTreeSet<NameVersion>,
}

/// What `cargo tree` says for an architecture.
pub(crate) fn tree(arch: Arch) -> Result<Tree> {
    Ok(Tree {
        needed: reached(arch, "normal")?,
        possible: reached(arch, "normal,build")?,
    })
}

fn reached(arch: Arch, edges: &str) -> Result<BTreeSet<NameVersion>> {
    let mut tree = Command::new(env!("CARGO"));
    tree.args(["tree", "--locked", "--offline", "--edges", edges])
        .args(["--target", arch.target(), "--prefix", "none"])
        .args(["--format", "{p}", "--manifest-path"])
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"));
    for program in &PROGRAMS {
        tree.args(["--package", program.package]);
    }
    let text = e2e::command::output(&mut tree, VERSION_LIMIT)?;
    let reached = tree_lines(&text);
    ensure!(!reached.is_empty(), "cargo tree lists nothing");
    Ok(reached)
}

/// `name v1.2.3 (where from)`, a line.
fn tree_lines(text: &str) -> BTreeSet<NameVersion> {
    text.lines()
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            let name = words.next()?.to_owned();
            Some((name, words.next()?.strip_prefix('v')?.to_owned()))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn artifact(id: &PackageId, file: &str) -> String {
        let message = json!({
            "reason": "compiler-artifact",
            "package_id": id,
            "manifest_path": "/x/Cargo.toml",
            "target": {"kind": ["lib"], "crate_types": ["lib"], "name": "x", "src_path": "/x/lib.rs", "edition": "2024", "doc": true, "doctest": true, "test": true},
            "profile": {"opt_level": "3", "debuginfo": 0, "debug_assertions": false, "overflow_checks": false, "test": false},
            "features": [],
            "filenames": [file],
            "executable": null,
            "fresh": true,
        });
        format!("{message}\n")
    }

    const END: &str = "{\"reason\":\"build-finished\",\"success\":true}\n";

    /// A document of our own judge and of two crates from outside, as if they
    /// had been compiled.
    fn example() -> Value {
        let metadata = metadata().unwrap();
        let id = |name: &str| {
            let mut packages = metadata.packages.iter();
            packages.find(|p| p.name == name).unwrap().id.clone()
        };
        let shipped = "/t/dist/x86_64-unknown-linux-musl/release/libx.rlib";
        let messages = [
            artifact(&id("judge"), shipped),
            artifact(&id("memchr"), shipped),
            artifact(&id("serde_derive"), "/t/dist/release/libx.so"),
            END.to_owned(),
        ];
        let mut used = BTreeMap::new();
        compiled(Arch::Amd64, messages.concat().as_bytes(), &mut used).unwrap();
        let lock = fs::read_to_string(metadata.workspace_root.join("Cargo.lock")).unwrap();
        let build = Build {
            commit: "abc",
            time: Timestamp::UNIX_EPOCH,
            rustc: "rustc 1.95.0 (x)",
            files: vec![(
                "canary-judge-linux-amd64".to_owned(),
                "d1".to_owned(),
                "cli",
            )],
        };
        document(&build, &metadata, &used, &checksums(&lock).unwrap()).unwrap()
    }

    #[test]
    fn each_crate_has_what_the_document_is_for() {
        let document = example();
        let find = |name: &str| {
            let components = document["components"].as_array().unwrap();
            components
                .iter()
                .find(|c| c["name"] == name)
                .unwrap()
                .clone()
        };
        let memchr = find("memchr");
        let purl = format!("pkg:cargo/memchr@{}", memchr["version"].as_str().unwrap());
        assert_eq!(memchr["purl"], *purl);
        assert_eq!(memchr["licenses"][0]["expression"], "Unlicense OR MIT");
        assert_eq!(memchr["hashes"][0]["content"].as_str().unwrap().len(), 64);
        assert_eq!(memchr["scope"], "required");
        assert_eq!(find("serde_derive")["scope"], "excluded");
        // A registry may have another crate of this name.
        let judge = find("judge");
        assert_eq!(
            judge["purl"],
            "pkg:github/canary-judge/canary-judge@abc#crates/judge"
        );
        assert_eq!(judge["hashes"], Value::Null);
        let edges = document["dependencies"].as_array().unwrap();
        let edge = edges.iter().find(|e| e["ref"] == judge["bom-ref"]).unwrap();
        assert!(
            edge["dependsOn"]
                .as_array()
                .unwrap()
                .contains(&memchr["bom-ref"]),
            "{edge}"
        );
    }

    #[test]
    fn what_is_written_is_read_back() {
        let document = example();
        let names = |arch| {
            let listed = listed(&document, arch).into_iter();
            listed.map(|(name, _)| name).collect::<Vec<_>>()
        };
        assert_eq!(names(Arch::Amd64), ["judge", "memchr", "serde_derive"]);
        assert_eq!(names(Arch::Arm64), [""; 0]);
        assert_eq!(commit(&document), "abc");
        assert_eq!(files(&document)["canary-judge-linux-amd64"], "d1");
        assert_eq!(document, example(), "the same each time");
    }

    #[test]
    fn a_build_that_was_cut_short_is_no_source() {
        let mut used = BTreeMap::new();
        assert!(compiled(Arch::Amd64, &b""[..], &mut used).is_err());
        let failed = END.replace("true", "false");
        assert!(compiled(Arch::Amd64, failed.as_bytes(), &mut used).is_err());
        assert!(compiled(Arch::Amd64, END.as_bytes(), &mut used).is_ok());
    }

    #[test]
    fn lines_of_cargo_tree() {
        let text = "judge v0.1.0 (/x/crates/judge)\nserde v1.0.2\nserde_derive v1.0.2 (proc-macro) (*)\n\n";
        let names: Vec<_> = tree_lines(text).into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["judge", "serde", "serde_derive"]);
    }
}
