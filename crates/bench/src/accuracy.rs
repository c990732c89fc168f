//! Accuracy of the miner against the true templates of public logs.
//!
//! GA, FGA, PA and FTA as Z. Jiang et al. define them ("A Large-Scale
//! Evaluation for Log Parsing Techniques: How Far Are We?", ISSTA 2024,
//! arXiv:2308.10828), over `SYSTEM.truth.csv` files with the columns
//! `Content`, `EventId` and `EventTemplate`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use judge::templates::TemplateMiner;

use crate::pairs;
use crate::table::Table;

/// One log's scores, each in [0, 1].
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Scores {
    /// Share of events in a group that is exactly a true one.
    pub grouping: f64,
    /// F1 of the groups.
    pub grouping_f1: f64,
    /// Share of events whose template is the true one.
    pub parsing: f64,
    /// F1 of the templates: the group and its text are right.
    pub template_f1: f64,
}

impl Scores {
    fn cells(&self) -> [String; 4] {
        [
            self.grouping,
            self.grouping_f1,
            self.parsing,
            self.template_f1,
        ]
        .map(|score| format!("{score:.3}"))
    }
}

/// Scores of every system, and their average.
#[derive(Clone, Debug, PartialEq)]
pub struct Accuracy {
    /// By the system's name.
    pub systems: Vec<(String, Scores)>,
    /// The plain average.
    pub average: Scores,
}

/// Mines every `SYSTEM.truth.csv` of a folder, with one configuration.
///
/// # Errors
/// When a file cannot be read, or is not what it should be.
pub fn measure(folder: &Path) -> Result<Accuracy> {
    let mut systems = Vec::new();
    let entries =
        fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))?;
    for entry in entries {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let Some(system) = name.strip_suffix(".truth.csv") else {
            continue;
        };
        let scores = of_file(&path).with_context(|| path.display().to_string())?;
        systems.push((system.to_owned(), scores));
    }
    ensure!(
        !systems.is_empty(),
        "{} has no *.truth.csv",
        folder.display()
    );
    systems.sort_by(|a, b| a.0.cmp(&b.0));
    let n = systems.len() as f64;
    let mean =
        |of: fn(&Scores) -> f64| systems.iter().map(|(_, scores)| of(scores)).sum::<f64>() / n;
    let average = Scores {
        grouping: mean(|s| s.grouping),
        grouping_f1: mean(|s| s.grouping_f1),
        parsing: mean(|s| s.parsing),
        template_f1: mean(|s| s.template_f1),
    };
    Ok(Accuracy { systems, average })
}

fn of_file(path: &Path) -> Result<Scores> {
    let text = String::from_utf8(pairs::read(path)?).context("it is not UTF-8")?;
    let mut rows = csv(&text).into_iter();
    let head = rows.next().context("it is empty")?;
    let column = |name: &str| {
        let at = head.iter().position(|cell| cell == name);
        at.with_context(|| format!("it has no column {name}"))
    };
    let (content, id, template) = (
        column("Content")?,
        column("EventId")?,
        column("EventTemplate")?,
    );
    let last = content.max(id).max(template);
    let rows: Vec<Vec<String>> = rows.filter(|row| row.len() > last).collect();
    let mut miner = TemplateMiner::new(true);
    for row in &rows {
        miner.push(row[content].as_bytes());
        miner.push(b"\n");
    }
    let mined = miner.finish();
    ensure!(
        mined.events.len() == rows.len(),
        "{} events were mined of {} lines",
        mined.events.len(),
        rows.len()
    );
    let texts: Vec<&str> = mined
        .events
        .iter()
        .map(|group| mined.templates[*group as usize].text.as_str())
        .collect();
    let ids: Vec<&str> = rows.iter().map(|row| row[id].as_str()).collect();
    let truth: Vec<&str> = rows.iter().map(|row| row[template].as_str()).collect();
    Ok(score(&mined.events, &texts, &ids, &truth))
}

/// Scores groups and templates against the true ones, an entry an event each.
fn score(groups: &[u32], texts: &[&str], true_ids: &[&str], true_texts: &[&str]) -> Scores {
    let n = groups.len();
    let (mut by_group, mut by_event) = (BTreeMap::new(), BTreeMap::new());
    for row in 0..n {
        by_group
            .entry(groups[row])
            .or_insert_with(Vec::new)
            .push(row);
        by_event
            .entry(true_ids[row])
            .or_insert_with(Vec::new)
            .push(row);
    }
    let predicted: BTreeSet<&Vec<usize>> = by_group.values().collect();
    let grouped: Vec<&Vec<usize>> = by_event
        .values()
        .filter(|rows| predicted.contains(rows))
        .collect();
    let same: Vec<bool> = (0..n)
        .map(|row| normalise(texts[row]) == normalise(true_texts[row]))
        .collect();
    let exact = grouped
        .iter()
        .filter(|rows| rows.iter().all(|row| same[*row]));
    let share = |count: usize| count as f64 / n.max(1) as f64;
    Scores {
        grouping: share(grouped.iter().map(|rows| rows.len()).sum()),
        grouping_f1: f1(grouped.len(), by_group.len(), by_event.len()),
        parsing: share(same.iter().filter(|same| **same).count()),
        template_f1: f1(exact.count(), by_group.len(), by_event.len()),
    }
}

fn f1(right: usize, predicted: usize, actual: usize) -> f64 {
    if right == 0 {
        return 0.0;
    }
    let (precision, recall) = (
        right as f64 / predicted as f64,
        right as f64 / actual as f64,
    );
    2.0 * precision * recall / (precision + recall)
}

/// Templates that differ only in how many variables stand side by side, in the
/// variables' names or in white space are the same.
fn normalise(template: &str) -> String {
    let mut text = String::with_capacity(template.len());
    let mut rest = template;
    while let Some(open) = rest.find('<') {
        let name = &rest[open + 1..];
        let length = name
            .bytes()
            .take_while(|byte| byte.is_ascii_alphabetic() || b"*_:".contains(byte))
            .count();
        text.push_str(&rest[..open]);
        if length > 0 && name[length..].starts_with('>') {
            text.push_str("<*>");
            rest = &name[length + 1..];
        } else {
            text.push('<');
            rest = name;
        }
    }
    text.push_str(rest);
    let mut text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    loop {
        let before = text.len();
        for pair in ["<*><*>", "<*>.<*>", "<*>:<*>", "<*> <*>", "#<*>#"] {
            text = text.replace(pair, "<*>");
        }
        if text.len() == before {
            return text;
        }
    }
}

/// The rows of a CSV file (RFC 4180): fields in quotes may hold commas, line
/// breaks and doubled quotes.
fn csv(text: &str) -> Vec<Vec<String>> {
    let (mut rows, mut row, mut field) = (Vec::new(), Vec::new(), String::new());
    let mut quoted = false;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => {
                field.push('"');
                chars.next();
            }
            '"' => quoted = !quoted,
            ',' if !quoted => row.push(std::mem::take(&mut field)),
            '\n' if !quoted => {
                row.push(std::mem::take(&mut field));
                rows.push(std::mem::take(&mut row));
            }
            '\r' if !quoted && chars.peek() == Some(&'\n') => {}
            _ => field.push(c),
        }
    }
    if !field.is_empty() || !row.is_empty() {
        row.push(field);
        rows.push(row);
    }
    rows
}

/// A row a system.
#[must_use]
pub fn table(accuracy: &Accuracy) -> Table {
    let title = "Accuracy of the templates, one configuration for all";
    let mut table = Table::new(title, &["log", "GA", "FGA", "PA", "FTA"]);
    let average = ("average".to_owned(), accuracy.average);
    for (name, scores) in accuracy.systems.iter().chain([&average]) {
        let mut row = vec![name.clone()];
        row.extend(scores.cells());
        table.row(row);
    }
    // Public figures for the best Drain with one configuration for all sets.
    table.row(["best public Drain", "0.753", "0.742", "0.490", "0.480"]);
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_of_a_case_by_hand() {
        // Two of three true groups are found, one of them with its text.
        let scores = score(
            &[0, 0, 1, 2, 2],
            &["a <*>", "a <*>", "b x", "c", "c"],
            &["E1", "E1", "E2", "E3", "E4"],
            &["a <*>", "a <*>", "b <*>", "c", "d"],
        );
        assert!((scores.grouping - 3.0 / 5.0).abs() < 1e-9);
        // Precision 2 of 3, recall 2 of 4.
        assert!((scores.grouping_f1 - 4.0 / 7.0).abs() < 1e-9);
        assert!((scores.parsing - 3.0 / 5.0).abs() < 1e-9);
        assert!((scores.template_f1 - 2.0 / 7.0).abs() < 1e-9);
    }

    #[test]
    fn a_group_that_is_only_part_of_a_true_one_is_wrong() {
        let scores = score(&[0, 1], &["a", "a"], &["E1", "E1"], &["a", "a"]);
        assert!(scores.grouping.abs() < 1e-9 && (scores.parsing - 1.0).abs() < 1e-9);
    }

    #[test]
    fn variables_side_by_side_are_one() {
        for (text, expected) in [
            ("from <*>:<*>", "from <*>"),
            ("at <*>.<*>.<*>.<*>", "at <*>"),
            ("<NUM>  <IP>\tdone", "<*> done"),
            ("x < y <*>", "x < y <*>"),
            ("<a1> <>", "<a1> <>"),
            ("#<*># #<*>#", "<*>"),
        ] {
            assert_eq!(normalise(text), expected, "{text}");
        }
    }

    #[test]
    fn csv_fields_may_hold_anything() {
        let rows = csv("a,\"b,\n\"\"c\"\"\",d\r\n1,2,3");
        assert_eq!(rows, [["a", "b,\n\"c\"", "d"], ["1", "2", "3"]]);
    }
}
