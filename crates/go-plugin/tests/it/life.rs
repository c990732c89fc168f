//! A plugin's life as a process: handshake, calls, and every way to end.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::Arc;

use go_plugin::host::{CONTROL_TIMEOUT_MS, Launch, Process, START_TIMEOUT_MS};
use go_plugin::plugin::{Ended, serve};
use go_plugin::{Error, Handshake};

use crate::scripted::Scripted;
use crate::{paused, real_time};

crate::trials!(
    a_dead_stderr_is_no_panic,
    a_dead_stdout_is_an_error,
    a_killed_plugin_fails_its_calls,
    a_plugin_starts_answers_and_quits,
    a_program_that_says_nothing_is_not_waited_for,
    a_stopped_plugin_fails_its_pings,
    a_program_that_is_no_plugin_is_named_with_its_last_words,
    a_socket_folder_that_is_not_there_is_named,
    a_stubborn_plugin_is_killed,
    an_interrupt_is_the_hosts_business,
    tls_is_refused_with_the_mend,
    the_end_of_the_connection_ends_the_process,
    the_socket_is_private_and_gone_once_the_host_is_there,
    without_the_cookie_it_explains_itself,
);

const HANDSHAKE: Handshake = Handshake {
    cookie_key: "GO_PLUGIN_TEST_COOKIE",
    cookie_value: "crumb",
    protocol_version: 1,
};

/// How the plugin's exit code tells that its host went away.
const HOST_GONE: i32 = 4;

/// Set to make a plugin that neither quits nor ends with its host.
const STUBBORN: &str = "GO_PLUGIN_TEST_STUBBORN";

pub fn be_a_plugin() -> ExitCode {
    let mut outcome = None;
    real_time(async {
        outcome = Some(match HANDSHAKE.invitation() {
            Ok(invitation) => {
                serve(
                    &invitation,
                    vec![("Scripted", Arc::new(Scripted::default()))],
                )
                .await
            }
            Err(error) => Err(error),
        });
    });
    if std::env::var_os(STUBBORN).is_some() {
        loop {
            std::thread::park();
        }
    }
    match outcome.unwrap() {
        Ok(Ended::Quit) => ExitCode::SUCCESS,
        Ok(Ended::HostGone) => ExitCode::from(4),
        Err(error) => {
            // As a main should: a dead stderr is nobody's to complain to.
            drop(writeln!(std::io::stderr().lock(), "{error}"));
            ExitCode::FAILURE
        }
    }
}

fn launch(folder: &Path) -> Launch {
    Launch::new(std::env::current_exe().unwrap())
        .env(crate::ROLE, "plugin")
        .env("PLUGIN_UNIX_SOCKET_DIR", folder)
}

/// The plugin without a host side: its pipes are the test's.
fn bare(folder: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .env(crate::ROLE, "plugin")
        .env(HANDSHAKE.cookie_key, HANDSHAKE.cookie_value)
        .env("PLUGIN_UNIX_SOCKET_DIR", folder)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// The socket that the child announces.
fn socket(child: &mut Child) -> PathBuf {
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    let parts: Vec<_> = line.trim_end().split('|').collect();
    let [core, app, network, path, transport, cert] = parts.as_slice() else {
        panic!("{line:?}");
    };
    assert_eq!(
        [*core, app, network, transport, cert],
        ["1", "1", "unix", "netrpc", ""]
    );
    PathBuf::from(path)
}

fn entries(folder: &Path) -> usize {
    std::fs::read_dir(folder).unwrap().count()
}

/// Runs a plugin that cannot start to its end; returns what it said.
fn refused(mut command: Command) -> String {
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(output.stdout.is_empty(), "stdout is the protocol's");
    String::from_utf8(output.stderr).unwrap()
}

fn a_plugin_starts_answers_and_quits() {
    real_time(async {
        let folder = tempfile::tempdir().unwrap();
        let mut plugin = Process::start(&launch(folder.path()), &HANDSHAKE)
            .await
            .unwrap();
        plugin.ping().await.unwrap();
        let refusal = plugin.dispense("Nothing").await.err().unwrap();
        assert_eq!(
            refusal.to_string(),
            "the peer answered: unknown plugin type: Nothing"
        );
        let client = plugin.dispense("Scripted").await.unwrap();
        let calls = (0..50).map(|n| {
            let client = &client;
            async move {
                let text = format!("call {n}");
                let echo: String = client.call("Plugin.Echo", &text).await.unwrap();
                assert_eq!(echo, text);
            }
        });
        futures::future::join_all(calls).await;
        assert_eq!(plugin.quit().await.unwrap().code(), Some(0));
        assert_eq!(entries(folder.path()), 0);
    });
}

fn a_killed_plugin_fails_its_calls() {
    real_time(async {
        let folder = tempfile::tempdir().unwrap();
        let mut plugin = Process::start(&launch(folder.path()), &HANDSHAKE)
            .await
            .unwrap();
        let client = plugin.dispense("Scripted").await.unwrap();
        let text = String::new();
        let waiting = client.call::<_, String>("Plugin.Wait", &text);
        let kill = async {
            let echo: Result<String, _> = client.call("Plugin.Echo", &text).await;
            assert!(echo.is_ok());
            assert!(plugin.id().is_some());
            plugin.kill().await.unwrap()
        };
        let (waited, killed) = futures::future::join(waiting, kill).await;
        assert!(waited.is_err());
        assert!(!killed.success());
    });
}

fn a_stubborn_plugin_is_killed() {
    real_time(async {
        let folder = tempfile::tempdir().unwrap();
        let launch = launch(folder.path()).env(STUBBORN, "1");
        let plugin = Process::start(&launch, &HANDSHAKE).await.unwrap();
        assert_eq!(
            plugin.quit().await.unwrap().code(),
            None,
            "ended by a signal"
        );
    });
}

fn a_program_that_is_no_plugin_is_named_with_its_last_words() {
    real_time(async {
        let shell = Launch::new("/bin/sh").arg("-c").arg("echo usage: sh >&2");
        let error = Process::start(&shell, &HANDSHAKE).await.err().unwrap();
        let text = error.to_string();
        assert!(text.ends_with("its last words: usage: sh"), "{text}");
        let nothing = Launch::new("/nonexistent/plugin");
        let error = Process::start(&nothing, &HANDSHAKE).await.err().unwrap();
        assert!(matches!(&error, Error::Start { program, .. } if program == "/nonexistent/plugin"));
    });
}

fn the_end_of_the_connection_ends_the_process() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = bare(folder.path()).spawn().unwrap();
    let host = std::os::unix::net::UnixStream::connect(socket(&mut child)).unwrap();
    drop(host);
    assert_eq!(child.wait().unwrap().code(), Some(HOST_GONE));
}

fn the_socket_is_private_and_gone_once_the_host_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = bare(folder.path()).spawn().unwrap();
    let path = socket(&mut child);
    assert!(path.starts_with(folder.path()));
    let private = path.parent().unwrap();
    assert_ne!(private, folder.path());
    let mode = std::fs::metadata(private).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
    let mut host = std::os::unix::net::UnixStream::connect(&path).unwrap();
    // A yamux ping: its answer says that the plugin has taken the connection.
    host.write_all(&[0, 2, 0, 1, 0, 0, 0, 0, 0, 0, 0, 9])
        .unwrap();
    let mut answer = [0; 12];
    while answer[2..4] != [0, 2] {
        host.read_exact(&mut answer).unwrap();
    }
    assert_eq!(entries(folder.path()), 0);
    drop(host);
    child.wait().unwrap();
}

fn without_the_cookie_it_explains_itself() {
    let folder = tempfile::tempdir().unwrap();
    for cookie in [None, Some("cake")] {
        let mut command = bare(folder.path());
        command.env_remove(HANDSHAKE.cookie_key);
        command.envs(cookie.map(|cookie| (HANDSHAKE.cookie_key, cookie)));
        let said = refused(command);
        assert!(said.contains("meant to be started by its host"), "{said}");
        assert_eq!(entries(folder.path()), 0);
    }
}

fn tls_is_refused_with_the_mend() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = bare(folder.path());
    command.env("PLUGIN_CLIENT_CERT", "-----BEGIN CERTIFICATE-----");
    let said = refused(command);
    assert!(
        said.contains("AutoMTLS") && said.contains("turn it off"),
        "{said}"
    );
    assert_eq!(entries(folder.path()), 0);
}

fn a_socket_folder_that_is_not_there_is_named() {
    let said = refused(bare(Path::new("/nonexistent/sockets")));
    assert!(said.contains("/nonexistent/sockets"), "{said}");
}

fn a_dead_stderr_is_no_panic() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = bare(folder.path());
    // So that it has something to complain about.
    command.env_remove(HANDSHAKE.cookie_key);
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    command.stderr(writer);
    assert_eq!(command.status().unwrap().code(), Some(1));
}

fn a_dead_stdout_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = bare(folder.path());
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    command.stdout(writer);
    let output = command
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
        .wait_with_output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("failed to announce"), "{said}");
    assert_eq!(entries(folder.path()), 0, "the socket is gone");
}

fn a_program_that_says_nothing_is_not_waited_for() {
    // The clock jumps while the program sleeps.
    paused(async {
        let sleeper = Launch::new("/bin/sh").arg("-c").arg("exec sleep 1000");
        let error = Process::start(&sleeper, &HANDSHAKE).await.err().unwrap();
        assert!(
            matches!(
                error,
                Error::Timeout {
                    timeout_ms: START_TIMEOUT_MS,
                    ..
                }
            ),
            "{error}"
        );
    });
}

fn a_stopped_plugin_fails_its_pings() {
    real_time(async {
        let folder = tempfile::tempdir().unwrap();
        let plugin = Process::start(&launch(folder.path()), &HANDSHAKE)
            .await
            .unwrap();
        signal(&plugin, "STOP");
        tokio::time::pause();
        let error = plugin.ping().await.unwrap_err();
        assert!(
            matches!(
                error,
                Error::Timeout {
                    timeout_ms: CONTROL_TIMEOUT_MS,
                    ..
                }
            ),
            "{error}"
        );
        plugin.kill().await.unwrap();
    });
}

/// The standard library sends no signals, and the shell does.
fn signal(plugin: &Process, name: &str) {
    let kill = format!("kill -{name} {}", plugin.id().unwrap());
    assert!(
        Command::new("/bin/sh")
            .args(["-c", &kill])
            .status()
            .unwrap()
            .success()
    );
}

fn an_interrupt_is_the_hosts_business() {
    real_time(async {
        let folder = tempfile::tempdir().unwrap();
        let plugin = Process::start(&launch(folder.path()), &HANDSHAKE)
            .await
            .unwrap();
        signal(&plugin, "INT");
        plugin.ping().await.unwrap();
        assert_eq!(plugin.quit().await.unwrap().code(), Some(0));
    });
}
