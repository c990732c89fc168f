//! Writes images without any tool: FROM scratch, one layer of given files, as
//! an OCI archive that containerd imports; for one machine, or one image for
//! several.
//!
//! The bytes depend on the files alone: no times, no owners, a fixed order.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read as _, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde_json::json;
use sha2::{Digest, Sha256};

use crate::digest::{Hashing, hex};
use crate::error::{Error, Result};

/// The user of an image that names none: nobody in particular, and not root.
pub const NOBODY: u32 = 65532;
/// Longest path in a tar header without extensions.
const NAME_LIMIT_BYTES: usize = 100;
/// Largest file in a tar header without extensions: eleven octal digits.
const FILE_LIMIT_BYTES: u64 = 8 << 30;
const BLOCK_BYTES: usize = 512;
const INDEX_TYPE: &str = "application/vnd.oci.image.index.v1+json";
const MANIFEST_TYPE: &str = "application/vnd.oci.image.manifest.v1+json";

/// What goes into one image.
#[derive(Debug, Clone)]
pub struct Image {
    /// Its full name with tag, such as `localhost/rollouts-demo:dev`.
    pub name: String,
    /// Path in the image → file on this machine.
    pub files: BTreeMap<String, PathBuf>,
    /// What is run, with the arguments that it always gets.
    pub entrypoint: Vec<String>,
    /// Arguments that it gets unless whoever runs it gives others.
    pub arguments: Vec<String>,
    /// What is told about it, by the names of the image specification.
    pub labels: BTreeMap<String, String>,
    /// The numeric user that runs it, in the group of the same number.
    pub user: u32,
    /// The folder in which it runs.
    pub working_folder: String,
}

impl Image {
    /// An image of one program, which is its entry point.
    #[must_use]
    pub fn of_program(name: &str, program: &Path) -> Self {
        let file = program.file_name().unwrap_or_default().to_string_lossy();
        Self {
            name: name.to_owned(),
            files: BTreeMap::from([(file.to_string(), program.to_owned())]),
            entrypoint: vec![format!("/{file}")],
            arguments: Vec::new(),
            labels: BTreeMap::new(),
            user: NOBODY,
            working_folder: "/".to_owned(),
        }
    }

    /// An image of a folder. Its entry point is the folder's only executable
    /// file at the top, unless one is given.
    ///
    /// # Errors
    /// When the folder cannot be read, or which file to run is not plain.
    pub fn of_folder(name: &str, folder: &Path, entrypoint: Option<&str>) -> Result<Self> {
        let mut files = BTreeMap::new();
        collect(folder, "", &mut files)?;
        let is_program =
            |path: &Path| fs::metadata(path).is_ok_and(|m| m.permissions().mode() & 0o111 != 0);
        let programs: Vec<_> = files
            .iter()
            .filter(|(name, path)| !name.contains('/') && is_program(path))
            .map(|(name, _)| format!("/{name}"))
            .collect();
        let entrypoint = match (entrypoint, programs.as_slice()) {
            (Some(given), _) => given.to_owned(),
            (None, [only]) => only.clone(),
            (None, several) => {
                return Err(Error::Missing {
                    what: format!(
                        "{} has {} executable files at the top",
                        folder.display(),
                        several.len()
                    ),
                    mend: "name the one to run: --entrypoint /PROGRAM".to_owned(),
                });
            }
        };
        Ok(Self {
            name: name.to_owned(),
            files,
            entrypoint: vec![entrypoint],
            arguments: Vec::new(),
            labels: BTreeMap::new(),
            user: NOBODY,
            working_folder: "/".to_owned(),
        })
    }
}

fn collect(folder: &Path, prefix: &str, files: &mut BTreeMap<String, PathBuf>) -> Result<()> {
    for entry in fs::read_dir(folder).map_err(Error::file("list", folder))? {
        let path = entry.map_err(Error::file("list", folder))?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let name = format!("{prefix}{name}");
        let kind = fs::symlink_metadata(&path).map_err(Error::file("read", &path))?;
        if kind.is_dir() {
            collect(&path, &format!("{name}/"), files)?;
        } else if kind.is_file() {
            files.insert(name, path);
        } else {
            return Err(Error::Missing {
                what: format!("{} is neither a file nor a folder", path.display()),
                mend: "images here hold plain files only: copy what the link points to".to_owned(),
            });
        }
    }
    Ok(())
}

/// Writes all `images`, which are for this machine, into one archive at
/// `path`. `scratch` is a folder for unfinished layers.
///
/// # Errors
/// When a file cannot be read, or the archive cannot be written.
pub fn write_archive(images: &[Image], path: &Path, scratch: &Path) -> Result<()> {
    into_archive(path, |archive| {
        let mut manifests = Vec::new();
        for image in images {
            let manifest = append(image, architecture(), archive, scratch)?;
            manifests.push(named(manifest, &image.name));
        }
        Ok(manifests)
    })
}

/// Writes one image called `name` that has a variant for each of several
/// architectures (as Go spells them, such as `arm64`), and returns the digest
/// that it can be pulled by, as `sha256:…`.
///
/// # Errors
/// As [`write_archive`].
pub fn write_for_all(
    name: &str,
    variants: &BTreeMap<String, Image>,
    path: &Path,
    scratch: &Path,
) -> Result<String> {
    let mut digest = String::new();
    into_archive(path, |archive| {
        let mut manifests = Vec::new();
        for (architecture, image) in variants {
            let mut manifest = append(image, architecture, archive, scratch)?;
            manifest["platform"] = json!({"architecture": architecture, "os": "linux"});
            manifests.push(manifest);
        }
        let index = Blob::of(&index(&manifests));
        archive.data(&blob(&index.digest), index.text.as_bytes())?;
        digest = format!("sha256:{}", index.digest);
        Ok(vec![named(index.descriptor(INDEX_TYPE), name)])
    })?;
    Ok(digest)
}

/// What makes an archive of what `fill` puts into it: the entries of its index
/// are what `fill` returns.
fn into_archive(
    path: &Path,
    fill: impl FnOnce(&mut Tar<io::BufWriter<File>>) -> io::Result<Vec<serde_json::Value>>,
) -> Result<()> {
    let file = File::create(path).map_err(Error::file("create", path))?;
    let mut archive = Tar::new(io::BufWriter::new(file));
    let result = (|| {
        archive.data("oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#)?;
        let manifests = fill(&mut archive)?;
        archive.data("index.json", index(&manifests).as_bytes())?;
        archive.finish()
    })();
    result.map_err(Error::file("write", path))
}

fn index(manifests: &[serde_json::Value]) -> String {
    json!({"schemaVersion": 2, "mediaType": INDEX_TYPE, "manifests": manifests}).to_string()
}

/// An entry of the outermost index, with what the image is to be called.
fn named(mut entry: serde_json::Value, name: &str) -> serde_json::Value {
    // The first is containerd's word for the whole name, the second the standard's.
    entry["annotations"] = json!({
        "io.containerd.image.name": name,
        "org.opencontainers.image.ref.name": name,
    });
    entry
}

fn append(
    image: &Image,
    architecture: &str,
    archive: &mut Tar<impl Write>,
    scratch: &Path,
) -> io::Result<serde_json::Value> {
    let layer_path = scratch.join("layer.unfinished");
    let layer = write_layer(image, &layer_path)?;
    archive.file(&blob(&layer.digest), &layer_path, 0o644)?;
    fs::remove_file(&layer_path)?;
    let config = Blob::of(
        &json!({
            "architecture": architecture,
            "os": "linux",
            "config": {
                "Entrypoint": image.entrypoint,
                "Cmd": image.arguments,
                "Labels": image.labels,
                // Without a group it would be in root's.
                "User": format!("{0}:{0}", image.user),
                "WorkingDir": image.working_folder,
            },
            "rootfs": {"type": "layers", "diff_ids": [format!("sha256:{}", layer.digest)]},
        })
        .to_string(),
    );
    let manifest = Blob::of(
        &json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST_TYPE,
            "config": config.descriptor("application/vnd.oci.image.config.v1+json"),
            "layers": [layer.descriptor("application/vnd.oci.image.layer.v1.tar")],
        })
        .to_string(),
    );
    for each in [&config, &manifest] {
        archive.data(&blob(&each.digest), each.text.as_bytes())?;
    }
    Ok(manifest.descriptor(MANIFEST_TYPE))
}

fn blob(digest: &str) -> String {
    format!("blobs/sha256/{digest}")
}

fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

fn write_layer(image: &Image, path: &Path) -> io::Result<Blob> {
    let mut layer = Tar::new(Hashing::new(io::BufWriter::new(File::create(path)?)));
    let mut made = std::collections::BTreeSet::new();
    for (name, source) in &image.files {
        for (end, _) in name.match_indices('/') {
            if made.insert(&name[..end]) {
                layer.folder(&name[..end])?;
            }
        }
        let mode = fs::metadata(source)?.permissions().mode() & 0o755;
        layer.file(name, source, mode)?;
    }
    let (digest, size_bytes) = layer.into_finished()?.finish();
    Ok(Blob {
        digest,
        size_bytes,
        text: String::new(),
    })
}

/// Something that is known by its digest.
struct Blob {
    digest: String,
    size_bytes: u64,
    text: String,
}

impl Blob {
    fn of(text: &str) -> Self {
        Self {
            digest: hex(&Sha256::digest(text)),
            size_bytes: text.len() as u64,
            text: text.to_owned(),
        }
    }

    fn descriptor(&self, media_type: &str) -> serde_json::Value {
        json!({
            "mediaType": media_type,
            "digest": format!("sha256:{}", self.digest),
            "size": self.size_bytes,
        })
    }
}

/// A writer of POSIX ustar archives: files and folders of root, without times.
struct Tar<W: Write> {
    to: W,
}

impl<W: Write> Tar<W> {
    fn new(to: W) -> Self {
        Self { to }
    }

    fn folder(&mut self, name: &str) -> io::Result<()> {
        self.header(&format!("{name}/"), Kind::Folder, 0, 0o755)
    }

    fn data(&mut self, name: &str, content: &[u8]) -> io::Result<()> {
        self.header(name, Kind::File, content.len() as u64, 0o644)?;
        self.to.write_all(content)?;
        self.pad(content.len() as u64)
    }

    fn file(&mut self, name: &str, source: &Path, mode: u32) -> io::Result<()> {
        let mut file = File::open(source)?;
        let size_bytes = file.metadata()?.len();
        self.header(name, Kind::File, size_bytes, mode)?;
        let copied = io::copy(&mut (&mut file).take(size_bytes), &mut self.to)?;
        if copied != size_bytes {
            return Err(io::Error::other("a file changed while it was read"));
        }
        self.pad(size_bytes)
    }

    fn header(&mut self, name: &str, kind: Kind, size_bytes: u64, mode: u32) -> io::Result<()> {
        if name.len() > NAME_LIMIT_BYTES || size_bytes >= FILE_LIMIT_BYTES {
            return Err(io::Error::other(format!("{name} is too long or too large")));
        }
        let mut header = [0; BLOCK_BYTES];
        let mut put = |at: usize, text: &str| {
            header[at..at + text.len()].copy_from_slice(text.as_bytes());
        };
        put(0, name);
        put(100, &format!("{mode:07o}"));
        put(108, "0000000");
        put(116, "0000000");
        put(124, &format!("{size_bytes:011o}"));
        put(136, "00000000000");
        put(148, "        ");
        put(156, kind.flag());
        put(257, "ustar");
        put(263, "00");
        let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
        header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        self.to.write_all(&header)
    }

    fn pad(&mut self, size_bytes: u64) -> io::Result<()> {
        let over = usize::try_from(size_bytes % BLOCK_BYTES as u64).unwrap_or_default();
        let missing = (BLOCK_BYTES - over) % BLOCK_BYTES;
        self.to.write_all(&[0; BLOCK_BYTES][..missing])
    }

    fn finish(&mut self) -> io::Result<()> {
        self.to.write_all(&[0; 2 * BLOCK_BYTES])?;
        self.to.flush()
    }

    fn into_finished(mut self) -> io::Result<W> {
        self.finish()?;
        Ok(self.to)
    }
}

#[derive(Clone, Copy)]
enum Kind {
    File,
    Folder,
}

impl Kind {
    fn flag(self) -> &'static str {
        match self {
            Self::File => "0",
            Self::Folder => "5",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder_with_a_program() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("etc")).unwrap();
        fs::write(folder.path().join("etc/settings"), "a=b").unwrap();
        let program = folder.path().join("demo");
        fs::write(&program, "#!/bin/true\n").unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        folder
    }

    #[test]
    fn an_archive_is_read_by_tar_and_is_the_same_each_time() {
        let folder = folder_with_a_program();
        let out = tempfile::tempdir().unwrap();
        let image = Image::of_folder("localhost/demo:1", folder.path(), None).unwrap();
        assert_eq!(image.entrypoint, ["/demo"]);
        let mut bytes = Vec::new();
        for name in ["one.tar", "two.tar"] {
            let path = out.path().join(name);
            write_archive(std::slice::from_ref(&image), &path, out.path()).unwrap();
            bytes.push(fs::read(&path).unwrap());
        }
        assert_eq!(bytes[0], bytes[1]);
        let mut tar = std::process::Command::new("tar");
        tar.arg("-tvf").arg(out.path().join("one.tar"));
        let listed = crate::command::output(&mut tar, std::time::Duration::from_secs(10)).unwrap();
        for name in ["oci-layout", "index.json", "blobs/sha256/"] {
            assert!(listed.contains(name), "{listed}");
        }
    }

    #[test]
    fn every_blob_has_the_digest_in_its_name() {
        let folder = folder_with_a_program();
        let out = tempfile::tempdir().unwrap();
        let image = Image::of_folder("localhost/demo:1", folder.path(), None).unwrap();
        let archive = out.path().join("image.tar");
        write_archive(&[image], &archive, out.path()).unwrap();
        let mut tar = std::process::Command::new("tar");
        tar.arg("-xf").arg(&archive).arg("-C").arg(out.path());
        crate::command::output(&mut tar, std::time::Duration::from_secs(10)).unwrap();
        let blobs = fs::read_dir(out.path().join("blobs/sha256")).unwrap();
        let mut count = 0;
        for blob in blobs.flatten() {
            let content = fs::read(blob.path()).unwrap();
            assert_eq!(
                hex(&Sha256::digest(content)),
                blob.file_name().to_string_lossy()
            );
            count += 1;
        }
        assert_eq!(count, 3, "a layer, a configuration, a manifest");
    }

    #[test]
    fn which_program_runs_is_never_guessed() {
        let folder = folder_with_a_program();
        let second = folder.path().join("other");
        fs::copy(folder.path().join("demo"), &second).unwrap();
        assert!(Image::of_folder("localhost/demo:1", folder.path(), None).is_err());
        let told = Image::of_folder("localhost/demo:1", folder.path(), Some("/other")).unwrap();
        assert_eq!(told.entrypoint, ["/other"]);
    }
}
