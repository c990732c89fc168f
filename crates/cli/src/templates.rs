//! `canary-judge templates`: logs in, what their events have in common out.

use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};

use analysis::files;
use analysis::message::one_line;
use judge::level::Level;
use judge::templates::{Mined, MinedTemplate, TemplateMiner};
use serde::Serialize;

use crate::args::{TemplatesConfig, TemplatesFormat};
use crate::mend::Failure;
use crate::{input, output, progress};

/// The longest template or sample in a table for people, in bytes.
const MAX_LINE_BYTES: usize = 400;

/// Everything as JSON: names that scripts may rely on.
#[derive(Serialize)]
struct Report<'a> {
    events: usize,
    templates: Vec<TemplateReport<'a>>,
}

#[derive(Serialize)]
struct TemplateReport<'a> {
    /// Number of the group, as in TSV.
    group: usize,
    template: &'a str,
    level: &'static str,
    count: u64,
    sample: &'a str,
}

/// Reads all logs as one stream and writes its templates.
///
/// # Errors
/// A log cannot be read, or the answer not written.
pub fn templates(config: TemplatesConfig) -> Result<ExitCode, Failure> {
    let read_bytes = AtomicU64::new(0);
    let logs = input::logs(config.logs);
    let mined = progress::while_working(
        || {
            let megabytes = read_bytes.load(Ordering::Relaxed) / 1_000_000;
            format!("reading … {megabytes} MB")
        },
        config.progress,
        || mine(logs, config.one_event_per_line, &read_bytes),
    )?;
    output::stdout_by(|out| match config.format {
        TemplatesFormat::Tsv => tsv(&mined, out),
        TemplatesFormat::Text => text(&mined, out),
        TemplatesFormat::Json => json(&mined, out),
    })?;
    Ok(ExitCode::SUCCESS)
}

fn mine(
    logs: Vec<files::Log>,
    one_event_per_line: bool,
    read_bytes: &AtomicU64,
) -> Result<Mined, Failure> {
    let mut miner = TemplateMiner::new(one_event_per_line);
    for log in logs {
        let name = log.name();
        let mut last = b'\n';
        let left_out = files::stream(log, &mut |bytes| {
            miner.push(bytes);
            last = bytes.last().copied().unwrap_or(last);
            read_bytes.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        })?;
        // The next log begins a line of its own.
        if last != b'\n' {
            miner.push(b"\n");
        }
        if let Some(why) = left_out {
            output::stderr(&format!(
                "note: {}: {why}\n",
                one_line(&name, MAX_LINE_BYTES)
            ));
        }
    }
    Ok(miner.finish())
}

fn tsv(mined: &Mined, out: &mut dyn Write) -> io::Result<()> {
    let lines: Vec<String> = mined
        .templates
        .iter()
        .enumerate()
        .map(|(group, template)| format!("{group}\t{}\n", cell(&template.text)))
        .collect();
    for group in &mined.events {
        // Every event has a group; without one its line must not be lost.
        let line = lines.get(*group as usize).map_or("\t\n", String::as_str);
        out.write_all(line.as_bytes())?;
    }
    Ok(())
}

/// Text that ends neither a column nor, for any reader, a line.
fn cell(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '\u{2028}' | '\u{2029}' => ' ',
            c if c.is_control() => ' ',
            c => c,
        })
        .collect()
}

fn text(mined: &Mined, out: &mut dyn Write) -> io::Result<()> {
    let events = mined.events.len();
    writeln!(out, "{events} events, {} templates", mined.templates.len())?;
    if events == 0 {
        return Ok(());
    }
    let mut order: Vec<&MinedTemplate> = mined.templates.iter().collect();
    // A stable sort: of equals the one that was seen first.
    order.sort_by_key(|template| std::cmp::Reverse(template.count));
    writeln!(
        out,
        "\n{:>9}  {:>6}  {:<5}  template",
        "count", "share", "level"
    )?;
    for template in order {
        #[expect(
            clippy::cast_precision_loss,
            reason = "one decimal of a percentage is shown"
        )]
        let percent = template.count as f64 * 100.0 / events as f64;
        writeln!(
            out,
            "{:>9}  {percent:>4.1} %  {:<5}  {}",
            template.count,
            name(template.level),
            one_line(&template.text, MAX_LINE_BYTES)
        )?;
        if !template.sample.is_empty() && template.sample != template.text {
            let sample = one_line(&template.sample, MAX_LINE_BYTES);
            writeln!(out, "{:>26} | {sample}", "")?;
        }
    }
    Ok(())
}

fn json(mined: &Mined, out: &mut dyn Write) -> io::Result<()> {
    let report = Report {
        events: mined.events.len(),
        templates: mined
            .templates
            .iter()
            .enumerate()
            .map(|(group, template)| TemplateReport {
                group,
                template: &template.text,
                level: name(template.level),
                count: template.count,
                sample: &template.sample,
            })
            .collect(),
    };
    serde_json::to_writer_pretty(&mut *out, &report)?;
    out.write_all(b"\n")
}

fn name(level: Level) -> &'static str {
    match level {
        Level::Debug => "debug",
        Level::Info => "info",
        Level::Warn => "warn",
        Level::Error => "error",
        Level::Fatal => "fatal",
    }
}
