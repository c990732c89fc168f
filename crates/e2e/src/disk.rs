//! Whether the disk has room for a box: a kubelet whose disk runs full evicts
//! pods, and what fails then says nothing of a disk.

use std::path::Path;

use crate::error::{Error, Result};

/// What must stay free for the kubelet to leave pods alone, in percent of the
/// disk: its `evictionHard`, and the figure here that follows from it.
pub(crate) const EVICTION_PERCENT: u64 = 1;
/// What a box writes while all scenarios run, with some to spare: unpacked
/// images, etcd, logs. Measured: 0.6 GiB with one group of them running.
const BOX_BYTES: u64 = 2 << 30;

/// The size of a disk and what of it is free, in bytes.
#[derive(Debug, Clone, Copy)]
struct Space {
    all_bytes: u64,
    free_bytes: u64,
}

/// Fails unless a box whose files lie in `folder`, which need not be there yet,
/// has room on its disk.
///
/// # Errors
/// With what is needed and how to get it; when the disk cannot be asked.
pub(crate) fn check(folder: &Path) -> Result<()> {
    let there = folder
        .ancestors()
        .find(|path| path.exists())
        .unwrap_or(Path::new("/"));
    let asked = rustix::fs::statvfs(there).map_err(Error::kernel(format!(
        "ask for the space at {}",
        there.display()
    )))?;
    let space = Space {
        all_bytes: asked.f_blocks.saturating_mul(asked.f_frsize),
        free_bytes: asked.f_bavail.saturating_mul(asked.f_frsize),
    };
    check_space(space, folder)
}

fn check_space(space: Space, folder: &Path) -> Result<()> {
    let evicts_bytes = space.all_bytes / 100 * EVICTION_PERCENT;
    let needed_bytes = evicts_bytes + BOX_BYTES;
    if space.free_bytes >= needed_bytes {
        return Ok(());
    }
    Err(Error::Missing {
        what: format!(
            "the disk of {} has {:.1} GiB free; a box needs {:.1}: below {:.1} \
             ({EVICTION_PERCENT} % of it) the kubelet evicts pods",
            folder.display(),
            gibibytes(space.free_bytes),
            gibibytes(needed_bytes),
            gibibytes(evicts_bytes),
        ),
        mend: "remove old builds (target folders; `cargo clean`), or export CANARY_JUDGE_CACHE=\
               a folder on a larger disk"
            .to_owned(),
    })
}

fn gibibytes(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 30)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIB: u64 = 1 << 30;

    #[test]
    fn a_box_needs_room_above_what_the_kubelet_keeps() {
        let folder = Path::new("/var/tmp/c/box/box");
        let fits = |all_bytes, free_bytes| {
            let space = Space {
                all_bytes,
                free_bytes,
            };
            check_space(space, folder)
        };
        assert!(fits(100 * GIB, 3 * GIB).is_ok());
        // One percent more of a disk ten times as large.
        assert!(fits(1_000 * GIB, 12 * GIB).is_ok());
        assert!(fits(1_000 * GIB, 12 * GIB - 1).is_err());
        let said = fits(200 * GIB, 3 * GIB).unwrap_err().to_string();
        for words in [
            "/var/tmp/c/box/box has 3.0 GiB free; a box needs 4.0: below 2.0",
            "CANARY_JUDGE_CACHE",
        ] {
            assert!(said.contains(words), "{said}");
        }
    }
}
