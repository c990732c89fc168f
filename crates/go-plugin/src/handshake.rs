//! How host and plugin recognise each other: a cookie in the environment, a line on stdout.
//!
//! This is the one module that reads the environment, because go-plugin's protocol is made of it.

use std::env;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use tracing::warn;

use crate::Error;

/// go-plugin's own protocol (`server.go, CoreProtocolVersion`).
const CORE_PROTOCOL: &str = "1";
/// The transport this crate speaks (`protocol.go, ProtocolNetRPC`).
const TRANSPORT: &str = "netrpc";
const NETWORK: &str = "unix";

const SOCKET_DIR: &str = "PLUGIN_UNIX_SOCKET_DIR";
const CLIENT_CERT: &str = "PLUGIN_CLIENT_CERT";
const PROTOCOL_VERSIONS: &str = "PLUGIN_PROTOCOL_VERSIONS";

/// What host and plugin have agreed on beforehand (`server.go, HandshakeConfig`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Handshake {
    /// The environment variable that holds the cookie.
    pub cookie_key: &'static str,
    /// The cookie. It keeps humans from starting plugins by hand; it is no secret.
    pub cookie_value: &'static str,
    /// The version of what is spoken over the connection.
    pub protocol_version: u32,
}

/// What the host that started this process asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invitation {
    /// Where the socket belongs.
    pub socket_dir: PathBuf,
    /// The version to announce.
    pub protocol_version: u32,
}

impl Handshake {
    /// Whether a host started this process: the cookie is in the environment.
    pub fn is_started_by_host(&self) -> bool {
        env::var_os(self.cookie_key).as_deref() == Some(OsStr::new(self.cookie_value))
    }

    /// What the host asks for, from this process's environment.
    ///
    /// # Errors
    /// No host started this process, or it wants TLS.
    pub fn invitation(&self) -> Result<Invitation, Error> {
        if !self.is_started_by_host() {
            return Err(Error::NotStartedByHost {
                key: self.cookie_key,
            });
        }
        if env::var_os(CLIENT_CERT).is_some_and(|cert| !cert.is_empty()) {
            return Err(Error::AutoMtls);
        }
        if let Ok(versions) = env::var(PROTOCOL_VERSIONS)
            && !offers(&versions, self.protocol_version)
        {
            // As in Go: announce ours, the host knows best how to say that it does not fit.
            warn!(
                ours = self.protocol_version,
                "the host does not offer this plugin's protocol version"
            );
        }
        let socket_dir = match env::var_os(SOCKET_DIR) {
            Some(dir) if !dir.is_empty() => PathBuf::from(dir),
            _ => env::temp_dir(),
        };
        Ok(Invitation {
            socket_dir,
            protocol_version: self.protocol_version,
        })
    }

    /// The environment that a host gives to its plugin (`client.go, Client.Start`).
    pub(crate) fn environment(&self) -> [(&'static str, String); 4] {
        [
            (self.cookie_key, self.cookie_value.to_owned()),
            (PROTOCOL_VERSIONS, self.protocol_version.to_string()),
            // For plugins on systems without Unix sockets; Go's defaults.
            ("PLUGIN_MIN_PORT", "10000".to_owned()),
            ("PLUGIN_MAX_PORT", "25000".to_owned()),
        ]
    }

    /// The socket that a plugin announced (`client.go, Client.Start`).
    pub(crate) fn parse(&self, line: &str) -> Result<PathBuf, Error> {
        let refused = |reason: &str| {
            Err(Error::Handshake {
                reason: reason.to_owned(),
            })
        };
        let parts: Vec<_> = line.trim_end().split('|').collect();
        let &[core, version, network, address, ref rest @ ..] = parts.as_slice() else {
            return refused("its first line on stdout is no handshake");
        };
        if core != CORE_PROTOCOL {
            return refused("it speaks another version of go-plugin");
        }
        if version != self.protocol_version.to_string() {
            return refused("it speaks another protocol version");
        }
        if network != NETWORK {
            return refused("it does not listen on a Unix socket");
        }
        // Before it spoke gRPC, go-plugin had no fifth part.
        match rest.first() {
            None | Some(&("" | TRANSPORT)) => Ok(PathBuf::from(address)),
            Some(_) => refused("it does not speak net/rpc"),
        }
    }
}

/// Whether the host's list of versions, as in `1,2`, has ours.
fn offers(versions: &str, ours: u32) -> bool {
    versions
        .split(',')
        .any(|version| version.trim().parse() == Ok(ours))
}

impl Invitation {
    /// The line that announces `socket` (`server.go, Serve`); the last part would be a certificate.
    pub(crate) fn line(&self, socket: &Path) -> String {
        format!(
            "{CORE_PROTOCOL}|{}|{NETWORK}|{}|{TRANSPORT}|\n",
            self.protocol_version,
            socket.display()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HANDSHAKE: Handshake = Handshake {
        cookie_key: "GO_PLUGIN_TEST_COOKIE",
        cookie_value: "crumb",
        protocol_version: 1,
    };

    #[test]
    fn the_line_is_gos_and_the_host_reads_it_back() {
        let invitation = Invitation {
            socket_dir: "/tmp".into(),
            protocol_version: 1,
        };
        let line = invitation.line(Path::new("/tmp/plugin1/socket"));
        assert_eq!(line, "1|1|unix|/tmp/plugin1/socket|netrpc|\n");
        assert_eq!(
            HANDSHAKE.parse(&line).unwrap(),
            Path::new("/tmp/plugin1/socket")
        );
    }

    #[test]
    fn lines_of_other_plugins_are_refused_with_the_reason() {
        for (line, reason) in [
            ("", "no handshake"),
            ("usage: plugin [flags]", "no handshake"),
            ("2|1|unix|/s|netrpc|", "another version of go-plugin"),
            ("1|2|unix|/s|netrpc|", "another protocol version"),
            ("1|1|tcp|127.0.0.1:1|netrpc|", "Unix socket"),
            ("1|1|unix|/s|grpc|", "net/rpc"),
        ] {
            let error = HANDSHAKE.parse(line).unwrap_err().to_string();
            assert!(error.contains(reason), "{line:?}: {error}");
        }
        assert!(HANDSHAKE.parse("1|1|unix|/s").is_ok());
    }

    #[test]
    fn the_hosts_list_of_versions_is_read_leniently() {
        assert!(offers("1", 1) && offers("3, 1", 1) && offers("x,1", 1));
        assert!(!offers("2,3", 1) && !offers("", 1) && !offers("11", 1));
    }

    #[test]
    fn without_the_cookie_nothing_happens() {
        assert!(matches!(
            HANDSHAKE.invitation(),
            Err(Error::NotStartedByHost { .. })
        ));
    }
}
