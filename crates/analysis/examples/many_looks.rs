//! Looks at the same canary many times at once, and says how long that took
//! and how much memory the process needed at most.
//!
//! `many_looks KUBECONFIG [LOOKS]`, with a cluster in which namespace `shop`
//! has a rollout `web` (kube-stand-in's example `large_logs` serves one).

use std::io::Write as _;
use std::time::Instant;

use analysis::{Access, Cluster, Earlier, Limits, Request, Selector, analyse};

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let kubeconfig = arguments.next().ok_or("many_looks KUBECONFIG [LOOKS]")?;
    let looks: usize = arguments.next().map_or(Ok(20), |text| text.parse())?;
    let cluster = Cluster::new(Access::Kubeconfig(kubeconfig.into()));
    let request = Request {
        namespace: "shop".into(),
        rollout: "web".into(),
        canary_hash: None,
        stable: Selector::parse("role=stable")?,
        canary: Selector::parse("role=canary")?,
        earlier: Earlier::default(),
        limits: Limits::default(),
        now_ms: jiff::Timestamp::now().as_millisecond(),
    };
    let begun = Instant::now();
    let tasks: Vec<_> = (0..looks)
        .map(|_| {
            let (cluster, request) = (cluster.clone(), request.clone());
            tokio::spawn(async move {
                analyse((&cluster).into(), &request, &judge::Policy::default()).await
            })
        })
        .collect();
    let mut stdout = std::io::stdout().lock();
    let mut last = None;
    for task in tasks {
        let look = task.await??;
        if last.as_ref().is_some_and(|last| *last != look) {
            let left_out = look.verdict.left_out.len();
            writeln!(
                stdout,
                "a look differs from the one before; it left out {left_out}"
            )?;
        }
        last = Some(look);
    }
    if let Some(look) = last {
        writeln!(stdout, "{}", look.verdict.message)?;
        writeln!(stdout, "left out: {}", look.verdict.left_out.len())?;
    }
    writeln!(stdout, "{looks} looks in {:?}", begun.elapsed())?;
    let status = std::fs::read_to_string("/proc/self/status")?;
    for line in status.lines().filter(|line| line.starts_with("VmHWM")) {
        writeln!(stdout, "{line}")?;
    }
    Ok(())
}
