//! The plugin's Unix socket: private, and gone when it is not needed.

use std::collections::hash_map::RandomState;
use std::fs::{self, DirBuilder};
use std::hash::BuildHasher;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use tokio::net::{UnixListener, UnixStream};
use tracing::debug;

use crate::Error;

/// How many names are tried for the socket's folder. A second is needed once in 2⁶⁴.
const MAX_ATTEMPTS: usize = 8;

/// A listening socket in a folder of its own, which only this user may enter: the socket itself
/// could be reached between its making and a change of its mode. Both go away on drop.
pub(super) struct Socket {
    listener: UnixListener,
    directory: PathBuf,
    path: PathBuf,
}

impl Socket {
    pub(super) fn bind(parent: &Path) -> Result<Self, Error> {
        let failed = |source| Error::Listen {
            directory: parent.display().to_string(),
            source,
        };
        let directory = private_directory(parent).map_err(failed)?;
        let path = directory.join("socket");
        match UnixListener::bind(&path) {
            Ok(listener) => Ok(Self {
                listener,
                directory,
                path,
            }),
            Err(error) => {
                remove(fs::remove_dir(&directory));
                Err(failed(error))
            }
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) async fn accept(&self) -> io::Result<UnixStream> {
        self.listener.accept().await.map(|(stream, _)| stream)
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        remove(fs::remove_file(&self.path));
        remove(fs::remove_dir(&self.directory));
    }
}

/// What cannot be removed is left behind: it is empty, and the process has better things to do.
fn remove(outcome: io::Result<()>) {
    if let Err(error) = outcome {
        debug!(
            error = &error as &dyn std::error::Error,
            "left a socket behind"
        );
    }
}

fn private_directory(parent: &Path) -> io::Result<PathBuf> {
    let mut attempt = 0;
    loop {
        // The standard library's one source of randomness: hash keys.
        let directory = parent.join(format!(
            "plugin{:016x}",
            RandomState::new().hash_one(attempt)
        ));
        match DirBuilder::new().mode(0o700).create(&directory) {
            Ok(()) => return Ok(directory),
            Err(error)
                if error.kind() == io::ErrorKind::AlreadyExists && attempt < MAX_ATTEMPTS =>
            {
                attempt += 1;
            }
            Err(error) => return Err(error),
        }
    }
}
