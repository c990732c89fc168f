//! What the machine must have before a cluster can run on it, and gets when
//! we may give it.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::command::output;
use crate::error::{Error, Result};
use crate::progress;

/// A file that must be there, and the Debian package that brings it.
const NEEDED: &[(&str, &str)] = &[
    ("/usr/bin/containerd", "containerd"),
    ("/usr/bin/ctr", "containerd"),
    ("/usr/sbin/runc", "runc"),
    ("/usr/lib/cni/bridge", "containernetworking-plugins"),
    ("/usr/sbin/iptables", "iptables"),
    ("/usr/sbin/nft", "nftables"),
    ("/usr/sbin/conntrack", "conntrack"),
    ("/usr/sbin/ip", "iproute2"),
    ("/usr/bin/openssl", "openssl"),
    ("/bin/busybox", "busybox-static"),
    ("/usr/bin/unshare", "util-linux"),
    ("/usr/bin/nsenter", "util-linux"),
    ("/usr/bin/setsid", "util-linux"),
    ("/usr/bin/mount", "mount"),
    ("/usr/sbin/sysctl", "procps"),
];

/// Longest time for apt, which may have to wait for a slow mirror.
const INSTALL_LIMIT: Duration = Duration::from_secs(600);
/// What apt itself waits for another apt, in seconds.
const APT_LOCK_TIMEOUT_S: u32 = 120;

/// Checks the machine, and installs missing Debian packages when we are root.
///
/// # Errors
/// With the command that mends it, when something is missing that we may not
/// or cannot install.
pub fn prepare() -> Result<()> {
    if !rustix::process::geteuid().is_root() {
        return Err(Error::Missing {
            what: "a cluster needs root: it makes namespaces, mounts and control groups".to_owned(),
            mend: "run it as root, for example: sudo -E make cluster".to_owned(),
        });
    }
    let missing = missing_packages(|path| Path::new(path).exists());
    if !missing.is_empty() {
        install(&missing)?;
    }
    for (path, package) in NEEDED {
        if !Path::new(path).exists() {
            return Err(Error::Missing {
                what: format!("{path} is missing, though {package} is installed"),
                mend: format!("apt-get install --reinstall {package}"),
            });
        }
    }
    crate::cgroups::check()
}

fn missing_packages(is_there: impl Fn(&str) -> bool) -> Vec<&'static str> {
    let mut missing: Vec<_> = NEEDED
        .iter()
        .filter(|(path, _)| !is_there(path))
        .map(|(_, package)| *package)
        .collect();
    missing.sort_unstable();
    missing.dedup();
    missing
}

fn install(packages: &[&str]) -> Result<()> {
    let by_hand = format!(
        "apt-get install -y --no-install-recommends {}",
        packages.join(" ")
    );
    if !Path::new("/usr/bin/apt-get").exists() {
        return Err(Error::Missing {
            what: format!("these are missing: {}", packages.join(", ")),
            mend: format!("install what Debian calls so: {by_hand}"),
        });
    }
    let apt = |arguments: &[&str]| {
        let mut apt = Command::new("apt-get");
        apt.env("DEBIAN_FRONTEND", "noninteractive")
            .arg("-o")
            .arg(format!("DPkg::Lock::Timeout={APT_LOCK_TIMEOUT_S}"))
            .args(arguments);
        output(&mut apt, INSTALL_LIMIT)
    };
    let mut arguments = vec!["install", "-y", "--no-install-recommends"];
    arguments.extend(packages);
    progress::step(&format!("install {}", packages.join(" ")), || {
        if has_no_lists() {
            apt(&["update"])?;
            return apt(&arguments);
        }
        // Lists that are there may be too old for what the mirror still has.
        apt(&arguments).or_else(|_stale| {
            apt(&["update"])?;
            apt(&arguments)
        })
    })
    .map(|_said| ())
    .map_err(|error| match error {
        Error::Command { output, .. } => Error::Missing {
            what: format!("could not install {}:\n{output}", packages.join(" ")),
            mend: by_hand,
        },
        other => other,
    })
}

fn has_no_lists() -> bool {
    fs::read_dir("/var/lib/apt/lists").map_or(true, |lists| {
        !lists
            .flatten()
            .any(|entry| entry.file_name().as_encoded_bytes().ends_with(b"_Packages"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_missing_package_is_named_once() {
        assert_eq!(
            missing_packages(|path| !path.contains("containerd") && !path.ends_with("ctr")),
            ["containerd"]
        );
        assert!(missing_packages(|_| true).is_empty());
    }
}
