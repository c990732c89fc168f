//! How much memory a process holds.

use std::fs;

/// What `/proc` counts in. Where pages are larger (arm64 may have 64 KiB) a
/// limit is reached later, never earlier.
const PAGE_BYTES: u64 = 4_096;

/// Bytes that a process holds resident; `None` where it is gone, or where the
/// system has no `/proc` and no limit can be kept.
pub(crate) fn resident_bytes(pid: u32) -> Option<u64> {
    let statm = fs::read_to_string(format!("/proc/{pid}/statm")).ok()?;
    let pages: u64 = statm.split_whitespace().nth(1)?.parse().ok()?;
    Some(pages * PAGE_BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_holds_some_memory_and_no_process_none() {
        assert!(resident_bytes(std::process::id()) > Some(100_000));
        assert_eq!(resident_bytes(u32::MAX), None);
    }
}
