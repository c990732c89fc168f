//! The one process that is a box: how it is known again, and how it is ended.

use std::fs;
use std::path::Path;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// Longest wait for the kernel to end everything in the box.
const END_LIMIT: Duration = Duration::from_secs(30);

/// A process, told apart from a later one that got the same number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Process {
    /// Its number, as seen from outside the box.
    pub(crate) pid: i32,
    /// When it started, in clock ticks since the machine's start.
    start_ticks: u64,
    /// Which start of the machine that was.
    boot: String,
}

impl Process {
    /// The calling process, under the number that the mounted /proc gives it.
    pub(crate) fn this() -> Result<Self> {
        let link = Path::new("/proc/self");
        let target = fs::read_link(link).map_err(Error::file("read", link))?;
        let pid = target.to_string_lossy().parse().unwrap_or_default();
        Self::of(pid).ok_or_else(|| Error::Missing {
            what: "/proc does not show this process".to_owned(),
            mend: "mount -t proc proc /proc".to_owned(),
        })
    }

    /// The process that has this number now.
    pub(crate) fn of(pid: i32) -> Option<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
        Some(Self {
            pid,
            start_ticks: start_ticks(&stat)?,
            boot: boot.trim().to_owned(),
        })
    }

    /// Whether it still runs.
    pub(crate) fn is_alive(&self) -> bool {
        Self::of(self.pid).as_ref() == Some(self)
    }

    /// Ends it, and with it all of its process namespace, and waits until it
    /// has gone. Does nothing when it has gone already.
    pub(crate) fn end(&self) -> Result<()> {
        let Some(pid) = Pid::from_raw(self.pid) else {
            return Ok(());
        };
        let handle = match pidfd_open(pid, PidfdFlags::empty()) {
            Ok(handle) => handle,
            Err(rustix::io::Errno::SRCH) => return Ok(()),
            Err(errno) => return Err(Error::kernel(format!("watch process {}", self.pid))(errno)),
        };
        // The handle stays with the process it was opened on: once the check
        // has passed, the signal cannot reach another one.
        if !self.is_alive() {
            return Ok(());
        }
        match pidfd_send_signal(&handle, Signal::KILL) {
            Ok(()) | Err(rustix::io::Errno::SRCH) => {}
            Err(errno) => return Err(Error::kernel(format!("end process {}", self.pid))(errno)),
        }
        let timeout = Timespec {
            tv_sec: i64::try_from(END_LIMIT.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: 0,
        };
        let ended = poll(&mut [PollFd::new(&handle, PollFlags::IN)], Some(&timeout))
            .map_err(Error::kernel(format!("wait for process {}", self.pid)))?;
        if ended == 0 {
            return Err(Error::Deadline {
                what: format!("the end of process {}", self.pid),
                waited_s: END_LIMIT.as_secs(),
                last: String::new(),
            });
        }
        Ok(())
    }
}

/// The 22nd field of `/proc/PID/stat`. The second, the name, is in brackets
/// and may itself hold spaces and brackets. A zombie has ended.
fn start_ticks(stat: &str) -> Option<u64> {
    let (_, after_name) = stat.rsplit_once(") ")?;
    let mut fields = after_name.split_ascii_whitespace();
    let state = fields.next()?;
    if state == "Z" || state == "X" {
        return None;
    }
    fields.nth(18)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_brackets_does_not_shift_the_fields() {
        let rest = (4..=21)
            .map(|n| n.to_string())
            .collect::<Vec<_>>()
            .join(" ");
        let stat = format!("12 (a) b) ) S {rest} 777 23 24");
        assert_eq!(start_ticks(&stat), Some(777));
        assert_eq!(start_ticks(&stat.replace(") S ", ") Z ")), None);
        assert_eq!(start_ticks("12 (a"), None);
    }

    #[test]
    fn this_process_is_alive_and_known_again() {
        let this = Process::this().unwrap();
        assert!(this.is_alive());
    }

    #[test]
    fn another_process_with_our_number_is_not_ended() {
        let mut later = Process::this().unwrap();
        later.start_ticks += 1;
        assert!(!later.is_alive());
        // It has our own number: without the check this test would end here.
        later.end().unwrap();
    }

    #[test]
    fn a_process_of_another_start_of_the_machine_is_not_ours() {
        let mut old = Process::this().unwrap();
        old.boot = "another".to_owned();
        assert!(!old.is_alive());
        old.end().unwrap();
    }
}
