//! Lines from patterns: times as every ecosystem writes them, and fields.
//!
//! In a pattern `%Y` and its like are pieces of the time, and `~name~` is a
//! field; what has no such name is a value drawn anew (`~n~`, `~id~`).

use crate::random::Random;

/// What a pattern's fields are.
#[derive(Clone, Debug, Default)]
pub struct Fields {
    /// Milliseconds since the epoch, in the zone that is written.
    pub ms: i64,
    /// Name and value.
    pub named: Vec<(&'static str, String)>,
}

impl Fields {
    /// Fields of a moment.
    #[must_use]
    pub fn at(ms: i64) -> Self {
        Self {
            ms,
            named: Vec::new(),
        }
    }

    /// The same with one field more; the newest of a name counts.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.named.push((name, value.into()));
        self
    }

    fn get(&self, name: &str) -> Option<&str> {
        let found = self.named.iter().rev().find(|(own, _)| *own == name);
        found.map(|(_, value)| value.as_str())
    }
}

/// A pattern with its times and fields filled in.
#[must_use]
pub fn fill(pattern: &str, fields: &Fields, random: &mut Random) -> String {
    let mut text = String::with_capacity(pattern.len() + 64);
    let mut rest = pattern;
    while let Some(at) = rest.find(['%', '~']) {
        text.push_str(&rest[..at]);
        let sign = rest.as_bytes()[at];
        rest = &rest[at + 1..];
        if sign == b'%' {
            let code = rest.chars().next().unwrap_or('%');
            rest = rest.get(code.len_utf8()..).unwrap_or_default();
            push_time(code, fields.ms, random, &mut text);
            continue;
        }
        let Some(end) = rest.find('~') else {
            text.push('~');
            continue;
        };
        push_field(&rest[..end], fields, random, &mut text);
        rest = &rest[end + 1..];
    }
    text.push_str(rest);
    text
}

/// Only the fields: messages may hold a per cent sign.
#[must_use]
pub fn fill_fields(pattern: &str, fields: &Fields, random: &mut Random) -> String {
    let mut text = String::with_capacity(pattern.len() + 32);
    for (index, piece) in pattern.split('~').enumerate() {
        if index % 2 == 0 {
            text.push_str(piece);
        } else {
            push_field(piece, fields, random, &mut text);
        }
    }
    text
}

fn push_field(name: &str, fields: &Fields, random: &mut Random, text: &mut String) {
    if let Some(value) = fields.get(name) {
        text.push_str(value);
        return;
    }
    // `textj`: as the inside of a JSON string. `level5`: padded.
    if let Some(value) = name.strip_suffix('j').and_then(|name| fields.get(name)) {
        text.push_str(&escaped(value));
        return;
    }
    if let Some(value) = name.strip_suffix('5').and_then(|name| fields.get(name)) {
        text.push_str(&format!("{value:<5}"));
        return;
    }
    text.push_str(&drawn(name, random));
}

/// What stands for a field that no pattern should have.
pub const UNKNOWN: char = char::REPLACEMENT_CHARACTER;

/// A value drawn anew.
fn drawn(name: &str, random: &mut Random) -> String {
    const NAMES: [&str; 12] = [
        "amber", "basil", "cedar", "delta", "ember", "fjord", "grove", "heron", "iris", "jade",
        "koala", "lotus",
    ];
    match name {
        "n" => random.below(100_000).to_string(),
        "few" => (1 + random.below(9)).to_string(),
        "id" => format!("{:08x}", random.bits() as u32),
        "hex" => format!("{:016x}", random.bits()),
        "uuid" => {
            let (a, b) = (random.bits(), random.bits());
            format!(
                "{:08x}-{:04x}-4{:03x}-a{:03x}-{:012x}",
                a as u32,
                (a >> 32) as u16,
                (a >> 48) & 0xfff,
                b & 0xfff,
                (b >> 12) & 0xffff_ffff_ffff
            )
        }
        "f" => format!("{:.3}", random.between(0.01, 9.0)),
        "took" => format!("{:.2}", random.log_normal(12.0, 0.6)),
        "name" => (*random.pick(&NAMES)).to_owned(),
        "ip" => format!("10.42.{}.{}", random.below(8), 2 + random.below(250)),
        "port" => (32_768 + random.below(28_000)).to_string(),
        "bytes" => (180 + random.below(9_000)).to_string(),
        "mb" => (64 + random.below(900)).to_string(),
        "tid" => (20 + random.below(24)).to_string(),
        _ => UNKNOWN.to_string(),
    }
}

/// The inside of a JSON string.
#[must_use]
pub fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            c => out.push(c),
        }
    }
    out
}

const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];
const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];

fn push_time(code: char, ms: i64, random: &mut Random, text: &mut String) {
    let (days, of_day) = (ms.div_euclid(86_400_000), ms.rem_euclid(86_400_000));
    let (hour, minute) = (of_day / 3_600_000, of_day / 60_000 % 60);
    let (second, milli) = (of_day / 1_000 % 60, of_day % 1_000);
    let (year, month, day) = civil(days);
    let piece = match code {
        'Y' => year.to_string(),
        'y' => format!("{:02}", year % 100),
        'm' => format!("{month:02}"),
        'd' => format!("{day:02}"),
        'e' => format!("{day:>2}"),
        'b' => MONTHS[month as usize - 1].to_owned(),
        'a' => DAYS[days.rem_euclid(7) as usize].to_owned(),
        'H' => format!("{hour:02}"),
        'I' => (if hour % 12 == 0 { 12 } else { hour % 12 }).to_string(),
        'p' => (if hour < 12 { "AM" } else { "PM" }).to_owned(),
        'M' => format!("{minute:02}"),
        'S' => format!("{second:02}"),
        'L' => format!("{milli:03}"),
        'f' => format!("{milli:03}{:03}", random.below(1_000)),
        'N' => format!("{milli:03}{:06}", random.below(1_000_000)),
        's' => (ms / 1_000).to_string(),
        'Q' => ms.to_string(),
        '%' => "%".to_owned(),
        other => format!("%{other}"),
    };
    text.push_str(&piece);
}

/// Year, month and day of so many days since 1970-01-01.
fn civil(days: i64) -> (i64, i64, i64) {
    let z = days + 719_468;
    let (era, of_era) = (z.div_euclid(146_097), z.rem_euclid(146_097));
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let shifted = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 {
        shifted + 3
    } else {
        shifted - 9
    };
    (year + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_filled() {
        let fields = Fields::at(1_795_618_800_123)
            .with("level", "WARN")
            .with("text", "say \"hi\"");
        let mut random = Random::new(1);
        let cases = [
            ("%d/%b/%Y:%H:%M:%S +0000", "25/Nov/2026:15:00:00 +0000"),
            ("%a %b %e %H:%M:%S.%L %Y", "Wed Nov 25 15:00:00.123 2026"),
            ("[~level5~] ~text~", "[WARN ] say \"hi\""),
            (
                r#"{"m":"~textj~","t":%Q}"#,
                r#"{"m":"say \"hi\"","t":1795618800123}"#,
            ),
            ("%I:%M %p 5%%", "3:00 PM 5%"),
        ];
        for (pattern, expected) in cases {
            assert_eq!(fill(pattern, &fields, &mut random), expected);
        }
        assert_eq!(
            fill_fields("50 % of ~level~", &fields, &mut random),
            "50 % of WARN"
        );
    }
}
