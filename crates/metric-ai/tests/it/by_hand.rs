//! Started by a person, it explains itself and touches nothing.

#![expect(
    clippy::unwrap_used,
    reason = "a test ends where what it needs is missing"
)]

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Output};
use std::sync::Arc;

use rustls::pki_types::PrivateKeyDer;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::bench::{Bench, PLUGIN};
use crate::proxies::Proxy;

fn by_hand(args: &[&str]) -> Command {
    let mut command = Command::new(PLUGIN);
    command.args(args).env_remove("ARGO_ROLLOUTS_RPC_PLUGIN");
    // The machine's own proxies are none of ours.
    for name in ["ALL_PROXY", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"] {
        command.env_remove(name).env_remove(name.to_lowercase());
    }
    command
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn without_the_cookie_it_explains_itself_on_stderr() {
    let Output {
        status,
        stdout,
        stderr,
    } = by_hand(&[]).output().unwrap();
    assert_eq!(status.code(), Some(1));
    assert_eq!(text(&stdout), "");
    insta::assert_snapshot!(text(&stderr), @r"
    This is a metric plugin for Argo Rollouts: the controller starts it. Register it in the ConfigMap
    argo-rollouts-config, under metricProviderPlugins, with the name argoproj-labs/metric-ai and the
    location of this file. See --help for what it does by hand.
    ");
}

#[test]
fn help_and_version_go_to_stdout_and_mistakes_to_stderr() {
    let help = by_hand(&["--help"]).output().unwrap();
    assert_eq!(help.status.code(), Some(0));
    for word in [
        "check",
        "install",
        "LOG_LEVEL",
        "KUBECONFIG",
        "--agent-origin",
        "--model-may-settle",
        "CANARY_JUDGE_POLICY",
        "metricProviderPlugins",
    ] {
        assert!(text(&help.stdout).contains(word), "{word}");
    }
    let version = by_hand(&["--version"]).output().unwrap();
    let expected = format!(
        "rollouts-plugin-metric-ai {} (commit ",
        env!("CARGO_PKG_VERSION")
    );
    assert!(text(&version.stdout).starts_with(&expected), "{version:?}");
    let mistake = by_hand(&["serve"]).output().unwrap();
    assert_eq!(mistake.status.code(), Some(2));
    assert!(mistake.stdout.is_empty() && !mistake.stderr.is_empty());
}

#[test]
fn a_dead_stderr_or_stdout_is_no_panic() {
    for args in [&[] as &[&str], &["--help"], &["check", "nowhere"]] {
        // The pipe's other end is gone before anything is written.
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let status = by_hand(args)
            .stderr(writer.try_clone().unwrap())
            .stdout(writer)
            .status()
            .unwrap();
        assert!(
            status.code().is_some_and(|code| code <= 1),
            "{args:?}: {status}"
        );
    }
}

#[tokio::test]
async fn check_tells_each_step() {
    let bench = Bench::new().await;
    let address = format!("{}/version", bench.address());
    let check = tokio::task::spawn_blocking(move || by_hand(&["check", &address]).output());
    let Output { status, stdout, .. } = check.await.unwrap().unwrap();
    let said = text(&stdout);
    assert_eq!(status.code(), Some(0), "{said}");
    let steps: Vec<&str> = said
        .lines()
        .map(|line| line.split(' ').next().unwrap_or_default())
        .collect();
    assert_eq!(steps, ["DNS", "connect", "HTTP", "reachable"], "{said}");
    let nowhere = by_hand(&["check", "agent:8080"]).output().unwrap();
    assert_eq!(nowhere.status.code(), Some(1));
}

/// Serves TLS to one client, with a certificate of its own for 127.0.0.1.
/// Returns the address and the certificate.
async fn tls_server() -> (SocketAddr, String) {
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        // A client that does not trust us goes away here.
        let Ok(mut stream) = TlsAcceptor::from(Arc::new(config)).accept(stream).await else {
            return;
        };
        let asked = stream.read(&mut [0; 1_024]).await.unwrap();
        assert!(asked > 0);
        let answer = b"HTTP/1.1 204 No Content\r\n\r\n";
        stream.write_all(answer).await.unwrap();
        stream.shutdown().await.unwrap();
    });
    (address, made.cert.pem())
}

#[tokio::test]
async fn check_trusts_the_authorities_it_is_given_and_no_others() {
    let folder = tempfile::tempdir().unwrap();
    let (_, other) = tls_server().await;
    for (is_ours, expected) in [(true, Some(0)), (false, Some(1))] {
        let (address, ours) = tls_server().await;
        let file = folder.path().join("authorities.pem");
        fs::write(&file, if is_ours { &ours } else { &other }).unwrap();
        let mut check = by_hand(&["check", &format!("https://{address}")]);
        check.env("SSL_CERT_FILE", &file).env_remove("SSL_CERT_DIR");
        let check = tokio::task::spawn_blocking(move || check.output());
        let Output { status, stdout, .. } = check.await.unwrap().unwrap();
        let said = text(&stdout);
        assert_eq!(status.code(), expected, "{said}");
        assert_eq!(said.contains("certificate trusted"), is_ours, "{said}");
        assert_eq!(said.contains("HTTP     204"), is_ours, "{said}");
        assert_eq!(said.contains("TLS      failed"), !is_ours, "{said}");
    }
}

#[tokio::test]
async fn check_goes_through_the_proxy_that_the_environment_names() {
    let folder = tempfile::tempdir().unwrap();
    let (server, certificate) = tls_server().await;
    let proxy = Proxy::new().await;
    let file = folder.path().join("authorities.pem");
    fs::write(&file, certificate).unwrap();
    let mut check = by_hand(&["check", &format!("https://{server}")]);
    check
        .env("SSL_CERT_FILE", &file)
        .env_remove("SSL_CERT_DIR")
        .env(
            "HTTPS_PROXY",
            format!("http://me:hunter2@{}", proxy.address()),
        );
    let check = tokio::task::spawn_blocking(move || check.output());
    let Output { status, stdout, .. } = check.await.unwrap().unwrap();
    let said = text(&stdout);
    assert_eq!(status.code(), Some(0), "{said}");
    let steps: Vec<&str> = said
        .lines()
        .map(|line| line.split(' ').next().unwrap_or_default())
        .collect();
    let expected = [
        "proxy",
        "DNS",
        "connect",
        "CONNECT",
        "TLS",
        "HTTP",
        "reachable",
    ];
    assert_eq!(steps, expected, "{said}");
    assert!(!said.contains("hunter2"), "{said}");
    assert_eq!(proxy.asked(), [server.to_string()]);
}

#[test]
fn install_copies_the_program_so_that_it_runs() {
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("plugins/");
    let path = format!("{}/", target.display());
    let installed = by_hand(&["install", &path]).output().unwrap();
    assert_eq!(
        installed.status.code(),
        Some(0),
        "{}",
        text(&installed.stderr)
    );
    let file = target.join("rollouts-plugin-metric-ai");
    assert_eq!(fs::read(&file).unwrap(), fs::read(PLUGIN).unwrap());
    assert_eq!(
        fs::metadata(&file).unwrap().permissions().mode() & 0o777,
        0o755
    );
    let version = Command::new(&file).arg("--version").output().unwrap();
    assert_eq!(version.status.code(), Some(0));
}
