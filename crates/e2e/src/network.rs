//! The network of a box: a namespace in which only the box lives, so that no
//! packet reaches or leaves it.

use std::process::Command;
use std::time::Duration;

use crate::command::output;
use crate::error::Result;

/// The node's address, on a bridge without ports.
pub(crate) const NODE_ADDRESS: &str = "10.77.0.1";
/// The pods' addresses.
pub(crate) const POD_RANGE: &str = "10.88.0.0/16";
/// The services' addresses.
pub(crate) const SERVICE_RANGE: &str = "10.96.0.0/16";
/// The address of the names' service: the tenth, as everywhere.
pub(crate) const DNS_ADDRESS: &str = "10.96.0.10";

const LIMIT: Duration = Duration::from_secs(10);

/// Gives the calling process's network namespace a node address and a default
/// route: kube-proxy and the API server want one, though nothing is behind it.
pub(crate) fn set_up() -> Result<()> {
    let node = format!("{NODE_ADDRESS}/24");
    let steps: [&[&str]; 6] = [
        &["ip", "link", "set", "lo", "up"],
        &["ip", "link", "add", "eth0", "type", "bridge"],
        &["ip", "addr", "add", &node, "dev", "eth0"],
        &["ip", "link", "set", "eth0", "up"],
        &[
            "ip",
            "route",
            "add",
            "default",
            "via",
            "10.77.0.254",
            "dev",
            "eth0",
        ],
        &["sysctl", "-qw", "net.ipv4.ip_forward=1"],
    ];
    for step in steps {
        output(Command::new(step[0]).args(&step[1..]), LIMIT)?;
    }
    // Only where the kernel filters bridged packets at all.
    let bridged = "/proc/sys/net/bridge/bridge-nf-call-iptables";
    if std::path::Path::new(bridged).exists() {
        std::fs::write(bridged, "1")
            .map_err(crate::Error::file("write", std::path::Path::new(bridged)))?;
    }
    Ok(())
}
