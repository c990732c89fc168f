//! The command line of `dist`.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::release::Arch;

/// What a release has beside its programs, and whether all of it is right.
///
/// `make dist`, `make image` and `make dist-check` run it.
#[derive(Debug, Parser)]
#[command(name = "dist", version, max_term_width = 100)]
pub(crate) struct Command {
    #[command(subcommand)]
    pub(crate) action: Action,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Action {
    /// Write sbom.cdx.json: every crate that was compiled, as CycloneDX.
    Sbom(SbomArgs),
    /// Write each image as an OCI archive for all architectures.
    Image(ImageArgs),
    /// Check everything that is to be published, and start the programs.
    Check(CheckArgs),
}

/// Where the release is.
#[derive(Debug, Args)]
pub(crate) struct Folder {
    /// The folder of the release.
    #[arg(long = "folder", value_name = "FOLDER", default_value = concat!(
        env!("CARGO_MANIFEST_DIR"), "/../../dist"
    ), hide_default_value = true)]
    pub(crate) path: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    #[command(flatten)]
    pub(crate) folder: Folder,
}

impl CheckArgs {
    /// Folders of this machine that no program may name: the checkout, the
    /// build output, the crates' sources and the compiler's.
    pub(crate) fn private_folders() -> Vec<PathBuf> {
        let set = |name| std::env::var_os(name).filter(|value| !value.is_empty());
        let checkout = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
        let checkout = checkout.canonicalize().unwrap_or(checkout);
        let home = set("HOME").map(PathBuf::from);
        let in_home = |folder| home.as_ref().map(|home| home.join(folder));
        let folders = [
            Some(checkout),
            set("CARGO_TARGET_DIR").map(Into::into),
            set("CARGO_HOME")
                .map(Into::into)
                .or_else(|| in_home(".cargo")),
            set("RUSTUP_HOME")
                .map(Into::into)
                .or_else(|| in_home(".rustup")),
        ];
        folders.into_iter().flatten().collect()
    }
}

#[derive(Debug, Args)]
pub(crate) struct SbomArgs {
    #[command(flatten)]
    pub(crate) folder: Folder,
    /// What `cargo build --message-format json` said, for each architecture.
    #[arg(long, required = true, value_name = "ARCH=FILE", value_parser = compiled)]
    pub(crate) compiled: Vec<(Arch, PathBuf)>,
    /// The commit that was built.
    #[arg(long)]
    pub(crate) commit: String,
    /// When it was committed, in seconds since 1970.
    #[arg(long)]
    pub(crate) seconds: i64,
}

#[derive(Debug, Args)]
pub(crate) struct ImageArgs {
    #[command(flatten)]
    pub(crate) folder: Folder,
    /// What comes before the images' names, such as `registry.example/team`.
    #[arg(long)]
    pub(crate) registry: String,
    /// The images' tag.
    #[arg(long)]
    pub(crate) tag: String,
}

fn compiled(text: &str) -> Result<(Arch, PathBuf), String> {
    let (arch, path) = text.split_once('=').ok_or("write it as amd64=FILE")?;
    let arch = Arch::named(arch).ok_or_else(|| format!("no architecture {arch}"))?;
    Ok((arch, path.into()))
}
