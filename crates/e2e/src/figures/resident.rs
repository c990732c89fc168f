//! How much memory a process holds, from `/proc`.

use std::fs;

use anyhow::{Context, Result};

use bench::figure::Value;

/// Which of the kernel's two figures.
#[derive(Debug, Clone, Copy)]
pub enum Resident {
    /// `VmRSS`: now.
    Now,
    /// `VmHWM`: the most since the process began.
    Peak,
}

/// The resident memory of a process.
///
/// # Errors
/// When the process is gone.
pub fn resident(pid: u32, which: Resident) -> Result<Value> {
    let path = format!("/proc/{pid}/status");
    let status = fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
    let kibibytes = field(&status, which).with_context(|| format!("no memory in {path}"))?;
    Ok(Value::bytes(kibibytes * 1_024))
}

fn field(status: &str, which: Resident) -> Option<u64> {
    let name = match which {
        Resident::Now => "VmRSS:",
        Resident::Peak => "VmHWM:",
    };
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.trim().strip_suffix(" kB")?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_figures_are_read_in_kibibytes() {
        let status = "Name:\tx\nVmHWM:\t    2048 kB\nVmRSS:\t    1024 kB\nThreads:\t1\n";
        assert_eq!(field(status, Resident::Now), Some(1_024));
        assert_eq!(field(status, Resident::Peak), Some(2_048));
    }

    #[test]
    fn a_process_that_is_ending_has_none() {
        assert_eq!(field("Name:\tx\nState:\tZ (zombie)\n", Resident::Now), None);
    }
}
