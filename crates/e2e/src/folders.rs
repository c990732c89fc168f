//! Where things are kept: all of it outside the checkout.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::digest::hex;
use crate::error::{Error, Result};

/// The folder that holds everything, from what the environment says:
/// `CANARY_JUDGE_CACHE`, else `XDG_CACHE_HOME`, else `HOME`.
///
/// # Errors
/// When none of them is set, or the one that counts is not absolute.
pub fn cache_folder(
    own: Option<OsString>,
    xdg_cache_home: Option<OsString>,
    home: Option<OsString>,
) -> Result<PathBuf> {
    let set = |value: Option<OsString>| value.filter(|v| !v.is_empty()).map(PathBuf::from);
    let folder = set(own)
        .or_else(|| set(xdg_cache_home).map(|f| f.join("canary-judge")))
        .or_else(|| set(home).map(|f| f.join(".cache/canary-judge")));
    match folder {
        Some(folder) if folder.is_absolute() => Ok(folder),
        Some(folder) => Err(Error::Missing {
            what: format!("the cache folder {} is not absolute", folder.display()),
            mend: "export CANARY_JUDGE_CACHE=\"$PWD/cache\"".to_owned(),
        }),
        None => Err(Error::Missing {
            what: "none of CANARY_JUDGE_CACHE, XDG_CACHE_HOME and HOME is set".to_owned(),
            mend: "export CANARY_JUDGE_CACHE=/var/tmp/canary-judge".to_owned(),
        }),
    }
}

/// Longest path that still leaves room for a socket's name: the kernel takes
/// 107 bytes, and the deepest of ours is `containerd/containerd.sock.ttrpc`.
const STATE_LIMIT_BYTES: usize = 74;

/// The folders of one named box.
#[derive(Debug, Clone)]
pub struct Folders {
    cache: PathBuf,
    state: PathBuf,
    lock: PathBuf,
}

impl Folders {
    /// The folders of the box `name` under the cache folder.
    ///
    /// # Errors
    /// When the name is not a short DNS label, or the paths get too long for
    /// sockets.
    pub fn new(cache: PathBuf, name: &str) -> Result<Self> {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if name.is_empty() || name.len() > 16 || !name.chars().all(plain) {
            return Err(Error::Missing {
                what: format!("{name:?} is no name for a box"),
                mend: "use 1 to 16 of a-z, 0-9 and -".to_owned(),
            });
        }
        let state = cache.join("box").join(name);
        if state.as_os_str().len() > STATE_LIMIT_BYTES {
            return Err(Error::Missing {
                what: format!("{} is too long a path for sockets", state.display()),
                mend: "export CANARY_JUDGE_CACHE to a shorter folder".to_owned(),
            });
        }
        let lock = cache.join("box").join(format!("{name}.lock"));
        Ok(Self { cache, state, lock })
    }

    /// What survives boxes: built binaries.
    #[must_use]
    pub fn cache(&self) -> &Path {
        &self.cache
    }

    /// What belongs to the running box, and goes with it.
    #[must_use]
    pub fn state(&self) -> &Path {
        &self.state
    }

    /// The file that whoever starts or ends this box holds locked.
    #[must_use]
    pub fn lock(&self) -> &Path {
        &self.lock
    }

    /// The name of the box's control groups: two checkouts, or two names, never
    /// share one.
    #[must_use]
    pub fn control_group(&self) -> String {
        let digest = Sha256::digest(self.state.as_os_str().as_encoded_bytes());
        format!("canary-judge-{}", hex(&digest[..4]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_specific_setting_counts() {
        let os = |s: &str| Some(OsString::from(s));
        let folder = |a, b, c| cache_folder(a, b, c).unwrap();
        assert_eq!(folder(os("/a"), os("/b"), os("/c")), Path::new("/a"));
        assert_eq!(
            folder(os(""), os("/b"), os("/c")),
            Path::new("/b/canary-judge")
        );
        assert_eq!(
            folder(None, None, os("/c")),
            Path::new("/c/.cache/canary-judge")
        );
        assert!(cache_folder(None, None, None).is_err());
        assert!(cache_folder(os("here"), None, None).is_err());
    }

    #[test]
    fn names_are_labels_and_paths_leave_room_for_sockets() {
        let cache = PathBuf::from("/var/tmp/c");
        assert!(Folders::new(cache.clone(), "box").is_ok());
        for bad in ["", "../x", "A", "a/b", "a-name-that-is-too-long"] {
            assert!(Folders::new(cache.clone(), bad).is_err(), "{bad}");
        }
        let long = PathBuf::from(format!("/{}", "x".repeat(STATE_LIMIT_BYTES)));
        assert!(Folders::new(long, "box").is_err());
    }

    #[test]
    fn two_boxes_never_share_a_control_group() {
        let cache = PathBuf::from("/var/tmp/c");
        let one = Folders::new(cache.clone(), "one").unwrap();
        let two = Folders::new(cache, "two").unwrap();
        assert_ne!(one.control_group(), two.control_group());
    }
}
