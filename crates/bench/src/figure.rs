//! What was measured, beside what it must be and what the rival reaches.

use std::fmt;
use std::io::{self, Write};

/// A measured value in its unit.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub enum Value {
    /// Milliseconds.
    Ms(f64),
    /// Mebibytes.
    MiB(f64),
    /// Things.
    Count(u64),
    /// Part of a whole, in [0, 1].
    Share(f64),
    /// A score in [0, 1].
    Score(f64),
    /// How many times as much.
    Times(f64),
    /// Megabytes (10⁶ bytes) per second.
    MbPerS(f64),
}

impl Value {
    /// A size in bytes as mebibytes.
    #[must_use]
    pub fn bytes(bytes: u64) -> Self {
        let mebibytes = bytes as f64 / f64::from(1 << 20);
        Value::MiB(mebibytes)
    }

    /// A duration as milliseconds.
    #[must_use]
    pub fn duration(duration: std::time::Duration) -> Self {
        Value::Ms(duration.as_secs_f64() * 1_000.0)
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Value::Ms(ms) => format!("{ms:.2} ms"),
            Value::MiB(mebibytes) => format!("{mebibytes:.2} MiB"),
            Value::Count(count) => count.to_string(),
            Value::Share(share) => format!("{:.1} %", share * 100.0),
            Value::Score(score) => format!("{score:.3}"),
            Value::Times(times) => format!("{times:.1} x"),
            Value::MbPerS(speed) => format!("{speed:.1} MB/s"),
        };
        f.pad(&text)
    }
}

/// What a value must be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Target {
    /// No more than this.
    AtMost(Value),
    /// No less than this.
    AtLeast(Value),
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Target::AtMost(most) => format!("≤ {most}"),
            Target::AtLeast(least) => format!("≥ {least}"),
        };
        f.pad(&text)
    }
}

/// One line of the table.
#[derive(Debug)]
pub struct Figure {
    /// What was measured, and how it was summed up.
    pub name: String,
    /// What it must be; none where the figure is only for comparison.
    pub target: Option<Target>,
    /// Ours.
    pub ours: Value,
    /// The rival's, where it has the figure.
    pub rival: Option<Value>,
}

impl Figure {
    /// Whether the target is met. Values of different units are not comparable, and so a miss;
    /// so is a value that is no number.
    #[must_use]
    pub fn holds(&self) -> bool {
        let same_unit =
            |value: &Value| std::mem::discriminant(value) == std::mem::discriminant(&self.ours);
        match &self.target {
            None => true,
            Some(Target::AtMost(most)) => same_unit(most) && self.ours <= *most,
            Some(Target::AtLeast(least)) => same_unit(least) && self.ours >= *least,
        }
    }
}

/// Prints the table.
///
/// # Errors
/// When `out` cannot be written.
pub fn print(out: &mut impl Write, rival: &str, figures: &[Figure]) -> io::Result<()> {
    let or_dash = |value: Option<Value>| value.map_or_else(|| "-".to_owned(), |v| v.to_string());
    writeln!(
        out,
        "{:<64} | {:>12} | {:>12} | {:>12} | ok",
        "figure", "target", "ours", "rival"
    )?;
    for figure in figures {
        let target = figure
            .target
            .map_or_else(|| "-".to_owned(), |target| target.to_string());
        writeln!(
            out,
            "{:<64} | {target:>12} | {:>12} | {:>12} | {}",
            figure.name,
            figure.ours.to_string(),
            or_dash(figure.rival),
            if figure.holds() { "yes" } else { "NO" }
        )?;
    }
    writeln!(out, "rival: {rival}")
}

/// The value in the middle; of an even number, the upper of the two.
///
/// # Panics
/// When there are no values.
pub fn median<T: Copy + Ord>(values: &[T]) -> T {
    let mut sorted = values.to_vec();
    sorted.sort_unstable();
    sorted[sorted.len() / 2]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figure(ours: Value, target: Option<Target>) -> Figure {
        Figure {
            name: "launch".to_owned(),
            target,
            ours,
            rival: None,
        }
    }

    #[test]
    fn a_target_is_met_up_to_and_with_its_value() {
        let most = Some(Target::AtMost(Value::Ms(5.0)));
        assert!(figure(Value::Ms(5.0), most).holds());
        assert!(!figure(Value::Ms(5.01), most).holds());
        assert!(figure(Value::Ms(5.01), None).holds());
    }

    #[test]
    fn a_least_value_is_met_from_itself_on() {
        let least = Some(Target::AtLeast(Value::Share(0.95)));
        assert!(figure(Value::Share(0.95), least).holds());
        assert!(!figure(Value::Share(0.949), least).holds());
    }

    #[test]
    fn units_are_never_mixed_up() {
        let ms = Value::Ms(5.0);
        for target in [Target::AtMost(ms), Target::AtLeast(ms)] {
            for ours in [
                Value::Count(1),
                Value::MiB(1.0),
                Value::Times(9.0),
                Value::Ms(f64::NAN),
            ] {
                assert!(!figure(ours, Some(target)).holds(), "{ours} {target}");
            }
        }
    }

    #[test]
    fn a_miss_is_said_in_its_line() {
        let mut out = Vec::new();
        let missed = figure(Value::Ms(6.0), Some(Target::AtMost(Value::Ms(5.0))));
        print(&mut out, "none", &[missed]).unwrap();
        let text = String::from_utf8(out).unwrap();
        let line = text.lines().nth(1).unwrap();
        assert!(
            line.contains("≤ 5.00 ms") && line.ends_with("| NO"),
            "{line}"
        );
    }

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(median(&[3]), 3);
        assert_eq!(median(&[9, 1, 5]), 5);
        assert_eq!(median(&[4, 1, 2, 3]), 3);
    }
}
