//! Syslog of a host: many programs, many levels, bursts.

use super::{Scene, stamp};

/// One thing that happens on a host.
pub(super) fn syslog(scene: &mut Scene<'_>, failed: bool) {
    let at = stamp::syslog(scene.ms);
    let pid = scene.random.below(30_000) + 300;
    if failed {
        // Some bad sector, some full disk: one thing is said several times.
        let times = scene.random.times(5);
        let text = failure(scene, pid);
        for time in 0..times {
            let text = format!("{at} node-7 {text}");
            scene.say_after(time * 30, text);
        }
        return;
    }
    let mut text = ordinary(scene, pid);
    if scene.version.reworded {
        text = text.replace("started session", "began session");
    }
    scene.say(format!("{at} node-7 {text}"));
    if scene.version.debug {
        let rules = scene.random.below(30);
        scene.say(format!(
            "{at} node-7 dbus[{pid}]: debug: matched {rules} rules"
        ));
    }
    if scene.version.new_info {
        let records = scene.random.below(9_000);
        scene.say(format!(
            "{at} node-7 resolved[{pid}]: cache holds {records} records"
        ));
    }
    if scene.random.chance(scene.version.warnings) {
        let burst = scene.random.times(4);
        for time in 0..burst {
            let text = format!(
                "{at} node-7 kernel: warning: CPU{} temperature above threshold, throttled",
                scene.random.below(16)
            );
            scene.say_after(time * 20, text);
        }
    }
}

fn failure(scene: &mut Scene<'_>, pid: u64) -> String {
    match scene.random.below(4) {
        0 => format!(
            "kernel: I/O error, dev sdb, sector {}",
            scene.random.below(1 << 30)
        ),
        1 => format!("rsyslogd[{pid}]: error during write to /var/spool: no space left"),
        2 => format!(
            "sshd[{pid}]: error: maximum authentication attempts exceeded for invalid user admin{}",
            scene.random.below(40)
        ),
        _ => format!(
            "nfs[{pid}]: server 10.0.0.{} not responding, failed",
            scene.random.below(20) + 1
        ),
    }
}

fn ordinary(scene: &mut Scene<'_>, pid: u64) -> String {
    let number = scene.number;
    let address = format!(
        "10.1.{}.{}",
        scene.random.below(20),
        scene.random.below(250) + 1
    );
    match scene.random.below(14) {
        0 | 1 => format!(
            "sshd[{pid}]: accepted publickey for deploy from {address} port {}",
            scene.random.below(60_000) + 1_024
        ),
        2 => format!("sshd[{pid}]: connection closed by {address}"),
        3 => format!("sshd[{pid}]: failed password for invalid user guest from {address}"),
        4 => format!(
            "dhclient[{pid}]: renewal of {address} in {} seconds",
            scene.random.below(4_000)
        ),
        5 => format!("systemd[1]: started session {number} of user deploy."),
        6 => format!("systemd[1]: session-{number}.scope: deactivated."),
        7 => format!(
            "dockerd[{pid}]: image layer {:012x} pulled",
            scene.random.below(1 << 48)
        ),
        8 => format!("chronyd[{pid}]: selected source {address}"),
        9 => format!(
            "postfix/qmgr[{pid}]: {:010X}: removed",
            scene.random.below(1 << 40)
        ),
        10 => format!(
            "kernel: eth0: link speed is {} Mbps",
            scene.random.pick(&[100, 1_000, 10_000])
        ),
        11 => format!(
            "audit[{pid}]: USER_LOGIN uid={} res=success",
            scene.random.below(2_000)
        ),
        12 => format!("named[{pid}]: client {address}: query cache denied"),
        _ => format!(
            "smartd[{pid}]: device /dev/sd{}: temperature changed to {}",
            scene.random.pick(&["a", "b", "c"]),
            scene.random.below(20) + 30
        ),
    }
}

/// What cron does every ten seconds here.
pub(super) fn cron(scene: &mut Scene<'_>) {
    let at = stamp::syslog(scene.ms);
    let pid = scene.random.below(30_000);
    let text = format!("{at} node-7 CRON[{pid}]: (root) CMD (run-parts /etc/cron.tick)");
    scene.say(text);
}

/// What a host says when it starts.
pub(super) fn boot(scene: &mut Scene<'_>) {
    let at = stamp::syslog(scene.ms);
    for round in 0..scene.version.start_up * 4 {
        let text = format!("{at} node-7 kernel: pci 0000:00:{round:02x}.0: enabled device");
        scene.say_after(i64::from(round) * 10, text);
    }
    for attempt in 0..scene.version.start_up_errors {
        let text = format!(
            "{at} node-7 kernel: error: no carrier on eth0, attempt {}",
            attempt + 1
        );
        scene.say_after(500 + i64::from(attempt) * 700, text);
    }
}

/// An error that only the new version has.
pub(super) fn new_error(scene: &mut Scene<'_>) {
    let at = stamp::syslog(scene.ms);
    let pid = scene.random.below(30_000);
    let text = format!(
        "{at} node-7 kubelet[{pid}]: error: cannot mount volume data-{}: stale file handle",
        scene.random.below(50)
    );
    scene.say(text);
}
