//! The integration tests of go-plugin, and the programs they start.
//!
//! A plugin is a process, so this binary is one too: started with [`ROLE`] in its environment it
//! plays that part instead of running tests.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};

mod accepted;
mod hostile;
mod life;
mod limits;
mod properties;
mod recorded;
mod rpc;
mod scripted;
mod session;

/// The environment variable that makes this binary a plugin, or a victim.
const ROLE: &str = "GO_PLUGIN_TEST_ROLE";

fn main() -> ExitCode {
    match std::env::var(ROLE).as_deref() {
        Ok("plugin") => return life::be_a_plugin(),
        Ok("victim") => return hostile::be_a_victim(),
        _ => {}
    }
    let trials = [
        accepted::trials(),
        hostile::trials(),
        life::trials(),
        limits::trials(),
        properties::trials(),
        recorded::trials(),
        rpc::trials(),
        session::trials(),
    ];
    let trials = trials.into_iter().flatten().collect();
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

/// Lists test functions under their own names.
macro_rules! trials {
    ($($test:ident),* $(,)?) => {
        pub fn trials() -> Vec<libtest_mimic::Trial> {
            vec![$(crate::trial(concat!(module_path!(), "::", stringify!($test)), $test)),*]
        }
    };
}
pub(crate) use trials;

fn trial(name: &str, test: fn()) -> Trial {
    let name = name.trim_start_matches("it::");
    Trial::test(name, move || {
        test();
        Ok(())
    })
}

/// Runs a test on a runtime whose clock stands still and jumps when nothing else can happen: a
/// test that waits for what never comes fails at once.
fn paused(test: impl Future<Output = ()>) {
    let day = std::time::Duration::from_secs(86_400);
    let test = async {
        tokio::time::timeout(day, test)
            .await
            .expect("waits for ever")
    };
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .unwrap()
        .block_on(test);
}

/// Runs a test that has to do with other processes, whose clocks do not jump.
fn real_time(test: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(test);
}
