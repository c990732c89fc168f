//! `box`: a real Kubernetes on this machine, for the end-to-end tests and for
//! trying things by hand.

mod args;

use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use args::{Action, Command, Name};
use clap::Parser;
use e2e::cluster::{self, Cluster, State};
use e2e::folders::Folders;
use e2e::oci::Image;
use e2e::{progress, tools};

/// The exit code of `box status` when the box is not up.
const NOT_UP: u8 = 3;

fn main() -> ExitCode {
    match run(&Command::parse()) {
        Ok(code) => code,
        Err(error) => {
            progress::say(&format!("box: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn run(command: &Command) -> anyhow::Result<ExitCode> {
    let cache = command.cache()?;
    match &command.action {
        Action::Build => {
            tools::verify(&cache)?;
            let built = tools::build(&cache)?;
            for tool in tools::ALL {
                print(&format!("{}\n", built.path(tool, "").display()))?;
            }
        }
        Action::Up(name) => {
            open(cache, name)?.up()?;
            progress::say("try: box kubectl -- get nodes");
        }
        Action::Down(name) => cluster::down(&Folders::new(cache, &name.name)?)?,
        Action::Status(name) => return status(&Folders::new(cache, &name.name)?),
        Action::Image {
            name,
            entrypoint,
            user,
            images,
        } => {
            let images = pairs(images, entrypoint.as_deref(), *user)?;
            open(cache, name)?.load(&images)?;
        }
        Action::Kubectl { name, arguments } => {
            let cluster = open(cache, name)?;
            // Replaces this process, so that signals and the terminal are kubectl's.
            return Err(cluster.kubectl_command()?.args(arguments).exec().into());
        }
        Action::Env(name) => environment(&open(cache, name)?)?,
        Action::Init(name) => {
            let folders = Folders::new(cache, &name.name)?;
            let built = tools::build(folders.cache())?;
            e2e::init::run(&folders, &built)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn open(cache: PathBuf, name: &Name) -> anyhow::Result<Cluster> {
    let this = std::env::current_exe()?;
    Ok(Cluster::new(Folders::new(cache, &name.name)?, this)?)
}

fn status(folders: &Folders) -> anyhow::Result<ExitCode> {
    let state = cluster::state(folders);
    print(&match &state {
        State::Up => "up\n".to_owned(),
        State::Starting(stage) => format!("starting: {stage}\n"),
        State::Remains(stage) => format!("ended uncleanly ({stage}); to clear it: box down\n"),
        State::Down => "down\n".to_owned(),
    })?;
    Ok(ExitCode::from(if state == State::Up { 0 } else { NOT_UP }))
}

fn environment(cluster: &Cluster) -> anyhow::Result<()> {
    let mut inside = vec!["nsenter".into()];
    inside.extend(
        cluster
            .inside(Path::new("env"))?
            .get_args()
            .map(|word| word.to_string_lossy().into_owned()),
    );
    inside.pop();
    let kubectl = cluster.built().path(&tools::KUBERNETES, "kubectl");
    print(&format!(
        "export KUBECONFIG='{}'\nbox_inside='{}'\nalias kubectl='{} {}'\n",
        cluster.kubeconfig().display(),
        inside.join(" "),
        inside.join(" "),
        kubectl.display(),
    ))
}

fn pairs(images: &[String], entrypoint: Option<&str>, user: u32) -> anyhow::Result<Vec<Image>> {
    let pairs = images.chunks(2);
    pairs
        .map(|pair| match pair {
            [name, folder] => {
                let image = Image::of_folder(name, Path::new(folder), entrypoint)?;
                Ok(Image { user, ..image })
            }
            _ => anyhow::bail!("{} has no folder: give IMAGE FOLDER pairs", pair.join(" ")),
        })
        .collect()
}

fn print(text: &str) -> anyhow::Result<()> {
    let mut stdout = std::io::stdout().lock();
    stdout.write_all(text.as_bytes())?;
    stdout.flush()?;
    Ok(())
}
