//! `canary-judge explain-policy`: the thresholds in force, for people, for
//! scripts, or as a file to start from.

use std::fmt::Write as _;
use std::process::ExitCode;

use analysis::message::one_line;
use analysis::policy_file::{Entry, PolicyFile, range};
use judge::Policy;
use judge::policy::{FIELDS, Field, Ignored};
use serde::Serialize;

use crate::args::{ExplainPolicyConfig, PolicyFormat};
use crate::mend::Failure;
use crate::{json, output, policy};

/// The longest pattern or reason in a list for people, in bytes.
const MAX_LINE_BYTES: usize = 200;

/// Everything as JSON: names that scripts may rely on.
#[derive(Serialize)]
struct Report<'a> {
    thresholds: Vec<Threshold>,
    ignore: Vec<json::EntryReport<'a>>,
}

#[derive(Serialize)]
struct Threshold {
    name: &'static str,
    value: f64,
    default: f64,
    min: f64,
    max: f64,
    unit: &'static str,
    whole: bool,
    meaning: &'static str,
    /// `default` or `file`.
    from: &'static str,
}

/// Writes what is in force.
///
/// # Errors
/// The policy file cannot be used, or the answer not be written.
pub fn explain_policy(config: &ExplainPolicyConfig) -> Result<ExitCode, Failure> {
    let file = policy::load(config.policy.as_deref())?;
    let answer = match config.format {
        PolicyFormat::Text => text(&file),
        PolicyFormat::Toml => toml(&file),
        PolicyFormat::Json => as_json(&file).map_err(|error| Failure::defect(&error))?,
    };
    output::stdout(&answer)?;
    Ok(ExitCode::SUCCESS)
}

fn is_set(file: &PolicyFile, field: &Field) -> bool {
    file.set.contains(&field.name)
}

fn text(file: &PolicyFile) -> String {
    let defaults = Policy::default();
    let mut out = String::new();
    for field in FIELDS {
        let value = (field.get)(&file.policy);
        let from = if is_set(file, field) {
            format!("set by the file, default {}", (field.get)(&defaults))
        } else {
            "default".to_owned()
        };
        // Writing into a String cannot fail.
        let _ = writeln!(
            out,
            "{} = {value}  [{from}; {}]\n    {}",
            field.name,
            range(field),
            field.meaning
        );
    }
    if !file.entries.is_empty() {
        out.push_str("\nIgnored\n");
    }
    for entry in &file.entries {
        let _ = writeln!(
            out,
            "  {} `{}` {} {}: {}",
            what(entry),
            one_line(&entry.ignore.pattern, MAX_LINE_BYTES),
            if entry.expired {
                "no longer, since it expired on"
            } else {
                "until"
            },
            entry.until,
            one_line(&entry.ignore.reason, MAX_LINE_BYTES)
        );
    }
    out
}

fn what(entry: &Entry) -> &'static str {
    match entry.ignore.what {
        Ignored::Template => "template",
        Ignored::Event => "event",
    }
}

fn as_json(file: &PolicyFile) -> Result<String, serde_json::Error> {
    let defaults = Policy::default();
    let report = Report {
        thresholds: FIELDS
            .iter()
            .map(|field| Threshold {
                name: field.name,
                value: (field.get)(&file.policy),
                default: (field.get)(&defaults),
                min: field.min,
                max: field.max,
                unit: field.unit,
                whole: field.whole,
                meaning: field.meaning,
                from: if is_set(file, field) {
                    "file"
                } else {
                    "default"
                },
            })
            .collect(),
        ignore: file.entries.iter().map(json::entry).collect(),
    };
    serde_json::to_string_pretty(&report).map(|text| text + "\n")
}

/// A policy file that says what is in force: what is set stands, defaults are
/// comments, so that whoever starts from it keeps getting better ones.
fn toml(file: &PolicyFile) -> String {
    let mut out = String::from(
        "# A policy of canary-judge. What stands behind `#` is the default and has no effect:\n\
         # take the `#` away to change it.\n",
    );
    let defaults = Policy::default();
    for field in FIELDS {
        let set = is_set(file, field);
        let _ = writeln!(
            out,
            "\n# {}\n# Default {}, range {}.\n{}{} = {}",
            field.meaning,
            number(field, (field.get)(&defaults)),
            range(field),
            if set { "" } else { "# " },
            field.name,
            number(field, (field.get)(&file.policy))
        );
    }
    out.push_str(
        "\n# What is known to be harmless: templates by their text (`*` stands for anything),\n\
         # Kubernetes events by their reason. Each needs a reason and the last day on which it\n\
         # counts.\n",
    );
    if file.entries.is_empty() {
        out.push_str(
            "# [[ignore]]\n\
             # template = \"cache * is warming up\"\n\
             # reason = \"OPS-1234: logged as an error, harmless\"\n\
             # until = 2026-12-31\n",
        );
    }
    for entry in &file.entries {
        let _ = writeln!(
            out,
            "[[ignore]]\n{} = {}\nreason = {}\nuntil = {}\n",
            what(entry),
            quoted(&entry.ignore.pattern),
            quoted(&entry.ignore.reason),
            entry.until
        );
    }
    out
}

/// A number as TOML writes it: a decimal has a point.
fn number(field: &Field, value: f64) -> String {
    if field.whole || value.fract() != 0.0 {
        value.to_string()
    } else {
        format!("{value:.1}")
    }
}

/// Text as a basic string of TOML.
fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if c.is_control() => {
                let _ = write!(out, "\\u{:04X}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const TODAY: jiff::civil::Date = jiff::civil::date(2026, 6, 15);

    fn parsed(text: &str) -> PolicyFile {
        analysis::policy_file::parse(text, TODAY).unwrap()
    }

    #[test]
    fn the_defaults_as_a_file_are_the_defaults() {
        let written = toml(&PolicyFile::default());
        assert_eq!(parsed(&written), PolicyFile::default());
        // And so they are once somebody has taken every `#` away.
        let uncommented: String = written
            .lines()
            .filter(|line| line.contains(" = "))
            .map(|line| format!("{}\n", line.trim_start_matches("# ")))
            .collect();
        let uncommented = uncommented.replace("template = ", "[[ignore]]\ntemplate = ");
        let policy = parsed(&uncommented);
        assert_eq!(policy.set.len(), FIELDS.len());
        assert_eq!(policy.entries.len(), 1);
        for field in FIELDS {
            assert!(
                ((field.get)(&policy.policy) - (field.get)(&Policy::default())).abs() < 1e-15,
                "{}",
                field.name
            );
        }
    }

    #[test]
    fn the_docs_have_a_row_for_every_threshold() {
        let docs = include_str!("../../../docs/policy.md");
        for field in FIELDS {
            let row = format!(
                "| `{}` | {} | {} | {} |\n",
                field.name,
                (field.get)(&Policy::default()),
                range(field),
                field.meaning
            );
            assert!(docs.contains(&row), "docs/policy.md lacks: {row}");
        }
        let table = docs.split("## Thresholds").nth(1).unwrap();
        let rows = table.lines().filter(|line| line.starts_with("| `")).count();
        assert_eq!(
            rows,
            FIELDS.len(),
            "docs/policy.md has rows of no threshold"
        );
        let example = docs.split("```toml\n").nth(1).unwrap();
        let example = example.split("```").next().unwrap();
        assert_eq!(parsed(example).entries.len(), 2);
    }

    #[test]
    fn what_is_set_survives_being_written_and_read() {
        let text = "promoteMargin = 0.0125\ngateMinCount = 5\ngateAlpha = 0.00001\n\
            [[ignore]]\ntemplate = \"a \\\"quoted\\\" \\\\ * thing\\u0009\"\nreason = \"r\"\nuntil = 2026-12-31\n\
            [[ignore]]\nevent = \"BackOff\"\nreason = \"old\"\nuntil = 2025-12-31\n";
        let file = parsed(text);
        let again = parsed(&toml(&file));
        assert_eq!(again.policy, file.policy);
        assert_eq!(again.set, file.set);
        assert_eq!(again.entries, file.entries);
    }
}
