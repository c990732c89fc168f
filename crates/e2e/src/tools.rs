//! Builds the programs of a cluster from their pinned Go modules, once, into
//! the cache.
//!
//! A tool's folder is named by a hash of everything that decides its content,
//! is written under another name, and is renamed when it is whole: a folder
//! that is there is complete, and what it should hold is recorded beside it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::command::output;
use crate::digest::{Hashing, hex};
use crate::error::{Error, Result};
use crate::lock::Lock;
use crate::progress;

/// One Go module with the programs that are built from it.
#[derive(Debug)]
pub struct Tool {
    /// Its folder below `tools/`, and in the cache.
    pub name: &'static str,
    /// The programs: package and file name.
    programs: &'static [(&'static str, &'static str)],
    /// Linker flags beyond `-s -w`.
    link: &'static str,
    /// A file of the module that is kept as well: module path, path in it.
    manifest: Option<(&'static str, &'static str)>,
}

/// Kubernetes asks its own version, and refuses to run without one.
const KUBERNETES_LINK: &str = "-X k8s.io/component-base/version.gitVersion=v1.34.4 \
    -X k8s.io/component-base/version.gitMajor=1 -X k8s.io/component-base/version.gitMinor=34 \
    -X k8s.io/component-base/version.gitTreeState=clean \
    -X k8s.io/component-base/version.gitCommit=unknown";

/// Kubernetes 1.34: the last that runs on cgroup v1.
pub const KUBERNETES: Tool = Tool {
    name: "kubernetes",
    programs: &[
        ("k8s.io/kubernetes/cmd/kube-apiserver", "kube-apiserver"),
        (
            "k8s.io/kubernetes/cmd/kube-controller-manager",
            "kube-controller-manager",
        ),
        ("k8s.io/kubernetes/cmd/kube-scheduler", "kube-scheduler"),
        ("k8s.io/kubernetes/cmd/kubelet", "kubelet"),
        ("k8s.io/kubernetes/cmd/kube-proxy", "kube-proxy"),
        ("k8s.io/kubernetes/cmd/kubectl", "kubectl"),
    ],
    link: KUBERNETES_LINK,
    manifest: None,
};

/// The store of the API server.
pub const ETCD: Tool = Tool {
    name: "etcd",
    programs: &[("go.etcd.io/etcd/server/v3", "etcd")],
    link: "",
    manifest: None,
};

/// Names for pods.
pub const COREDNS: Tool = Tool {
    name: "coredns",
    programs: &[("github.com/coredns/coredns", "coredns")],
    link: "",
    manifest: None,
};

const ROLLOUTS_PROGRAM: &[(&str, &str)] = &[(
    "github.com/argoproj/argo-rollouts/cmd/rollouts-controller",
    "rollouts-controller",
)];
const ROLLOUTS_MANIFEST: Option<(&str, &str)> = Some((
    "github.com/argoproj/argo-rollouts",
    "manifests/install.yaml",
));

/// The newest supported Argo Rollouts.
pub const ROLLOUTS_1_10: Tool = Tool {
    name: "argo-rollouts-1.10",
    programs: ROLLOUTS_PROGRAM,
    link: "",
    manifest: ROLLOUTS_MANIFEST,
};

/// The oldest supported Argo Rollouts.
pub const ROLLOUTS_1_8: Tool = Tool {
    name: "argo-rollouts-1.8",
    programs: ROLLOUTS_PROGRAM,
    link: "",
    manifest: ROLLOUTS_MANIFEST,
};

/// All of them, in the order in which they are built.
pub const ALL: &[Tool] = &[KUBERNETES, ETCD, COREDNS, ROLLOUTS_1_10, ROLLOUTS_1_8];

/// Longest time for one program: a cold build of Kubernetes took eight minutes
/// for six of them on two cores.
const BUILD_LIMIT: Duration = Duration::from_secs(45 * 60);
/// Longest time for a question to `go`, which may have to fetch a module list.
const ASK_LIMIT: Duration = Duration::from_secs(300);
/// Enough of the hash that two builds never meet.
const HASH_LIMIT_BYTES: usize = 8;
/// Changed when the way of building changes, so that old folders are left alone.
const LAYOUT: &str = "1";
const RECORD: &str = "record.json";

/// What a tool's folder should hold.
#[derive(Debug, Serialize, Deserialize)]
struct Record {
    files: BTreeMap<String, FileRecord>,
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct FileRecord {
    size_bytes: u64,
    sha256: String,
}

/// The built tools, each in its folder.
#[derive(Debug, Clone)]
pub struct Built {
    folders: BTreeMap<&'static str, PathBuf>,
}

impl Built {
    /// The path of one program or manifest of a tool.
    #[must_use]
    pub fn path(&self, tool: &Tool, file: &str) -> PathBuf {
        self.folders
            .get(tool.name)
            .map_or_else(|| PathBuf::from(file), |folder| folder.join(file))
    }
}

/// Builds what is not in the cache yet, and returns where everything is.
///
/// # Errors
/// When Go is missing or too old, a module cannot be fetched or built, or the
/// cache cannot be written.
pub fn build(cache: &Path) -> Result<Built> {
    build_only(cache, ALL)
}

/// As [`build`], only these.
///
/// # Errors
/// As [`build`].
pub fn build_only(cache: &Path, tools: &[Tool]) -> Result<Built> {
    let version = go_version()?;
    let bin = cache.join("bin");
    let mut folders = BTreeMap::new();
    let mut lock = None;
    for tool in tools {
        let sources = sources_folder().join(tool.name);
        let folder = bin.join(format!("{}-{}", tool.name, hash(tool, &sources, &version)?));
        if !is_whole(&folder, Check::Sizes) {
            if lock.is_none() {
                lock = Some(Lock::take(&cache.join("bin.lock"))?);
                remove_unfinished(&bin)?;
            }
            // Whoever held the lock may have built it meanwhile.
            if !is_whole(&folder, Check::Sizes) {
                build_tool(tool, &sources, &folder)?;
            }
        }
        folders.insert(tool.name, folder);
    }
    Ok(Built { folders })
}

/// Reads every built file again and compares it with its record; a folder that
/// differs is removed.
///
/// # Errors
/// When a folder that differs cannot be removed.
pub fn verify(cache: &Path) -> Result<()> {
    let bin = cache.join("bin");
    let Ok(entries) = fs::read_dir(&bin) else {
        return Ok(());
    };
    for entry in entries.flatten() {
        let folder = entry.path();
        if folder.is_dir() && !is_hidden(&folder) && !is_whole(&folder, Check::Content) {
            progress::say(&format!("{} is damaged: removed", folder.display()));
            fs::remove_dir_all(&folder).map_err(Error::file("remove", &folder))?;
        }
    }
    Ok(())
}

fn sources_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tools")
}

fn go_version() -> Result<String> {
    match output(Command::new("go").arg("version"), ASK_LIMIT) {
        Err(Error::Spawn { .. }) => Err(Error::Missing {
            what: "there is no `go` to build Kubernetes with".to_owned(),
            mend: "install Go 1.26.1 or newer and put it on the PATH".to_owned(),
        }),
        other => other,
    }
}

fn hash(tool: &Tool, sources: &Path, go_version: &str) -> Result<String> {
    let mut hash = Sha256::new();
    let mut add = |part: &[u8]| {
        hash.update(part.len().to_le_bytes());
        hash.update(part);
    };
    for name in ["go.mod", "go.sum"] {
        let path = sources.join(name);
        add(&fs::read(&path).map_err(Error::file("read", &path))?);
    }
    for part in [LAYOUT, go_version, tool.link] {
        add(part.as_bytes());
    }
    for (package, file) in tool.programs.iter().chain(&tool.manifest) {
        add(package.as_bytes());
        add(file.as_bytes());
    }
    Ok(hex(&hash.finalize()[..HASH_LIMIT_BYTES]))
}

fn go(sources: &Path) -> Command {
    let mut go = Command::new("go");
    go.current_dir(sources)
        .env("CGO_ENABLED", "0")
        .env("GOWORK", "off")
        .env("GOFLAGS", "-mod=readonly -buildvcs=false");
    go
}

fn build_tool(tool: &Tool, sources: &Path, folder: &Path) -> Result<()> {
    let unfinished = folder.with_file_name(format!(".{}.unfinished", tool.name));
    fs::create_dir_all(&unfinished).map_err(Error::file("create", &unfinished))?;
    for (package, file) in tool.programs {
        progress::step(&format!("build {} ({})", file, tool.name), || {
            let flags = format!("-s -w {}", tool.link);
            let mut go = go(sources);
            go.args(["build", "-trimpath", "-ldflags", flags.trim(), "-o"])
                .arg(unfinished.join(file))
                .arg(package);
            output(&mut go, BUILD_LIMIT)
        })?;
    }
    if let Some((module, path)) = tool.manifest {
        let mut list = go(sources);
        list.args(["list", "-m", "-f", "{{.Dir}}", module]);
        let module_folder = output(&mut list, ASK_LIMIT)?;
        let from = Path::new(module_folder.trim()).join(path);
        let to = unfinished.join(Path::new(path).file_name().unwrap_or_default());
        let manifest = fs::read(&from).map_err(Error::file("read", &from))?;
        fs::write(&to, manifest).map_err(Error::file("write", &to))?;
    }
    write_record(&unfinished)?;
    if folder.exists() {
        fs::remove_dir_all(folder).map_err(Error::file("remove", folder))?;
    }
    fs::rename(&unfinished, folder).map_err(Error::file("rename", &unfinished))
}

fn write_record(folder: &Path) -> Result<()> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(folder).map_err(Error::file("list", folder))? {
        let path = entry.map_err(Error::file("list", folder))?.path();
        // The rename must not reach the disk before the content does.
        fs::File::open(&path)
            .and_then(|file| file.sync_all())
            .map_err(Error::file("flush", &path))?;
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        files.insert(name.into_owned(), file_record(&path)?);
    }
    let path = folder.join(RECORD);
    let text = serde_json::to_vec_pretty(&Record { files }).map_err(|source| Error::Json {
        what: path.display().to_string(),
        source,
    })?;
    fs::write(&path, text)
        .and_then(|()| fs::File::open(&path)?.sync_all())
        .map_err(Error::file("write", &path))
}

fn file_record(path: &Path) -> Result<FileRecord> {
    let mut file = fs::File::open(path).map_err(Error::file("open", path))?;
    let mut hashing = Hashing::new(std::io::sink());
    std::io::copy(&mut file, &mut hashing).map_err(Error::file("read", path))?;
    let (sha256, size_bytes) = hashing.finish();
    Ok(FileRecord { size_bytes, sha256 })
}

/// How closely a folder is compared with its record.
#[derive(Clone, Copy)]
enum Check {
    Sizes,
    Content,
}

fn is_whole(folder: &Path, check: Check) -> bool {
    let Ok(text) = fs::read(folder.join(RECORD)) else {
        return false;
    };
    let Ok(record) = serde_json::from_slice::<Record>(&text) else {
        return false;
    };
    !record.files.is_empty()
        && record.files.iter().all(|(name, wanted)| {
            let path = folder.join(name);
            match check {
                Check::Sizes => fs::metadata(&path).is_ok_and(|m| m.len() == wanted.size_bytes),
                Check::Content => file_record(&path).is_ok_and(|found| found == *wanted),
            }
        })
}

fn is_hidden(path: &Path) -> bool {
    path.file_name()
        .is_some_and(|name| name.as_encoded_bytes().starts_with(b"."))
}

/// Removes what a build that was ended left. Only called with the lock held.
fn remove_unfinished(bin: &Path) -> Result<()> {
    fs::create_dir_all(bin).map_err(Error::file("create", bin))?;
    for entry in fs::read_dir(bin).map_err(Error::file("list", bin))? {
        let path = entry.map_err(Error::file("list", bin))?.path();
        if is_hidden(&path) {
            fs::remove_dir_all(&path).map_err(Error::file("remove", &path))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder_with(content: &str) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("tool"), content).unwrap();
        write_record(folder.path()).unwrap();
        folder
    }

    #[test]
    fn a_recorded_folder_is_whole() {
        let folder = folder_with("binary");
        assert!(is_whole(folder.path(), Check::Sizes));
        assert!(is_whole(folder.path(), Check::Content));
    }

    #[test]
    fn a_shorter_file_is_not_trusted() {
        let folder = folder_with("binary");
        fs::write(folder.path().join("tool"), "bin").unwrap();
        assert!(!is_whole(folder.path(), Check::Sizes));
    }

    #[test]
    fn a_changed_file_is_not_trusted() {
        let folder = folder_with("binary");
        fs::write(folder.path().join("tool"), "yranib").unwrap();
        assert!(!is_whole(folder.path(), Check::Content));
    }

    #[test]
    fn a_folder_without_a_record_is_not_trusted() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("tool"), "binary").unwrap();
        assert!(!is_whole(folder.path(), Check::Sizes));
    }

    #[test]
    fn another_go_or_another_flag_is_another_build() {
        let sources = sources_folder().join(ETCD.name);
        let one = hash(&ETCD, &sources, "go1.26.1").unwrap();
        assert_ne!(one, hash(&ETCD, &sources, "go1.26.2").unwrap());
        let flagged = Tool {
            link: "-X a=b",
            ..ETCD
        };
        assert_ne!(one, hash(&flagged, &sources, "go1.26.1").unwrap());
    }
}
