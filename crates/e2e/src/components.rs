//! The programs of a cluster: their configuration files and command lines.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::command::output;
use crate::disk::EVICTION_PERCENT;
use crate::error::{Error, Result};
use crate::network::{DNS_ADDRESS, NODE_ADDRESS, POD_RANGE, SERVICE_RANGE};
use crate::tools::{Built, COREDNS, ETCD, KUBERNETES};

/// The image that holds a pod's namespaces open. It is imported, never pulled.
pub const PAUSE_IMAGE: &str = "localhost/canary-judge/pause:1";
/// The node's name.
pub(crate) const NODE: &str = "box";
/// Longest time to make a key.
const KEY_LIMIT: Duration = Duration::from_secs(60);
/// Bytes of randomness in the administrator's token.
const TOKEN_LIMIT_BYTES: usize = 16;

/// The files of a running box, below its state folder.
#[derive(Debug, Clone)]
pub(crate) struct Files {
    state: PathBuf,
}

impl Files {
    pub(crate) fn new(state: &Path) -> Self {
        Self {
            state: state.to_owned(),
        }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.state.join(name)
    }

    pub(crate) fn kubeconfig(&self) -> PathBuf {
        self.path("kubeconfig")
    }

    /// containerd's socket.
    pub(crate) fn containerd(&self) -> PathBuf {
        self.path("containerd/containerd.sock")
    }

    pub(crate) fn log(&self, program: &str) -> PathBuf {
        self.path("logs").join(format!("{program}.log"))
    }

    fn shown(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    fn write(&self, name: &str, text: &str) -> Result<()> {
        let path = self.path(name);
        fs::write(&path, text).map_err(Error::file("write", &path))
    }

    /// Writes everything that the programs read.
    pub(crate) fn write_all(&self, control_group: &str) -> Result<()> {
        for folder in [
            "cni",
            "pki",
            "logs",
            "etcd",
            "kubelet",
            "containerd",
            "pods",
        ] {
            let path = self.path(folder);
            fs::create_dir_all(&path).map_err(Error::file("create", &path))?;
        }
        self.write_credentials()?;
        self.write("resolv.conf", &format!("nameserver {NODE_ADDRESS}\n"))?;
        self.write("cni/10-pods.conflist", &pod_network(&self.shown("ipam")))?;
        self.write("containerd.toml", &self.containerd_configuration())?;
        self.write("kubelet.yaml", &self.kubelet_configuration(control_group))?;
        self.write("Corefile", &self.dns_configuration())
    }

    fn write_credentials(&self) -> Result<()> {
        let mut make = Command::new("openssl");
        make.args(["genrsa", "-out"])
            .arg(self.path("pki/sa.key"))
            .arg("2048");
        output(&mut make, KEY_LIMIT)?;
        let mut derive = Command::new("openssl");
        derive
            .args(["rsa", "-pubout", "-in"])
            .arg(self.path("pki/sa.key"))
            .arg("-out")
            .arg(self.path("pki/sa.pub"));
        output(&mut derive, KEY_LIMIT)?;
        let token = random_token()?;
        let tokens = self.path("pki/tokens.csv");
        let kubeconfig = self.kubeconfig();
        for (path, text) in [
            (&tokens, format!("{token},admin,admin,\"system:masters\"\n")),
            (&kubeconfig, kubeconfig_text(&token)),
        ] {
            fs::write(path, "")
                .and_then(|()| fs::set_permissions(path, fs::Permissions::from_mode(0o600)))
                .and_then(|()| fs::write(path, text))
                .map_err(Error::file("write", path))?;
        }
        Ok(())
    }

    fn containerd_configuration(&self) -> String {
        let (root, state) = (self.shown("containerd/root"), "/run/containerd/state");
        let (socket, opt) = (self.containerd(), self.shown("containerd/opt"));
        let (socket, cni) = (socket.display(), self.shown("cni"));
        // restrict_oom_score_adj: without CAP_SYS_RESOURCE runc dies in its
        // first step, and a box should not need more rights than it can get.
        format!(
            r#"version = 2
root = "{root}"
state = "{state}"
[grpc]
  address = "{socket}"
[plugins."io.containerd.internal.v1.opt"]
  path = "{opt}"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{PAUSE_IMAGE}"
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        SystemdCgroup = false
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "{cni}"
"#
        )
    }

    fn kubelet_configuration(&self, control_group: &str) -> String {
        let socket = self.containerd();
        let (socket, resolv) = (socket.display(), self.shown("resolv.conf"));
        let (pods, volumes) = (self.shown("pods"), self.shown("kubelet/volume-plugins"));
        format!(
            r#"apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
authentication: {{anonymous: {{enabled: true}}, webhook: {{enabled: false}}}}
authorization: {{mode: AlwaysAllow}}
cgroupDriver: cgroupfs
cgroupRoot: /{control_group}
failCgroupV1: false
failSwapOn: false
containerRuntimeEndpoint: unix://{socket}
clusterDNS: [{DNS_ADDRESS}]
clusterDomain: cluster.local
resolvConf: {resolv}
podLogsDir: {pods}
volumePluginDir: {volumes}
evictionHard: {{memory.available: 100Mi, nodefs.available: "{EVICTION_PERCENT}%", imagefs.available: "{EVICTION_PERCENT}%"}}
imageGCHighThresholdPercent: 100
enforceNodeAllocatable: []
nodeStatusUpdateFrequency: 2s
maxPods: 200
# Pods start in parallel and nothing is pulled: the defaults would throttle.
kubeAPIQPS: 100
kubeAPIBurst: 200
"#
        )
    }

    fn dns_configuration(&self) -> String {
        let kubeconfig = self.kubeconfig();
        let kubeconfig = kubeconfig.display();
        format!(
            "cluster.local:53 {{\n  bind {NODE_ADDRESS}\n  errors\n  \
             kubernetes cluster.local {{\n    kubeconfig {kubeconfig}\n    ttl 5\n  }}\n}}\n"
        )
    }

    /// The command of one program, run inside the box.
    pub(crate) fn program(&self, built: &Built, name: &str) -> Command {
        let tool = match name {
            "etcd" => &ETCD,
            "coredns" => &COREDNS,
            _ => &KUBERNETES,
        };
        let mut command = if name == "containerd" {
            Command::new("/usr/bin/containerd")
        } else {
            Command::new(built.path(tool, name))
        };
        command.args(self.arguments(name)).current_dir(&self.state);
        command
    }

    fn arguments(&self, name: &str) -> Vec<String> {
        let kubeconfig = format!("--kubeconfig={}", self.shown("kubeconfig"));
        let node = format!("--hostname-override={NODE}");
        let pods = format!("--cluster-cidr={POD_RANGE}");
        match name {
            "etcd" => vec![
                format!("--data-dir={}", self.shown("etcd")),
                "--listen-client-urls=http://127.0.0.1:2379".into(),
                "--advertise-client-urls=http://127.0.0.1:2379".into(),
                "--listen-peer-urls=http://127.0.0.1:2380".into(),
                // Nothing of a box outlives it, so nothing need reach the disk.
                "--unsafe-no-fsync".into(),
            ],
            "containerd" => vec!["--config".into(), self.shown("containerd.toml")],
            "kube-apiserver" => self.api_server_arguments(),
            "kube-controller-manager" => vec![
                kubeconfig,
                pods,
                format!(
                    "--service-account-private-key-file={}",
                    self.shown("pki/sa.key")
                ),
                format!("--root-ca-file={}", self.shown("pki/apiserver.crt")),
                format!(
                    "--flex-volume-plugin-dir={}",
                    self.shown("kubelet/volume-plugins")
                ),
                "--leader-elect=false".into(),
                "--use-service-account-credentials=true".into(),
            ],
            "kube-scheduler" => vec![kubeconfig, "--leader-elect=false".into()],
            "kubelet" => vec![
                kubeconfig,
                node,
                format!("--config={}", self.shown("kubelet.yaml")),
                format!("--root-dir={}", self.shown("kubelet")),
                format!("--cert-dir={}", self.shown("pki")),
                format!("--node-ip={NODE_ADDRESS}"),
            ],
            "kube-proxy" => vec![
                kubeconfig,
                node,
                pods,
                "--proxy-mode=nftables".into(),
                "--conntrack-max-per-core=0".into(),
            ],
            "coredns" => vec!["-conf".into(), self.shown("Corefile")],
            _ => Vec::new(),
        }
    }

    fn api_server_arguments(&self) -> Vec<String> {
        vec![
            "--etcd-servers=http://127.0.0.1:2379".into(),
            "--secure-port=6443".into(),
            "--bind-address=0.0.0.0".into(),
            format!("--advertise-address={NODE_ADDRESS}"),
            format!("--cert-dir={}", self.shown("pki")),
            format!("--service-account-key-file={}", self.shown("pki/sa.pub")),
            format!(
                "--service-account-signing-key-file={}",
                self.shown("pki/sa.key")
            ),
            "--service-account-issuer=https://kubernetes.default.svc".into(),
            format!("--token-auth-file={}", self.shown("pki/tokens.csv")),
            "--authorization-mode=RBAC".into(),
            format!("--service-cluster-ip-range={SERVICE_RANGE}"),
            "--allow-privileged=true".into(),
            "--kubelet-preferred-address-types=InternalIP".into(),
            "--endpoint-reconciler-type=lease".into(),
        ]
    }
}

/// The service through which pods reach the name server, which runs beside
/// them on the node.
pub(crate) fn dns_manifest() -> String {
    format!(
        r#"apiVersion: v1
kind: Service
metadata: {{name: kube-dns, namespace: kube-system}}
spec:
  clusterIP: {DNS_ADDRESS}
  ports: [{{name: dns, port: 53, protocol: UDP}}, {{name: dns-tcp, port: 53, protocol: TCP}}]
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {{name: kube-dns, namespace: kube-system, labels: {{kubernetes.io/service-name: kube-dns}}}}
addressType: IPv4
endpoints: [{{addresses: ["{NODE_ADDRESS}"]}}]
ports: [{{name: dns, port: 53, protocol: UDP}}, {{name: dns-tcp, port: 53, protocol: TCP}}]
"#
    )
}

fn pod_network(data: &str) -> String {
    format!(
        r#"{{"cniVersion":"1.0.0","name":"pods","plugins":[
 {{"type":"bridge","bridge":"cni0","isGateway":true,"ipMasq":true,"hairpinMode":true,
  "ipam":{{"type":"host-local","dataDir":"{data}","ranges":[[{{"subnet":"{POD_RANGE}"}}]],"routes":[{{"dst":"0.0.0.0/0"}}]}}}},
 {{"type":"portmap","capabilities":{{"portMappings":true}}}}]}}
"#
    )
}

fn kubeconfig_text(token: &str) -> String {
    // The API server makes its certificate itself, for its own loopback: there
    // is nobody else in this network who could answer.
    format!(
        r#"apiVersion: v1
kind: Config
clusters: [{{name: box, cluster: {{server: "https://{NODE_ADDRESS}:6443", insecure-skip-tls-verify: true}}}}]
users: [{{name: admin, user: {{token: "{token}"}}}}]
contexts: [{{name: box, context: {{cluster: box, user: admin}}}}]
current-context: box
"#
    )
}

fn random_token() -> Result<String> {
    use std::io::Read;
    let source = Path::new("/dev/urandom");
    let mut bytes = [0; TOKEN_LIMIT_BYTES];
    fs::File::open(source)
        .and_then(|mut file| file.read_exact(&mut bytes))
        .map_err(Error::file("read", source))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}
