//! Everything that must hold of a release before it is published.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use e2e::elf;
use serde_json::Value;

use crate::release::{self, Arch, Program, SBOM, SUMS};
use crate::sbom::{NameVersion, Tree};
use crate::{run, sbom};

const MIB: u64 = 1 << 20;
/// How many names of a list that is wrong are shown.
const SHOWN_NAMES: usize = 8;

/// Checks the release in `folder`, says each result, and tells whether all is
/// right. None of the `private` folders may be named in a program.
///
/// # Errors
/// When there is nothing to check, or the results cannot be written.
pub(crate) fn all(folder: &Path, private: &[PathBuf], out: &mut impl Write) -> Result<bool> {
    let files = release::files(folder);
    let shown = folder.display();
    ensure!(!files.is_empty(), "no release in {shown}: run `make dist`");
    let mut report = Report {
        out,
        is_right: true,
    };
    report.tell(SUMS, sums(folder))?;
    // Without a document every check of it fails, and says so.
    let document = read(&folder.join(SBOM)).and_then(|bytes| Ok(serde_json::from_slice(&bytes)?));
    let document: Value = document.unwrap_or_default();
    let commit = sbom::commit(&document);
    report.tell(&format!("{SBOM}, files"), describes(&document, &files))?;
    let archs: BTreeSet<Arch> = files.iter().map(|(arch, _, _)| *arch).collect();
    for arch in archs {
        let listed = sbom::listed(&document, arch);
        let complete = sbom::tree(arch).and_then(|tree| is_complete(&listed, &tree));
        report.tell(&format!("{SBOM}, {}", arch.name()), complete)?;
    }
    for (arch, program, path) in &files {
        let name = arch.file(program);
        let looked_at = read(path).and_then(|bytes| {
            names_none(&bytes, private)?;
            headers(&bytes, *arch, program)
        });
        report.tell(&name, looked_at)?;
        let started = run::started(*arch, program, path, commit);
        report.tell(&format!("{name}, started"), started)?;
    }
    Ok(report.is_right)
}

struct Report<W> {
    out: W,
    is_right: bool,
}

impl<W: Write> Report<W> {
    fn tell(&mut self, what: &str, result: Result<String>) -> std::io::Result<()> {
        self.is_right &= result.is_ok();
        match result {
            Ok(found) => writeln!(self.out, "ok   {what}: {found}"),
            Err(error) => writeln!(self.out, "BAD  {what}: {error:#}"),
        }
    }
}

fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}

/// The digests are those of the files, and no program is without one.
fn sums(folder: &Path) -> Result<String> {
    let text = String::from_utf8(read(&folder.join(SUMS))?)?;
    let mut sums = BTreeMap::new();
    for line in text.lines() {
        let (digest, name) = line.split_once("  ").context("not what sha256sum writes")?;
        ensure!(
            digest == e2e::digest::of_file(&folder.join(name))?,
            "{name} is not the file that was summed"
        );
        sums.insert(name, digest);
    }
    let files = release::files(folder);
    let names = files.iter().map(|(arch, program, _)| arch.file(program));
    for name in names.chain([SBOM.to_owned()]) {
        ensure!(sums.contains_key(name.as_str()), "{name} has no sum");
    }
    Ok(format!("{} files", sums.len()))
}

/// The document is about these files and no others.
fn describes(document: &Value, files: &[(Arch, &Program, PathBuf)]) -> Result<String> {
    let mut described = sbom::files(document);
    for (arch, program, path) in files {
        let name = arch.file(program);
        let digest = e2e::digest::of_file(path)?;
        ensure!(
            described.remove(&name) == Some(digest),
            "it is about another {name}: run `make dist`"
        );
    }
    if let Some(other) = described.keys().next() {
        bail!("it is about {other}, which is not there");
    }
    Ok(format!(
        "{} described, commit {}",
        files.len(),
        sbom::commit(document)
    ))
}

/// All that is needed is listed, and nothing that cannot be.
fn is_complete(listed: &BTreeSet<NameVersion>, tree: &Tree) -> Result<String> {
    let names = |a: &BTreeSet<NameVersion>, b: &BTreeSet<NameVersion>| {
        let names = a
            .difference(b)
            .map(|(name, version)| format!("{name} {version}"));
        names.take(SHOWN_NAMES).collect::<Vec<_>>().join(", ")
    };
    let (missing, extra) = (names(&tree.needed, listed), names(listed, &tree.possible));
    ensure!(missing.is_empty(), "without {missing}");
    ensure!(
        extra.is_empty(),
        "with {extra}, which cargo tree does not list"
    );
    Ok(format!(
        "{} crates, among them all {} of cargo tree",
        listed.len(),
        tree.needed.len()
    ))
}

/// For its machine, static, and small enough.
fn headers(file: &[u8], arch: Arch, program: &Program) -> Result<String> {
    let machine = elf::machine(file)?;
    ensure!(machine == arch.machine(), "it is for {machine:?}");
    let needed = elf::needed_beside_itself(file)?;
    ensure!(needed == 0, "it needs {needed} files beside itself");
    let bytes = u64::try_from(file.len())?;
    ensure!(
        bytes <= program.limit_mib * MIB,
        "{bytes} bytes, more than {} MiB",
        program.limit_mib
    );
    #[expect(clippy::cast_precision_loss, reason = "shown with two decimals")]
    let mib = bytes as f64 / MIB as f64;
    Ok(format!("{bytes} bytes ({mib:.2} MiB), {machine:?}, static"))
}

/// A program names no folder of the machine that built it: it would tell where,
/// and be another file on each machine.
fn names_none(file: &[u8], private: &[PathBuf]) -> Result<()> {
    for folder in private {
        let name = folder.as_os_str().as_encoded_bytes();
        // One letter, such as `/`, is in every file.
        ensure!(
            name.len() > 1,
            "{} is no folder to look for",
            folder.display()
        );
        if memchr::memmem::find(file, name).is_some() {
            bail!("it names {}, a folder of this machine", folder.display());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::release::PROGRAMS;

    fn crates(names: &[&str]) -> BTreeSet<NameVersion> {
        let version = "1.0.0".to_owned();
        names
            .iter()
            .map(|name| ((*name).to_owned(), version.clone()))
            .collect()
    }

    #[test]
    fn a_list_with_less_or_more_is_not_complete() {
        let tree = Tree {
            needed: crates(&["serde", "tokio"]),
            possible: crates(&["serde", "tokio", "cc"]),
        };
        let complete = |names: &[&str]| is_complete(&crates(names), &tree);
        assert!(complete(&["serde", "tokio"]).is_ok());
        assert!(complete(&["serde", "tokio", "cc"]).is_ok());
        let less = complete(&["serde", "cc"]).unwrap_err();
        assert_eq!(less.to_string(), "without tokio 1.0.0");
        let more = complete(&["serde", "tokio", "ring"]).unwrap_err();
        assert!(more.to_string().starts_with("with ring 1.0.0"), "{more}");
        assert!(complete(&[]).is_err());
    }

    #[test]
    fn a_folder_of_this_machine_is_found() {
        let private = [PathBuf::from("/home/me/.cargo")];
        assert!(names_none(b"\0/cargo/registry/x.rs\0", &private).is_ok());
        assert!(names_none(b"\0/home/me/.cargo/registry/x.rs\0", &private).is_err());
        assert!(
            names_none(b"", &[PathBuf::from("/")]).is_err(),
            "looks for nothing"
        );
    }

    fn release() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let mut sums = String::new();
        let files = PROGRAMS.iter().map(|program| Arch::Arm64.file(program));
        for name in files.chain([SBOM.to_owned()]) {
            let path = folder.path().join(&name);
            fs::write(&path, &name).unwrap();
            let digest = e2e::digest::of_file(&path).unwrap();
            sums.push_str(&format!("{digest}  {name}\n"));
        }
        fs::write(folder.path().join(SUMS), sums).unwrap();
        folder
    }

    #[test]
    fn a_changed_file_and_one_without_a_sum_are_found() {
        let folder = release();
        assert_eq!(sums(folder.path()).unwrap(), "4 files");
        let other = folder.path().join(Arch::Amd64.file(&PROGRAMS[0]));
        fs::write(&other, "").unwrap();
        let error = sums(folder.path()).unwrap_err().to_string();
        assert_eq!(error, "rollouts-plugin-metric-ai-linux-amd64 has no sum");
        fs::remove_file(other).unwrap();
        fs::write(folder.path().join("canary-judge-linux-arm64"), "changed").unwrap();
        let error = sums(folder.path()).unwrap_err().to_string();
        assert_eq!(
            error,
            "canary-judge-linux-arm64 is not the file that was summed"
        );
    }

    #[test]
    fn a_document_of_other_files_is_found() {
        let folder = release();
        let files = release::files(folder.path());
        let about = |digest: &dyn Fn(&Path) -> String| {
            let files = files.iter().map(|(arch, program, path)| {
                serde_json::json!({
                    "name": arch.file(program),
                    "hashes": [{"alg": "SHA-256", "content": digest(path)}],
                })
            });
            serde_json::json!({"metadata": {"component": {"components": files.collect::<Vec<_>>()}}})
        };
        let right = about(&|path| e2e::digest::of_file(path).unwrap());
        assert!(describes(&right, &files).is_ok());
        assert!(
            describes(&right, &files[1..]).is_err(),
            "one that is not there"
        );
        assert!(describes(&about(&|_| "other".to_owned()), &files).is_err());
        assert!(describes(&Value::Null, &files).is_err());
    }

    #[test]
    fn a_program_for_another_machine_or_too_large_is_found() {
        let mut file = vec![0; 0x78];
        file[..6].copy_from_slice(b"\x7fELF\x02\x01");
        file[0x12] = 183;
        file[0x20] = 0x40;
        file[0x36] = 0x38;
        file[0x38] = 1;
        file[0x40] = 1;
        let program = &PROGRAMS[0];
        assert!(headers(&file, Arch::Arm64, program).is_ok());
        assert!(headers(&file, Arch::Amd64, program).is_err());
        file.resize(17 << 20, 0);
        let error = headers(&file, Arch::Arm64, program)
            .unwrap_err()
            .to_string();
        assert!(error.contains("more than 16 MiB"), "{error}");
    }
}
