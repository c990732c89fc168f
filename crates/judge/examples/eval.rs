//! Judges labelled pairs of logs: `eval FOLDER --out verdicts.jsonl`, where
//! FOLDER/<id>/ holds `stable.log` and `canary.log`. One line a pair is
//! written, and a line of what decided to stdout.

use std::fs;
use std::io::Write as _;
use std::path::Path;

use anyhow::{Context as _, Result};
use judge::evidence::{ArmEvidence, LogProfile};
use judge::{Decision, Evidence, Policy, ProfileOptions, Profiler};

fn main() -> Result<()> {
    let mut args = std::env::args().skip(1);
    let folder = args.next().context("usage: eval FOLDER --out FILE")?;
    let out = args.nth(1).context("usage: eval FOLDER --out FILE")?;
    let mut verdicts = fs::File::create(&out)?;
    let mut ids: Vec<_> = fs::read_dir(&folder)?
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .collect();
    ids.sort();
    for id in ids {
        let pair = Path::new(&folder).join(&id);
        let evidence = Evidence {
            stable: arm(&pair.join("stable.log"))?,
            canary: arm(&pair.join("canary.log"))?,
            ..Evidence::default()
        };
        let judgement = judge::judge(&evidence, &Policy::default());
        let verdict = match judgement.decision {
            Decision::Promote => "promote",
            Decision::Abort => "abort",
            Decision::Inconclusive => "inconclusive",
        };
        writeln!(
            verdicts,
            r#"{{"id":"{id}","verdict":"{verdict}","confidence":{:.3}}}"#,
            judgement.confidence
        )?;
        let mut stdout = std::io::stdout().lock();
        let exposure = judgement.exposure;
        write!(
            stdout,
            "{id:44} {verdict:12} {:.2} {:?} {}/{} vs {}/{}",
            judgement.confidence,
            exposure.unit,
            exposure.canary_errors,
            exposure.canary,
            exposure.stable_errors,
            exposure.stable
        )?;
        for gate in &judgement.gates {
            write!(
                stdout,
                "  {:?} {:.1}{}",
                gate.kind,
                gate.log_e,
                if gate.fired { "!" } else { "" }
            )?;
        }
        if let Some(missing) = &judgement.missing {
            write!(stdout, "  {:?} {:?}", missing.reason, missing.exposure)?;
        }
        if let Some(finding) = judgement.vetoes.first().or(judgement.findings.first()) {
            write!(stdout, "  [{}]", finding.title)?;
        }
        writeln!(stdout)?;
    }
    Ok(())
}

fn arm(log: &Path) -> Result<ArmEvidence> {
    let mut profiler = Profiler::new(ProfileOptions::default());
    profiler.push(&fs::read(log).with_context(|| log.display().to_string())?);
    let log = LogProfile {
        pod: "file".into(),
        container: String::new(),
        previous: false,
        profile: profiler.finish(),
    };
    Ok(ArmEvidence {
        logs: vec![log],
        ..ArmEvidence::default()
    })
}
