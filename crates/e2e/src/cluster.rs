//! A box from outside: started, asked, used and ended.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::cgroups;
use crate::command::{Outcome, outcome, output, output_with, tail};
use crate::components::{Files, NODE, PAUSE_IMAGE, dns_manifest};
use crate::disk;
use crate::error::{Error, Result};
use crate::folders::Folders;
use crate::host;
use crate::init::{OWN_FOLDERS, PROCESS_FILE, STAGE_FILE, STARTED};
use crate::lock::Lock;
use crate::oci::{Image, write_archive};
use crate::process::Process;
use crate::progress;
use crate::tools::{self, Built, KUBERNETES};

/// Longest time from nothing to a ready node. Seven seconds on a quiet machine.
const START_LIMIT: Duration = Duration::from_secs(120);
/// How often the start is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Longest time for one call of kubectl that does not itself wait.
const KUBECTL_LIMIT: Duration = Duration::from_secs(60);
/// There when `up` has done all of its steps.
const COMPLETE_FILE: &str = "complete";
/// Longest time to import images.
const IMPORT_LIMIT: Duration = Duration::from_secs(300);

/// Where a box stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// Nothing of it is there.
    Down,
    /// Something is there, and no process: it ended uncleanly. The stage it was in.
    Remains(String),
    /// It is being started; the stage it has reached.
    Starting(String),
    /// All its programs run.
    Up,
}

/// One named box, running or not.
#[derive(Debug, Clone)]
pub struct Cluster {
    folders: Folders,
    built: Built,
    program: PathBuf,
}

impl Cluster {
    /// The box of these folders. Builds its programs if they are not there yet.
    /// `program` is the `box` executable, which is also the first process inside.
    ///
    /// # Errors
    /// As [`tools::build`].
    pub fn new(folders: Folders, program: PathBuf) -> Result<Self> {
        let built = tools::build(folders.cache())?;
        Ok(Self {
            folders,
            built,
            program,
        })
    }

    /// The programs that it runs.
    #[must_use]
    pub fn built(&self) -> &Built {
        &self.built
    }

    /// The programs' folders and its own.
    #[must_use]
    pub fn folders(&self) -> &Folders {
        &self.folders
    }

    /// The file that kubectl and other clients inside the box need.
    #[must_use]
    pub fn kubeconfig(&self) -> PathBuf {
        Files::new(self.folders.state()).kubeconfig()
    }

    /// Starts it, unless it runs and answers. Clears first whatever an unclean
    /// end has left.
    ///
    /// # Errors
    /// When the machine lacks something, its disk is full, or a program of it
    /// does not start.
    pub fn up(&self) -> Result<()> {
        host::prepare()?;
        let _lock = Lock::take(self.folders.lock())?;
        if self.is_ready() {
            progress::say("the box is up already");
            return Ok(());
        }
        self.clear()?;
        // Now, since what an unclean end had left took room as well.
        disk::check(self.folders.state())?;
        let start = Instant::now();
        let result = progress::step("start the box", || {
            self.launch()?;
            self.wait_started(start)?;
            self.wait_node(start)?;
            self.load(&[pause_image()])?;
            self.apply(&dns_manifest())?;
            let complete = self.folders.state().join(COMPLETE_FILE);
            fs::write(&complete, "").map_err(Error::file("write", &complete))
        });
        if let Err(error) = result {
            let kept = self.keep_logs();
            self.clear()?;
            if let Ok(kept) = kept {
                progress::say(&format!("its logs are in {}", kept.display()));
            }
            return Err(error);
        }
        Ok(())
    }

    /// Ends it and removes everything that was its own. Does nothing when
    /// nothing is there.
    ///
    /// # Errors
    /// When something cannot be ended or removed.
    pub fn down(&self) -> Result<()> {
        down(&self.folders)
    }

    /// Ends all its processes at once and clears nothing: what a power cut or
    /// an impatient supervisor does, for tests.
    ///
    /// # Errors
    /// When they cannot be ended.
    pub fn kill(&self) -> Result<()> {
        init_process(&self.folders).map_or(Ok(()), |process| process.end())
    }

    fn clear(&self) -> Result<()> {
        clear(&self.folders)
    }

    fn is_ready(&self) -> bool {
        // Its programs may run though whoever started them was ended before
        // the last step.
        state(&self.folders) == State::Up
            && self.folders.state().join(COMPLETE_FILE).exists()
            && self.node_is_ready().is_ok_and(|ready| ready)
    }

    fn launch(&self) -> Result<()> {
        let state = self.folders.state();
        let logs = state.join("logs");
        fs::create_dir_all(&logs).map_err(Error::file("create", &logs))?;
        let path = logs.join("init.log");
        let log = File::create(&path).map_err(Error::file("create", &path))?;
        let errors = log.try_clone().map_err(Error::file("open", &path))?;
        let mut command = Command::new("setsid");
        // --kill-child: the process that waits for the first one inside is of
        // no use alone, nor is the one inside without it.
        command
            .args(["unshare", "--mount", "--net", "--pid", "--ipc", "--uts"])
            .args(["--fork", "--kill-child"])
            .arg(&self.program)
            .arg("--cache")
            .arg(self.folders.cache())
            .arg("init")
            .arg("--name")
            .arg(state.file_name().unwrap_or_default())
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(errors)
            .current_dir("/");
        command.spawn().map(drop).map_err(|source| Error::Spawn {
            command: "setsid unshare".to_owned(),
            source,
        })
    }

    fn wait_started(&self, start: Instant) -> Result<()> {
        loop {
            match state(&self.folders) {
                State::Up => return Ok(()),
                State::Starting(stage) if stage.starts_with("failed") => {
                    return Err(self.ended(&stage));
                }
                // It writes its record within milliseconds: much later it never will.
                State::Down | State::Remains(_) if start.elapsed() > KUBECTL_LIMIT / 4 => {
                    return Err(self.ended("its first process ended"));
                }
                State::Starting(_) | State::Down | State::Remains(_) => {}
            }
            if let Some(failed) = read_stage(&self.folders).filter(|s| s.starts_with("failed")) {
                return Err(self.ended(&failed));
            }
            if start.elapsed() > START_LIMIT {
                return Err(self.ended("its programs did not start in time"));
            }
            thread::sleep(LOOK_EVERY);
        }
    }

    fn wait_node(&self, start: Instant) -> Result<()> {
        while !self.node_is_ready()? {
            if state(&self.folders) != State::Up {
                return Err(self.ended("a program ended"));
            }
            if start.elapsed() > START_LIMIT {
                return Err(self.ended("the node did not become ready"));
            }
            thread::sleep(LOOK_EVERY);
        }
        Ok(())
    }

    fn node_is_ready(&self) -> Result<bool> {
        let path = "{.status.conditions[?(@.type=='Ready')].status}";
        let said = self.try_kubectl(&["get", "node", NODE, "-o", &format!("jsonpath={path}")])?;
        Ok(said.status.success() && said.stdout.trim() == "True")
    }

    /// An error that shows the end of every log that has something in it.
    fn ended(&self, what: &str) -> Error {
        let mut log = String::new();
        let files = Files::new(self.folders.state());
        if let Ok(entries) = fs::read_dir(files.path("logs")) {
            for entry in entries.flatten() {
                let text = fs::read_to_string(entry.path()).unwrap_or_default();
                let mut lines: Vec<_> = text.lines().rev().take(6).collect();
                lines.reverse();
                if !lines.is_empty() {
                    let name = entry.file_name();
                    log.push_str(&format!("--- {}\n", name.to_string_lossy()));
                    log.push_str(tail(&lines.join("\n")));
                    log.push('\n');
                }
            }
        }
        Error::Ended {
            what: format!("the box did not start: {what}"),
            log,
        }
    }

    /// Keeps the logs of a failed start, since the state folder goes.
    fn keep_logs(&self) -> Result<PathBuf> {
        let kept = self.folders.lock().with_extension("failed-logs");
        if kept.exists() {
            fs::remove_dir_all(&kept).map_err(Error::file("remove", &kept))?;
        }
        let logs = self.folders.state().join("logs");
        fs::rename(&logs, &kept).map_err(Error::file("rename", &logs))?;
        Ok(kept)
    }

    /// The command that runs a program inside the box's network.
    ///
    /// # Errors
    /// When the box is not up.
    pub fn inside(&self, program: &Path) -> Result<Command> {
        enter(&self.folders, &["--net"], program)
    }

    /// `kubectl`, ready for its arguments, inside the box.
    ///
    /// # Errors
    /// When the box is not up.
    pub fn kubectl_command(&self) -> Result<Command> {
        let mut command = self.inside(&self.built.path(&KUBERNETES, "kubectl"))?;
        command.arg("--kubeconfig").arg(self.kubeconfig());
        Ok(command)
    }

    /// Runs kubectl and returns its stdout.
    ///
    /// # Errors
    /// When it ends badly.
    pub fn kubectl(&self, arguments: &[&str]) -> Result<String> {
        output(self.kubectl_command()?.args(arguments), KUBECTL_LIMIT)
    }

    /// Runs kubectl and returns how it ended.
    ///
    /// # Errors
    /// When it cannot be run at all.
    pub fn try_kubectl(&self, arguments: &[&str]) -> Result<Outcome> {
        outcome(self.kubectl_command()?.args(arguments), &[], KUBECTL_LIMIT)
    }

    /// Applies manifests, as the server merges them.
    ///
    /// # Errors
    /// When the server refuses them.
    pub fn apply(&self, manifests: &str) -> Result<()> {
        self.apply_with(&[], manifests)
    }

    /// As [`Cluster::apply`], with a namespace for what names none.
    ///
    /// # Errors
    /// When the server refuses them.
    pub fn apply_in(&self, namespace: &str, manifests: &str) -> Result<()> {
        self.apply_with(&["--namespace", namespace], manifests)
    }

    fn apply_with(&self, options: &[&str], manifests: &str) -> Result<()> {
        let mut command = self.kubectl_command()?;
        command.args(options);
        command.args(["apply", "--server-side", "--force-conflicts", "-f", "-"]);
        output_with(&mut command, manifests.as_bytes(), KUBECTL_LIMIT).map(drop)
    }

    /// Makes images and imports all of them at once.
    ///
    /// # Errors
    /// When a file of them cannot be read, or containerd refuses them.
    pub fn load(&self, images: &[Image]) -> Result<()> {
        let names: Vec<_> = images.iter().map(|image| image.name.as_str()).collect();
        progress::step(&format!("load {}", names.join(", ")), || {
            let folder = self
                .folders
                .state()
                .join(format!("load-{}", std::process::id()));
            fs::create_dir_all(&folder).map_err(Error::file("create", &folder))?;
            let result = self.import(images, &folder);
            fs::remove_dir_all(&folder).map_err(Error::file("remove", &folder))?;
            result
        })
    }

    fn import(&self, images: &[Image], folder: &Path) -> Result<()> {
        let archive = folder.join("images.tar");
        write_archive(images, &archive, folder)?;
        let files = Files::new(self.folders.state());
        let mut ctr = self.inside(Path::new("/usr/bin/ctr"))?;
        ctr.arg("--address").arg(files.containerd());
        ctr.args(["--namespace", "k8s.io", "images", "import"])
            .arg(&archive);
        output(&mut ctr, IMPORT_LIMIT).map(drop)
    }
}

/// Ends the box of these folders and removes everything that was its own.
///
/// # Errors
/// When something cannot be ended or removed.
pub fn down(folders: &Folders) -> Result<()> {
    let _lock = Lock::take(folders.lock())?;
    if state(folders) == State::Down {
        progress::say("the box is down already");
        return Ok(());
    }
    progress::step("end the box", || clear(folders))
}

/// Where the box of these folders stands.
#[must_use]
pub fn state(folders: &Folders) -> State {
    if init_process(folders).is_some() {
        return match read_stage(folders) {
            Some(stage) if stage == STARTED => State::Up,
            stage => State::Starting(stage.unwrap_or_default()),
        };
    }
    if folders.state().exists() || cgroups::exists(&folders.control_group()) {
        return State::Remains(read_stage(folders).unwrap_or_default());
    }
    State::Down
}

fn clear(folders: &Folders) -> Result<()> {
    if let Some(process) = init_process(folders) {
        process.end()?;
    }
    // Also a first process that never wrote its record is a member.
    cgroups::clear(&folders.control_group())?;
    let state = folders.state();
    if state.exists() {
        fs::remove_dir_all(state).map_err(Error::file("remove", state))?;
    }
    for folder in OWN_FOLDERS {
        // With content it is somebody else's, and stays.
        let _ignored = fs::remove_dir(folder);
    }
    Ok(())
}

fn init_process(folders: &Folders) -> Option<Process> {
    let text = fs::read(folders.state().join(PROCESS_FILE)).ok()?;
    let process: Process = serde_json::from_slice(&text).ok()?;
    process.is_alive().then_some(process)
}

fn read_stage(folders: &Folders) -> Option<String> {
    fs::read_to_string(folders.state().join(STAGE_FILE)).ok()
}

fn enter(folders: &Folders, namespaces: &[&str], program: &Path) -> Result<Command> {
    let process = init_process(folders).ok_or_else(|| Error::Missing {
        what: match read_stage(folders) {
            Some(stage) => format!("the box is not up; it was last seen so: {stage}"),
            None => "the box is not up".to_owned(),
        },
        mend: "box up (or: make cluster)".to_owned(),
    })?;
    let mut command = Command::new("nsenter");
    command
        .arg(format!("--target={}", process.pid))
        .args(namespaces)
        .arg("--")
        .arg(program);
    Ok(command)
}

/// The image that holds a pod's namespaces: a program that waits.
fn pause_image() -> Image {
    Image {
        files: BTreeMap::from([("busybox".to_owned(), PathBuf::from("/bin/busybox"))]),
        entrypoint: ["/busybox", "sleep", "2147483647"]
            .map(str::to_owned)
            .to_vec(),
        ..Image::of_program(PAUSE_IMAGE, Path::new("/bin/busybox"))
    }
}
