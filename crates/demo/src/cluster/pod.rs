//! One pod: a process that is kept running, as the kubelet keeps a container.
//!
//! Its output is its log, `/readyz` says whether it is ready, a process that
//! ends is started again (at once the first time, later after a back-off), and
//! one that holds too much memory is killed.

use std::net::SocketAddr;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use kube_stand_in::LogOf;
use kube_stand_in::objects;
use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

use super::lines::Lines;
use super::memory::resident_bytes;
use super::node::Node;
use super::output::Output;
use super::status::{Ended, Identity, State, Status, Version};
use crate::arm::Arm;

/// How long a crashing container waits before its second restart, and at most
/// later on; each time twice as long. The kubelet begins with ten seconds and
/// ends at five minutes: nobody watches a demonstration for that long.
const BACK_OFF_MS: (u64, u64) = (1_000, 10_000);

/// How often a process is looked at: whether it is ready, and what it holds.
const LOOK_MS: u64 = 50;

/// How long a pod may take to say that it is ready.
const PROBE_LIMIT_MS: u64 = 1_000;

/// Probes that must fail in a row before a ready pod is taken for unready: the
/// kubelet's default.
const FAILED_PROBES: u32 = 3;

/// How long a process may take to end once it was told to; then it is killed.
const END_LIMIT_MS: u64 = 3_000;

/// How long the last lines of a process that has ended are waited for: a child
/// of its own could hold the pipe open.
const LAST_LINES_LIMIT_MS: u64 = 500;

/// A pod that runs until it is stopped; dropping it kills its process.
#[derive(Debug)]
pub(crate) struct Pod {
    shared: Arc<Shared>,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

#[derive(Debug)]
struct Shared {
    node: Arc<Node>,
    identity: Identity,
    version: Version,
    status: Mutex<Status>,
}

impl Pod {
    /// Starts one of this version, which takes requests once it is ready.
    pub(crate) fn start(node: &Arc<Node>, identity: Identity, version: &Version, arm: Arm) -> Self {
        Self::of(node, identity, version, Status::new(arm))
    }

    /// Starts one with the labels of an arm, that takes none of its requests.
    pub(crate) fn start_beside(
        node: &Arc<Node>,
        identity: Identity,
        version: &Version,
        arm: Arm,
    ) -> Self {
        let status = Status {
            takes_requests: false,
            ..Status::new(arm)
        };
        Self::of(node, identity, version, status)
    }

    fn of(node: &Arc<Node>, identity: Identity, version: &Version, status: Status) -> Self {
        let shared = Arc::new(Shared {
            node: Arc::clone(node),
            identity,
            version: version.clone(),
            status: Mutex::new(status),
        });
        let pod = shared.identity.json(&shared.lock());
        node.stand_in.change(|world| {
            world.add_pod(pod);
        });
        let (stop, stopped) = watch::channel(false);
        let task = tokio::spawn(live(Arc::clone(&shared), stopped));
        Self { shared, stop, task }
    }

    pub(crate) fn name(&self) -> String {
        self.shared.identity.name()
    }

    pub(crate) fn status(&self) -> Status {
        self.shared.lock().clone()
    }

    /// The process, while there is one.
    pub(crate) fn pid(&self) -> Option<u32> {
        self.shared.lock().pid
    }

    /// The last line that it has written.
    pub(crate) fn last_words(&self) -> Option<String> {
        self.shared.lock().last_line.clone()
    }

    /// Makes it a pod of the other arm: what a promotion does to labels.
    pub(crate) fn set_arm(&self, arm: Arm) {
        let before = self.status().arm;
        self.shared.node.set_endpoint(before, &self.name(), None);
        self.shared.change(|status| status.arm = arm);
        let ready = self.status().ready;
        self.shared.set_ready(ready);
    }

    /// Ends it and forgets it: no request comes any more, then its process is
    /// told to end.
    pub(crate) async fn stop(mut self) {
        let arm = self.shared.lock().arm;
        self.shared.node.set_endpoint(arm, &self.name(), None);
        // Nobody listens where the task has ended already.
        let _ = self.stop.send(true);
        let limit = Duration::from_millis(2 * END_LIMIT_MS);
        if timeout(limit, &mut self.task).await.is_err() {
            self.task.abort();
        }
        let (namespace, name) = (self.shared.identity.namespace, self.name());
        self.shared.node.stand_in.change(|world| {
            world
                .remove_pod(namespace, &name)
                .remove_events(namespace, &name);
        });
    }
}

impl Drop for Pod {
    fn drop(&mut self) {
        // The process goes with its task.
        self.task.abort();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Status> {
        self.status.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes its state, here and in the API.
    fn change(&self, change: impl FnOnce(&mut Status)) {
        let json = {
            let mut status = self.lock();
            change(&mut status);
            self.identity.json(&status)
        };
        let name = self.identity.name();
        self.node.stand_in.change(|world| {
            world.change_pod(self.identity.namespace, &name, |pod| *pod = json);
        });
        self.node.tell();
    }

    fn set_ready(&self, ready: bool) {
        let before = self.lock().clone();
        if ready != before.ready {
            self.change(|status| status.ready = ready);
        }
        if before.takes_requests {
            let address = before.address.filter(|_| ready);
            self.node
                .set_endpoint(before.arm, &self.identity.name(), address);
        }
    }

    fn log_of(&self) -> LogOf {
        LogOf::current(
            self.identity.namespace,
            &self.identity.name(),
            objects::CONTAINER,
        )
    }

    fn show(&self, of: LogOf, lines: &Lines) {
        self.node.stand_in.change(|world| {
            world.set_log(of, lines.log());
        });
    }

    fn warn(&self, reason: &str) {
        let name = self.identity.name();
        let event = objects::warning(self.identity.namespace, &name, reason, self.node.now_ms());
        self.node.stand_in.change(|world| {
            world.set_event(event);
        });
    }
}

/// The pod's whole life: run, end, wait, again.
async fn live(pod: Arc<Shared>, mut stop: watch::Receiver<bool>) {
    let mut wait_ms = None;
    let mut before = None;
    loop {
        let lines = Lines::default();
        let ended = run(&pod, &lines, before.take(), &mut stop).await;
        pod.set_ready(false);
        let Some(ended) = ended else { break };
        pod.change(|status| status.end(ended));
        if let Some(ms) = wait_ms {
            pod.change(|status| status.state = State::Waiting("CrashLoopBackOff"));
            pod.warn("BackOff");
            tokio::select! {
                () = sleep(Duration::from_millis(ms)) => {}
                () = told(&mut stop) => break,
            }
        }
        wait_ms = Some(match wait_ms {
            None => BACK_OFF_MS.0,
            Some(ms) => (2 * ms).min(BACK_OFF_MS.1),
        });
        before = Some(lines);
    }
}

/// Waits until the pod is to end, or nobody is left who could say so.
async fn told(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

/// Runs the process once. `None`: it was told to end.
async fn run(
    pod: &Arc<Shared>,
    lines: &Lines,
    before: Option<Lines>,
    stop: &mut watch::Receiver<bool>,
) -> Option<Ended> {
    let started_ms = pod.node.now_ms();
    let mut child = match spawn(pod) {
        Ok(child) => child,
        Err(error) => {
            tracing::warn!(%error, "cannot start a pod's process");
            return Some(Ended::new(128, "StartError", started_ms, started_ms));
        }
    };
    // Held open until here ends: waiting for the process would close it.
    let _stdin = child.stdin.take();
    if let Some(before) = before {
        pod.show(pod.log_of().before_restart(), &before);
    }
    pod.show(pod.log_of(), lines);
    pod.change(|status| status.run(child.id(), started_ms));
    let mut output = Output::of(&mut child);
    let probing = Probing(tokio::spawn(probe(Arc::clone(pod))));
    let mut look = interval(Duration::from_millis(LOOK_MS));
    look.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut over_memory = false;
    let status = loop {
        tokio::select! {
            read = output.read() => {
                take(pod, lines, &read);
            }
            status = child.wait() => break status.ok(),
            _ = look.tick() => {
                let held = child.id().and_then(resident_bytes);
                if held > Some(pod.node.memory_limit_bytes) {
                    over_memory = true;
                    // It may have ended by itself meanwhile.
                    let _ = child.start_kill();
                }
            }
            () = told(stop) => {
                end(child).await;
                pod.change(|status| status.pid = None);
                return None;
            }
        }
    };
    drop(probing);
    let last = timeout(Duration::from_millis(LAST_LINES_LIMIT_MS), async {
        while !output.is_over() {
            let read = output.read().await;
            take(pod, lines, &read);
        }
    });
    // What a child of the process's own holds back is not waited for.
    let _ = last.await;
    let code = status.map_or(128, exit_code);
    let reason = match (over_memory, code) {
        (true, _) => "OOMKilled",
        (false, 0) => "Completed",
        (false, _) => "Error",
    };
    Some(Ended::new(code, reason, started_ms, pod.node.now_ms()))
}

fn spawn(pod: &Shared) -> std::io::Result<Child> {
    Command::new(&pod.node.app)
        .args(["serve", "--end-with-stdin"])
        // What the person who runs this has in their environment is not the
        // pods' business.
        .env_clear()
        .envs(pod.version.environment())
        // Not in our group: Ctrl-C is ours to pass on, in order.
        .process_group(0)
        // Ends with us, however we end.
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
}

/// Puts lines into the log, and finds out where the process listens.
fn take(pod: &Shared, lines: &Lines, read: &[String]) {
    if read.is_empty() {
        return;
    }
    let now_ms = pod.node.now_ms();
    for line in read {
        if pod.lock().address.is_none()
            && let Some(address) = address_in(line)
        {
            pod.lock().address = Some(address);
        }
        lines.push(now_ms, line.clone());
    }
    pod.lock().last_line = read.last().cloned();
    pod.show(pod.log_of(), lines);
}

/// The address in `Started server on 127.0.0.1:40123`, whatever stands around
/// it.
fn address_in(line: &str) -> Option<SocketAddr> {
    let (_, rest) = line.split_once("Started server on ")?;
    let address: String = rest
        .chars()
        .take_while(|c| c.is_ascii_digit() || matches!(c, '.' | ':'))
        .collect();
    address.parse().ok()
}

struct Probing(JoinHandle<()>);

impl Drop for Probing {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Asks again and again whether the pod is ready.
async fn probe(pod: Arc<Shared>) {
    let mut failed = 0;
    let mut tick = interval(Duration::from_millis(LOOK_MS));
    tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut every = 0_u32;
    loop {
        tick.tick().await;
        let (address, ready) = {
            let status = pod.lock();
            (status.address, status.ready)
        };
        // A pod that is ready is asked ten times less often.
        every = every.wrapping_add(1);
        let Some(address) = address.filter(|_| !ready || every.is_multiple_of(10)) else {
            continue;
        };
        let limit = Duration::from_millis(PROBE_LIMIT_MS);
        let answer = pod.node.client.get(address, "/readyz", limit).await;
        if answer.is_ok_and(|status| status == 200) {
            failed = 0;
            pod.set_ready(true);
        } else {
            failed += 1;
            if ready && failed >= FAILED_PROBES {
                pod.set_ready(false);
                pod.warn("Unhealthy");
            }
        }
    }
}

/// Tells the process to end, and kills it when it takes too long.
async fn end(mut child: Child) {
    let pid = child
        .id()
        .and_then(|id| i32::try_from(id).ok())
        .and_then(Pid::from_raw);
    if let Some(pid) = pid {
        // It may have ended by itself meanwhile.
        let _ = kill_process(pid, Signal::TERM);
    }
    let limit = Duration::from_millis(END_LIMIT_MS);
    if timeout(limit, child.wait()).await.is_err() {
        // Killed or not: dropping it kills it once more.
        let _ = child.kill().await;
    }
}

/// As a container runtime counts it: 128 and the signal where there was one.
fn exit_code(status: ExitStatus) -> i32 {
    use std::os::unix::process::ExitStatusExt as _;
    status
        .code()
        .unwrap_or_else(|| 128 + status.signal().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_is_found_in_plain_and_in_json_lines() {
        for line in [
            "2026-01-02T03:04:05.678Z  INFO [rollouts-demo] Started server on 127.0.0.1:40123",
            r#"{"level":"INFO","message":"Started server on 127.0.0.1:40123","x":1}"#,
        ] {
            assert_eq!(address_in(line), Some(([127, 0, 0, 1], 40_123).into()));
        }
        assert_eq!(address_in("Started server on nowhere"), None);
        assert_eq!(address_in("listening on 127.0.0.1:40123"), None);
    }
}
