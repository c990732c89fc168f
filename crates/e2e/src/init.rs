//! The first process inside a box: sets up the network and the mounts, starts
//! the programs in order, and ends when one of them does.
//!
//! A box is a process namespace, a mount namespace and a network namespace of
//! its own. When this process ends, for whatever reason, the kernel ends every
//! process in the box, and with the last one go its mounts and its network.
//! So there is nothing that an unclean end can leave but two folders: the state
//! folder and the control groups, and both bear the box's name.

use std::fs::{self, File};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{WaitOptions, wait};

use crate::cgroups;
use crate::command::{outcome, output};
use crate::components::Files;
use crate::error::{Error, Result};
use crate::folders::Folders;
use crate::network;
use crate::process::Process;
use crate::progress;
use crate::tools::Built;

/// Folders in which programs write at fixed paths: inside the box each is an
/// empty file system of its own, so that nothing is left on the machine.
const PRIVATE_FOLDERS: &[&str] = &["/run", "/var/log", "/var/lib/cni", "/var/lib/kubelet"];
/// Those of them that may not be there before, and are removed with the box.
pub(crate) const OWN_FOLDERS: &[&str] = &["/var/lib/cni", "/var/lib/kubelet"];
/// Longest wait for one program to answer.
const ANSWER_LIMIT: Duration = Duration::from_secs(60);
/// How often is asked whether it does.
const ASK_EVERY: Duration = Duration::from_millis(100);
const MOUNT_LIMIT: Duration = Duration::from_secs(10);
const ETCD_ADDRESS: ([u8; 4], u16) = ([127, 0, 0, 1], 2379);
const API_ADDRESS: ([u8; 4], u16) = ([127, 0, 0, 1], 6443);

/// The programs that need a ready API server.
const AFTER_API_SERVER: &[&str] = &[
    "kube-controller-manager",
    "kube-scheduler",
    "kubelet",
    "kube-proxy",
    "coredns",
];

/// Where the init process says who it is and how far it has come.
pub(crate) const PROCESS_FILE: &str = "init.json";
pub(crate) const STAGE_FILE: &str = "stage";
/// The stage in which all programs run.
pub(crate) const STARTED: &str = "started";

/// Runs a box until one of its programs ends.
///
/// # Errors
/// When it cannot be started, or a program ended: there is no good end, a box
/// is ended from outside.
pub fn run(folders: &Folders, built: &Built) -> Result<()> {
    // Before /proc is our own: outside we are known by another number.
    let process = Process::this()?;
    let record = folders.state().join(PROCESS_FILE);
    let text = serde_json::to_vec(&process).map_err(|source| Error::Json {
        what: record.display().to_string(),
        source,
    })?;
    replace(&record, &text)?;
    let mut running = Vec::new();
    let result = start(folders, built, &mut running).and_then(|()| {
        stage(folders, STARTED)?;
        watch(&running)
    });
    if let Err(error) = &result {
        // Not `stage()?`: the first error is the one to report.
        let _ignored = stage(folders, &format!("failed: {error}"));
    }
    result
}

/// A program of the box.
struct Running {
    name: &'static str,
    child: Child,
}

fn start(folders: &Folders, built: &Built, running: &mut Vec<Running>) -> Result<()> {
    stage(folders, "making mounts, control groups and network")?;
    cgroups::enter(&folders.control_group())?;
    mount()?;
    network::set_up()?;
    let files = Files::new(folders.state());
    files.write_all(&folders.control_group())?;

    stage(folders, "starting etcd and containerd")?;
    for name in ["etcd", "containerd"] {
        running.push(launch(&files, built, name)?);
    }
    until(running, "etcd answering", || answers(ETCD_ADDRESS))?;
    until(running, "containerd answering", || {
        files.containerd().exists()
    })?;

    stage(folders, "starting the API server")?;
    running.push(launch(&files, built, "kube-apiserver")?);
    until(running, "the API server listening", || answers(API_ADDRESS))?;
    until(running, "the API server ready", || {
        let mut kubectl = Command::new(built.path(&crate::tools::KUBERNETES, "kubectl"));
        kubectl.arg("--kubeconfig").arg(files.kubeconfig());
        kubectl.args(["get", "--raw", "/readyz"]);
        outcome(&mut kubectl, &[], ANSWER_LIMIT).is_ok_and(|o| o.status.success())
    })?;

    stage(folders, "starting the rest of Kubernetes")?;
    for name in AFTER_API_SERVER {
        running.push(launch(&files, built, name)?);
    }
    Ok(())
}

fn mount() -> Result<()> {
    let mount = |arguments: &[&str]| output(Command::new("mount").args(arguments), MOUNT_LIMIT);
    mount(&["-t", "proc", "proc", "/proc"])?;
    for folder in OWN_FOLDERS {
        let path = Path::new(folder);
        fs::create_dir_all(path).map_err(Error::file("create", path))?;
    }
    for folder in PRIVATE_FOLDERS {
        mount(&["-t", "tmpfs", "-o", "mode=755", "tmpfs", folder])?;
    }
    Ok(())
}

fn launch(files: &Files, built: &Built, name: &'static str) -> Result<Running> {
    let path = files.log(name);
    let log = File::create(&path).map_err(Error::file("create", &path))?;
    let errors = log.try_clone().map_err(Error::file("open", &path))?;
    let child = files
        .program(built, name)
        .stdin(Stdio::null())
        .stdout(log)
        .stderr(errors)
        .spawn()
        .map_err(|source| Error::Spawn {
            command: name.to_owned(),
            source,
        })?;
    Ok(Running { name, child })
}

/// Asks until the answer is yes, a program ends, or the limit is over.
fn until(running: &mut [Running], what: &str, mut ready: impl FnMut() -> bool) -> Result<()> {
    let start = Instant::now();
    while !ready() {
        for program in &mut *running {
            if let Ok(Some(status)) = program.child.try_wait() {
                return Err(ended(program.name, &status.to_string()));
            }
        }
        if start.elapsed() > ANSWER_LIMIT {
            return Err(Error::Deadline {
                what: what.to_owned(),
                waited_s: ANSWER_LIMIT.as_secs(),
                last: String::new(),
            });
        }
        thread::sleep(ASK_EVERY);
    }
    Ok(())
}

/// Reaps what ends, shims and orphans too, until it is one of ours.
fn watch(running: &[Running]) -> Result<()> {
    loop {
        let reaped = match wait(WaitOptions::empty()) {
            Err(rustix::io::Errno::INTR) => continue,
            other => other.map_err(Error::kernel("wait for the programs of the box"))?,
        };
        let Some((pid, status)) = reaped else {
            continue;
        };
        let number = pid.as_raw_nonzero().get();
        let program = running
            .iter()
            .find(|program| i32::try_from(program.child.id()) == Ok(number));
        if let Some(program) = program {
            let how = match (status.exit_status(), status.terminating_signal()) {
                (Some(code), _) => format!("exit status: {code}"),
                (None, Some(signal)) => format!("signal: {signal}"),
                (None, None) => "stopped".to_owned(),
            };
            return Err(ended(program.name, &how));
        }
    }
}

fn ended(name: &str, status: &str) -> Error {
    Error::Ended {
        what: format!("{name} ended ({status})"),
        log: String::new(),
    }
}

fn answers((address, port): ([u8; 4], u16)) -> bool {
    TcpStream::connect_timeout(&SocketAddr::from((address, port)), ASK_EVERY).is_ok()
}

fn stage(folders: &Folders, stage: &str) -> Result<()> {
    progress::say(stage);
    replace(&folders.state().join(STAGE_FILE), stage.as_bytes())
}

/// Readers see the old content or the new, never half.
fn replace(path: &Path, content: &[u8]) -> Result<()> {
    let unfinished = path.with_extension("unfinished");
    fs::write(&unfinished, content).map_err(Error::file("write", &unfinished))?;
    fs::rename(&unfinished, path).map_err(Error::file("rename", &unfinished))
}
