//! Bundles on disk: one file each, plain JSON or gzip.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use flate2::Compression;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;

use super::{Bundle, BundleError, canonical};

/// Bytes of a bundle, not compressed. A look at forty pods with a dozen
/// templates each over all buckets of a window takes 3.2 MiB (0.23 MiB packed),
/// one with two hundred about 40 MiB. What is read takes up to eight times its
/// bytes in memory.
pub const MAX_BUNDLE_BYTES: u64 = 64 << 20;

/// Bundles that a folder keeps: a rollout an hour for three months. The oldest
/// are removed for the newest, since those are asked for.
pub const MAX_FOLDER_FILES: usize = 2_000;

/// Bytes of the bundles that a folder keeps, as they lie there.
pub const MAX_FOLDER_BYTES: u64 = 512 << 20;

/// How long the half-written file of a process that was killed is kept, in
/// milliseconds: another process may still be writing its own.
pub const PARTS_KEPT_MS: i64 = 3_600_000;

/// Files of a folder that are looked at: a folder that holds more is no folder
/// of ours alone.
const MAX_LISTED: usize = 100_000;

/// Bytes of a name's part: a name of Kubernetes may have 253, a file's has 255.
const MAX_PART_BYTES: usize = 60;

/// How the names of ours end.
const SUFFIX: &str = ".bundle.json.gz";

/// How the names of half-written ones end, and what is in them.
const PART_SUFFIX: &str = ".part";
const PART_INFIX: &str = ".bundle-";

/// The bytes by which gzip is known.
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// Only whoever made a bundle may read it: it is redacted, and still says what
/// an application logs.
const MODE: u32 = 0o600;

/// Writes a bundle into a folder of bundles under a name of its own, and
/// removes the oldest above [`MAX_FOLDER_FILES`] and [`MAX_FOLDER_BYTES`].
///
/// The file is whole or not there, whenever the process is killed. The same
/// bundle written twice is one file.
///
/// # Errors
///
/// [`BundleError`]: the bundle is too large, or the folder is not there, not
/// writable, or full.
pub fn write(folder: &Path, bundle: &Bundle) -> Result<PathBuf, BundleError> {
    let mut name = String::new();
    let path = place(folder, &stem(bundle), |file| {
        let sha256 = pack(bundle, file)?;
        name = file_name(bundle, &sha256);
        Ok(folder.join(&name))
    })?;
    make_room(folder, bundle.at_ms, &name).map_err(|source| BundleError::MakeRoom {
        folder: folder.display().to_string(),
        source,
    })?;
    Ok(path)
}

/// Writes a bundle to a file, which is replaced; gzip if its name ends in
/// `.gz`.
///
/// # Errors
///
/// [`BundleError`]: the bundle is too large, or the file cannot be written.
pub fn save(path: &Path, bundle: &Bundle) -> Result<(), BundleError> {
    let folder = match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let is_gzip = path.extension().is_some_and(|end| end == "gz");
    let placed = place(folder, &name, |file| {
        if is_gzip {
            pack(bundle, file)?;
        } else {
            canonical::write(bundle, file)?;
        }
        Ok(path.to_owned())
    });
    placed.map(drop)
}

/// Reads and verifies a bundle, plain or gzip.
///
/// # Errors
///
/// [`BundleError`], as [`Bundle::from_bytes`], or the file cannot be read.
pub fn read(path: &Path) -> Result<Bundle, BundleError> {
    Bundle::from_bytes(&bytes(path, MAX_BUNDLE_BYTES)?)
}

/// What a file holds, plain or gzip, at most `limit_bytes` of it, unpacked.
///
/// # Errors
///
/// [`BundleError::Read`], or [`BundleError::TooLarge`] when there is more.
pub fn bytes(path: &Path, limit_bytes: u64) -> Result<Vec<u8>, BundleError> {
    let failed = |source| BundleError::Read {
        file: path.display().to_string(),
        source,
    };
    let bytes = File::open(path)
        .and_then(|file| unpacked(file, limit_bytes))
        .map_err(failed)?;
    if bytes.len() as u64 > limit_bytes {
        return Err(BundleError::TooLarge {
            limit_mib: limit_bytes >> 20,
        });
    }
    Ok(bytes)
}

/// What can be read, plain or gzip, and no more than one byte above the limit:
/// that one tells what is full from what goes on. So a small file that unpacks
/// to gigabytes costs no more than the limit.
pub(super) fn unpacked(mut reader: impl Read, limit_bytes: u64) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    reader
        .by_ref()
        .take(GZIP.len() as u64)
        .read_to_end(&mut head)?;
    let is_gzip = head == GZIP;
    let whole = io::Cursor::new(head).chain(reader);
    let taken = limit_bytes.saturating_add(1);
    let mut bytes = Vec::new();
    if is_gzip {
        MultiGzDecoder::new(io::BufReader::new(whole))
            .take(taken)
            .read_to_end(&mut bytes)?;
    } else {
        whole.take(taken).read_to_end(&mut bytes)?;
    }
    Ok(bytes)
}

/// The name of a bundle in a folder: time, namespace, rollout, and eight digits
/// of its hash; only `a-z A-Z 0-9 . _ -`.
#[must_use]
pub fn file_name(bundle: &Bundle, sha256: &str) -> String {
    let hash: String = sha256.chars().map(safe).take(8).collect();
    format!("{}-{hash}{SUFFIX}", stem(bundle))
}

/// What a name begins with: time, namespace, rollout.
fn stem(bundle: &Bundle) -> String {
    let mut stem = stamp(bundle.at_ms);
    for part in [&bundle.about.namespace, &bundle.about.rollout] {
        if !part.is_empty() {
            stem.push('-');
            stem.extend(part.chars().map(safe).take(MAX_PART_BYTES));
        }
    }
    stem
}

/// A time as `20261122T034821.002Z`: names in order are times in order.
fn stamp(ms: i64) -> String {
    jiff::Timestamp::from_millisecond(ms)
        .map_or_else(
            |_| "00000000T000000.000Z".to_owned(),
            |at| format!("{at:.3}"),
        )
        .replace(['-', ':'], "")
}

fn safe(c: char) -> char {
    if c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-') {
        c
    } else {
        '_'
    }
}

/// Writes the bundle's bytes, packed; their hash. No time and no name is in the
/// head of the file: equal bundles are equal files.
fn pack(bundle: &Bundle, file: &mut File) -> Result<String, BundleError> {
    let mut encoder = GzEncoder::new(file, Compression::default());
    let sha256 = canonical::write(bundle, &mut encoder)?;
    let finished = encoder.finish().map_err(serde_json::Error::io);
    finished.map_err(BundleError::Serialise)?;
    Ok(sha256)
}

/// Lets `fill` write a file beside its place and say where that is, then
/// renames it: a reader sees a whole file or none.
fn place(
    folder: &Path,
    stem: &str,
    fill: impl FnOnce(&mut File) -> Result<PathBuf, BundleError>,
) -> Result<PathBuf, BundleError> {
    /// Tells the files of one process apart; its id tells those of two.
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let process = std::process::id();
    let part = folder.join(format!("{stem}{PART_INFIX}{process}-{number}{PART_SUFFIX}"));
    let failed = |source| BundleError::Write {
        file: folder.join(stem).display().to_string(),
        source,
    };
    let opened = OpenOptions::new()
        .write(true)
        // What is there under this name is not ours, a link least of all.
        .create_new(true)
        .mode(MODE)
        .open(&part);
    let mut file = opened.map_err(failed)?;
    let placed = fill(&mut file).and_then(|path| {
        file.sync_all()
            .and_then(|()| fs::rename(&part, &path))
            .map_err(failed)?;
        Ok(path)
    });
    if placed.is_err() {
        // It is ours, and of no use to anybody.
        let _ = fs::remove_file(&part);
    }
    placed.map_err(|error| match error {
        // What went wrong while it was written went wrong with the file.
        BundleError::Serialise(cause) if cause.is_io() => failed(cause.into()),
        other => other,
    })
}

/// Removes the oldest bundles until the folder is within its limits, and what
/// killed processes left half-written. What has another name stays.
fn make_room(folder: &Path, now_ms: i64, newest: &str) -> io::Result<()> {
    let stale = stamp(now_ms.saturating_sub(PARTS_KEPT_MS));
    let mut ours = Vec::new();
    for entry in fs::read_dir(folder)?.take(MAX_LISTED) {
        let entry = entry?;
        let Ok(name) = entry.file_name().into_string() else {
            continue;
        };
        if !name.starts_with(|c: char| c.is_ascii_digit()) {
            continue;
        }
        if name.ends_with(PART_SUFFIX) && name.contains(PART_INFIX) && name < stale {
            remove(&entry.path())?;
        } else if name.ends_with(SUFFIX) && name != newest {
            match entry.metadata() {
                Ok(metadata) if metadata.is_file() => ours.push((name, metadata.len())),
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
    }
    ours.sort();
    let own_bytes = folder.join(newest).metadata().map_or(0, |own| own.len());
    let mut files = ours.len() + 1;
    let mut bytes = ours.iter().map(|(_, bytes)| bytes).sum::<u64>() + own_bytes;
    for (name, size) in ours {
        if files <= MAX_FOLDER_FILES && bytes <= MAX_FOLDER_BYTES {
            break;
        }
        remove(&folder.join(name))?;
        files -= 1;
        bytes -= size;
    }
    Ok(())
}

/// Removes a file; that another process has done so already is no failure.
fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
