//! `dist`: what a release has beside its programs (bill of materials, images),
//! and whether all of it is right.

mod args;
mod check;
mod images;
mod release;
mod run;
mod sbom;

use std::io::Write;
use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;

use crate::args::{Action, CheckArgs, Command};

fn main() -> ExitCode {
    match run(&Command::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            e2e::progress::say(&format!("dist: {error:#}"));
            ExitCode::from(2)
        }
    }
}

/// Does what is asked, and tells whether all was right.
fn run(command: &Command) -> Result<bool> {
    let mut out = std::io::stdout().lock();
    let is_right = match &command.action {
        Action::Sbom(args) => sbom::write(args).map(|()| true),
        Action::Image(args) => images::write(args, &mut out).map(|()| true),
        Action::Check(args) => {
            check::all(&args.folder.path, &CheckArgs::private_folders(), &mut out)
        }
    }?;
    out.flush()?;
    Ok(is_right)
}
