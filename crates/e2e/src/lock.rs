//! A file that one process at a time holds locked. The kernel lets go of it
//! when the process ends, however it ends.

use std::fs::File;
use std::path::Path;

use rustix::fs::{FlockOperation, flock};

use crate::error::{Error, Result};
use crate::progress;

/// A lock that is held until this is dropped.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the lock, and says so when another process has it first.
    ///
    /// # Errors
    /// When the file cannot be made or locked.
    pub fn take(path: &Path) -> Result<Self> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(Error::file("create", folder))?;
        }
        let file = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(path)
            .map_err(Error::file("open", path))?;
        if flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
            progress::say(&format!(
                "waiting for another box command ({})",
                path.display()
            ));
            flock(&file, FlockOperation::LockExclusive)
                .map_err(Error::kernel(format!("lock {}", path.display())))?;
        }
        Ok(Self { _file: file })
    }
}
