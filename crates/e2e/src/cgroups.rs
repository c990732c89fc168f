//! The control groups of a box: made before it starts, and what is left in
//! them ended and removed after it.
//!
//! All of a box lives below one group with a name of its own, in every
//! hierarchy, so that also what outlived an unclean end is known as ours.

use std::collections::BTreeSet;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::error::{Error, Result};

const ROOT: &str = "/sys/fs/cgroup";
/// The controllers that the kubelet needs.
const CONTROLLERS: &[&str] = &["cpu", "cpuacct", "cpuset", "memory", "pids"];
/// The leaf that holds the box's own processes: in version 2 a group has
/// processes or children.
const LEAF: &str = "box";
/// Longest wait for ended processes to leave their groups.
const LEAVE_LIMIT: Duration = Duration::from_secs(20);
/// How often is looked whether they have.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Whether the default hierarchy is version 2.
fn is_v2() -> bool {
    Path::new(ROOT).join("cgroup.controllers").exists()
}

/// Every hierarchy that is mounted.
fn hierarchies() -> Vec<PathBuf> {
    if is_v2() {
        return vec![PathBuf::from(ROOT)];
    }
    let Ok(entries) = fs::read_dir(ROOT) else {
        return Vec::new();
    };
    // `cpu` is often a link to `cpu,cpuacct`: each hierarchy once.
    let found: BTreeSet<_> = entries
        .flatten()
        .filter_map(|entry| fs::canonicalize(entry.path()).ok())
        .filter(|path| path.join("cgroup.procs").exists())
        .collect();
    found.into_iter().collect()
}

/// Checks that the controllers are there and can be used.
///
/// # Errors
/// With what mends it, when a controller is missing or may not be delegated.
pub(crate) fn check() -> Result<()> {
    let missing: Vec<_> = if is_v2() {
        let path = Path::new(ROOT).join("cgroup.controllers");
        let text = fs::read_to_string(&path).map_err(Error::file("read", &path))?;
        let has: BTreeSet<_> = text.split_whitespace().collect();
        let needed = CONTROLLERS.iter().filter(|name| **name != "cpuacct");
        needed.filter(|name| !has.contains(*name)).collect()
    } else {
        let is_there = |name: &&&str| Path::new(ROOT).join(name).join("cgroup.procs").exists();
        CONTROLLERS.iter().filter(|n| !is_there(n)).collect()
    };
    if missing.is_empty() {
        return Ok(());
    }
    Err(Error::Missing {
        what: format!("the control group controllers {missing:?} are not to be had in {ROOT}"),
        mend: "mount -t cgroup2 cgroup2 /sys/fs/cgroup (in a container: start it privileged)"
            .to_owned(),
    })
}

/// Makes the group `name` in every hierarchy and moves the calling process
/// into its leaf.
///
/// # Errors
/// When a group cannot be made or joined.
pub(crate) fn enter(name: &str) -> Result<()> {
    for hierarchy in hierarchies() {
        if is_v2() {
            delegate(&hierarchy)?;
        }
        let group = hierarchy.join(name);
        fs::create_dir_all(&group).map_err(Error::file("create", &group))?;
        if is_v2() {
            delegate(&group)?;
        }
        let leaf = group.join(LEAF);
        fs::create_dir_all(&leaf).map_err(Error::file("create", &leaf))?;
        if !is_v2() {
            inherit_cpuset(&group)?;
            inherit_cpuset(&leaf)?;
        }
        let procs = leaf.join("cgroup.procs");
        fs::write(&procs, "0").map_err(Error::file("write", &procs))?;
    }
    Ok(())
}

/// Version 2: lets the children of a group use the controllers.
fn delegate(group: &Path) -> Result<()> {
    let control = group.join("cgroup.subtree_control");
    let wanted: Vec<_> = CONTROLLERS
        .iter()
        .filter(|name| **name != "cpuacct")
        .map(|name| format!("+{name}"))
        .collect();
    match fs::write(&control, wanted.join(" ")) {
        Err(error) if error.kind() == ErrorKind::ResourceBusy => Err(Error::Missing {
            what: format!(
                "{} holds processes, so it cannot delegate its controllers",
                group.display()
            ),
            mend: "mkdir -p /sys/fs/cgroup/init && for p in $(cat /sys/fs/cgroup/cgroup.procs); \
                   do echo $p > /sys/fs/cgroup/init/cgroup.procs; done"
                .to_owned(),
        }),
        other => other.map_err(Error::file("write", &control)),
    }
}

/// Version 1: a new cpuset is empty, and takes no process until it is filled.
fn inherit_cpuset(group: &Path) -> Result<()> {
    for file in ["cpuset.cpus", "cpuset.mems"] {
        let path = group.join(file);
        let Some(parent) = group.parent().filter(|_| path.exists()) else {
            continue;
        };
        let above = parent.join(file);
        let value = fs::read_to_string(&above).map_err(Error::file("read", &above))?;
        fs::write(&path, value.trim()).map_err(Error::file("write", &path))?;
    }
    Ok(())
}

/// Ends every process that is still in the group `name`, and removes it.
///
/// # Errors
/// When processes do not end, or a group cannot be removed.
pub(crate) fn clear(name: &str) -> Result<()> {
    let deadline = Instant::now() + LEAVE_LIMIT;
    for hierarchy in hierarchies() {
        let top = hierarchy.join(name);
        while top.exists() {
            let mut groups = Vec::new();
            descend(&top, &mut groups);
            let mut failed = None;
            // Children come after their parents: the last go first.
            for group in groups.iter().rev() {
                end_members(group);
                if let Err(error) = fs::remove_dir(group)
                    && error.kind() != ErrorKind::NotFound
                {
                    failed = Some(Error::file("remove", group)(error));
                }
            }
            match failed {
                Some(error) if Instant::now() > deadline => return Err(error),
                Some(_) => std::thread::sleep(LOOK_EVERY),
                None => {}
            }
        }
    }
    Ok(())
}

/// Whether anything of the group `name` is left.
pub(crate) fn exists(name: &str) -> bool {
    hierarchies().iter().any(|h| h.join(name).exists())
}

fn descend(group: &Path, found: &mut Vec<PathBuf>) {
    found.push(group.to_owned());
    if let Ok(entries) = fs::read_dir(group) {
        for entry in entries.flatten() {
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                descend(&entry.path(), found);
            }
        }
    }
}

/// Membership makes a process ours: nobody else joins a group of this name.
fn end_members(group: &Path) {
    let Ok(text) = fs::read_to_string(group.join("cgroup.procs")) else {
        return;
    };
    for pid in text.lines().filter_map(|line| line.parse().ok()) {
        // It may have ended since: removing the group will tell.
        if let Some(pid) = Pid::from_raw(pid) {
            let _ignored = kill_process(pid, Signal::KILL);
        }
    }
}
