//! The check against servers and proxies on loopback.

use super::*;
use crate::proxies::Proxies;
use tokio::net::TcpListener;

#[test]
fn an_address_is_shown_without_its_credentials() {
    let table = [
        ("http://agent:8080", Some("http://agent:8080")),
        ("https://u:p@agent/a2a?key=x", Some("https://agent/a2a")),
        ("http://[::1]:80/", Some("http://[::1]:80")),
        ("agent:8080", None),
        ("ftp://agent", None),
        ("not an address", None),
        ("", None),
    ];
    for (url, shown) in table {
        assert_eq!(without_credentials(url).as_deref(), shown, "{url}");
    }
}

#[test]
fn a_status_line_is_read_and_nothing_else_is_taken_for_one() {
    let table = [
        ("HTTP/1.1 200 OK\r\n", Some(200)),
        ("HTTP/1.0 503\n", Some(503)),
        ("HTTP/2 200\r\n", None),
        ("HTTP/1.1 2000 OK\r\n", None),
        ("SSH-2.0-OpenSSH\r\n", None),
        ("", None),
    ];
    for (head, expected) in table {
        assert_eq!(status(head.as_bytes()), expected, "{head:?}");
    }
}

/// Answers one connection with these bytes.
async fn server(answer: &'static [u8]) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let asked = stream.read(&mut [0; 1_024]).await.unwrap();
        assert!(asked > 0);
        stream.write_all(answer).await.unwrap();
    });
    address
}

async fn checked(url: String) -> (bool, String) {
    checked_through(Proxies::default(), url).await
}

async fn checked_through(proxies: Proxies, url: String) -> (bool, String) {
    let config = CheckConfig {
        url,
        step_limit: Duration::from_secs(5),
        proxies,
    };
    let mut out = Vec::new();
    let reachable = check(&config, &mut out).await.unwrap();
    (reachable, String::from_utf8(out).unwrap())
}

#[tokio::test]
async fn each_step_is_said() {
    let address = server(b"HTTP/1.1 404 Not Found\r\n\r\n").await;
    let (reachable, said) = checked(format!("http://{address}/health")).await;
    assert!(reachable, "{said}");
    let steps: Vec<&str> = said.lines().map(|l| l.split(' ').next().unwrap()).collect();
    assert_eq!(steps, ["DNS", "connect", "HTTP", "reachable"]);
    assert!(said.contains("HTTP     404 ("), "{said}");
}

#[tokio::test]
async fn what_does_not_serve_is_not_reachable() {
    for (answer, why) in [
        (
            &b"HTTP/1.1 503 Service Unavailable\r\n\r\n"[..],
            "an error of its own",
        ),
        (b"SSH-2.0-OpenSSH\r\n", "not HTTP"),
        (b"", "not HTTP"),
    ] {
        let address = server(answer).await;
        let (reachable, said) = checked(format!("http://{address}")).await;
        assert!(!reachable && said.contains(why), "{said}");
    }
    let address = server(b"plain text").await;
    let (reachable, said) = checked(format!("https://{address}")).await;
    assert!(!reachable && said.contains("TLS      failed"), "{said}");
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = closed.local_addr().unwrap();
    drop(closed);
    let (reachable, said) = checked(format!("http://{address}")).await;
    assert!(!reachable && said.contains("connect  failed"), "{said}");
    let (reachable, said) = checked("agent:8080".into()).await;
    assert!(!reachable && said.contains("not an http"), "{said}");
}

#[tokio::test]
async fn a_step_that_hangs_ends() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let config = CheckConfig {
        url: format!("http://{}", listener.local_addr().unwrap()),
        step_limit: Duration::from_millis(20),
        proxies: Proxies::default(),
    };
    let mut out = Vec::new();
    assert!(!check(&config, &mut out).await.unwrap());
    let said = String::from_utf8(out).unwrap();
    assert!(said.contains("took longer"), "{said}");
}

/// A proxy that gives this answer, to whatever it is asked. Returns its
/// address, and what it was asked.
async fn proxy(answer: &str) -> (SocketAddr, tokio::task::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let answer = answer.to_owned();
    let asked = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.unwrap());
        }
        stream.write_all(answer.as_bytes()).await.unwrap();
        String::from_utf8(head).unwrap()
    });
    (address, asked)
}

fn all(proxy: impl std::fmt::Display) -> Proxies {
    Proxies {
        all: format!("http://me:hunter2@{proxy}"),
        ..Proxies::default()
    }
}

#[tokio::test]
async fn http_is_asked_of_the_proxy() {
    let (address, asked) = proxy("HTTP/1.1 200 OK\r\n\r\n").await;
    let url = "http://user:password@agent.invalid/a?b".to_owned();
    let (reachable, said) = checked_through(all(address), url).await;
    assert!(reachable, "{said}");
    assert!(
        said.starts_with(&format!("proxy    http://{address}\n")),
        "{said}"
    );
    assert!(!said.contains("hunter2"), "{said}");
    let head = asked.await.unwrap();
    assert!(
        head.starts_with("GET http://agent.invalid:80/a?b HTTP/1.1\r\nHost: agent.invalid:80\r\n"),
        "{head}"
    );
    assert!(
        head.contains("\r\nProxy-Authorization: Basic bWU6aHVudGVyMg==\r\n"),
        "{head}"
    );
}

#[tokio::test]
async fn https_asks_the_proxy_for_a_tunnel() {
    let long = "x".repeat(MAX_PROXY_HEAD_BYTES);
    let long = format!("HTTP/1.1 200 OK\r\nX: {long}\r\n\r\n");
    let table = [
        (long.as_str(), "CONNECT  failed"),
        ("HTTP/1.1 407 Who\r\n\r\n", "wants to know who asks"),
        ("HTTP/1.1 403 No\r\n\r\n", "status 403"),
        ("HTTP/1.1 502 Bad\r\n\r\n", "status 502"),
        ("HTTP/1.1 200 OK\r\n", "not HTTP"),
        ("SSH-2.0-OpenSSH\r\n\r\n", "not HTTP"),
        // A tunnel whose other end speaks no TLS.
        (
            "HTTP/1.1 200 OK\r\n\r\nhello there, stranger",
            "TLS      failed",
        ),
    ];
    for (answer, why) in table {
        let (address, asked) = proxy(answer).await;
        let url = "https://agent.invalid".to_owned();
        let (reachable, said) = checked_through(all(address), url).await;
        assert!(!reachable && said.contains(why), "{answer}: {said}");
        let head = asked.await.unwrap();
        assert!(
            head.starts_with("CONNECT agent.invalid:443 HTTP/1.1\r\nHost: agent.invalid:443\r\n"),
            "{head}"
        );
        assert!(head.contains("Proxy-Authorization"), "{head}");
        assert!(!said.contains("hunter2"), "{said}");
    }
}

#[tokio::test]
async fn no_proxy_goes_past_it_and_a_missing_one_is_no_way() {
    let address = server(b"HTTP/1.1 200 OK\r\n\r\n").await;
    let gone = Proxies {
        no: "127.0.0.0/8".into(),
        ..all("127.0.0.1:1")
    };
    let (reachable, said) = checked_through(gone, format!("http://{address}")).await;
    assert!(
        reachable && said.starts_with("proxy    none: NO_PROXY"),
        "{said}"
    );
    let (reachable, said) = checked_through(all("127.0.0.1:1"), format!("http://{address}")).await;
    assert!(!reachable && said.contains("connect  failed"), "{said}");
    let socks = Proxies {
        all: "socks5://127.0.0.1:1".into(),
        ..Proxies::default()
    };
    let (reachable, said) = checked_through(socks, format!("http://{address}")).await;
    assert!(!reachable && said.contains("only http://"), "{said}");
}
