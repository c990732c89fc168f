//! What a policy file may say, and what it may not.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::*;

const TODAY: Date = jiff::civil::date(2026, 6, 15);

/// The mistakes of a file, one a line.
fn mistakes(text: &str) -> String {
    let error = parse(text, TODAY).expect_err("not to be used");
    let lines: Vec<String> = error.problems.iter().map(Problem::to_string).collect();
    lines.join("\n")
}

#[test]
fn an_empty_file_is_the_defaults() {
    for text in ["", "# nothing\n", "\n\n"] {
        assert_eq!(parse(text, TODAY), Ok(PolicyFile::default()));
    }
}

#[test]
fn every_threshold_can_be_set_to_both_ends_of_its_range_and_not_beyond() {
    for field in FIELDS {
        for (value, beyond) in [
            (field.min, field.min - field.min.abs().max(1.0) * 1e-9),
            (field.max, field.max * (1.0 + 1e-9)),
        ] {
            let number = |value: f64| {
                if field.whole {
                    format!("{value:.0}")
                } else {
                    format!("{value:?}")
                }
            };
            let file = parse(&format!("{} = {}", field.name, number(value)), TODAY).unwrap();
            assert!(
                ((field.get)(&file.policy) - value).abs() < 1e-12,
                "{}",
                field.name
            );
            assert_eq!(file.set, [field.name]);
            let beyond = if field.whole {
                number(if beyond < value {
                    value - 1.0
                } else {
                    value + 1.0
                })
            } else {
                number(beyond)
            };
            let refused = mistakes(&format!("{} = {beyond}", field.name));
            assert!(
                refused.contains("is out of range"),
                "{} {beyond}: {refused}",
                field.name
            );
        }
    }
}

#[test]
fn a_policy_cannot_turn_a_failure_into_success() {
    // Gates that never fire, promotion without evidence, crash loops that are
    // waited for, everything ignored.
    for text in [
        "gateAlpha = 0",
        "gateAlpha = 0.0",
        "gateAlpha = -0.006",
        "otherGateAlpha = 0.0",
        "gateMinCount = 1000",
        "gateMinDifference = 1.0",
        "gateMinRatio = 1000.0",
        "holdEValue = inf",
        "promoteMargin = 1",
        "promoteMargin = 1.0",
        "promoteMarginEvents = 1.0",
        "promoteRatio = 1e9",
        "promoteRatio = nan",
        "promoteAlpha = 1.0",
        "promoteAlpha = 0.5",
        "readyWithinMs = 9223372036854775807",
        "readyWithinMs = 99999999999999999999",
        "minRestarts = 4000000000",
        "[[ignore]]\ntemplate = \"*\"\nreason = \"r\"\nuntil = 2026-12-31",
        "[[ignore]]\ntemplate = \"***\"\nreason = \"r\"\nuntil = 2026-12-31",
        "[[ignore]]\ntemplate = \"*ERROR*\"\nreason = \"r\"\nuntil = 2026-12-31",
        "[[ignore]]\ntemplate = \"*Exception*\"\nreason = \"r\"\nuntil = 2026-12-31",
        "[[ignore]]\ntemplate = \"\"\nreason = \"r\"\nuntil = 2026-12-31",
        "[[ignore]]\nevent = \"*\"\nreason = \"r\"\nuntil = 2026-12-31",
        "[[ignore]]\nevent = \"B*\"\nreason = \"r\"\nuntil = 2026-12-31",
        "[[ignore]]\nevent = \"\"\nreason = \"r\"\nuntil = 2026-12-31",
    ] {
        assert!(parse(text, TODAY).is_err(), "{text}");
    }
}

#[test]
fn mistakes_are_told_all_at_once_with_place_and_mend() {
    let text = "\
promotRatio = 2
gate_alpha = 0.001
promoteMargin = \"1 %\"
gateMinCount = 3.5
colour = true
holdEValue = 1
  gateMinRatio = [1.5]
";
    insta::assert_snapshot!(mistakes(text), @r"
    line 1, column 1: unknown key `promotRatio`; did you mean `promoteRatio`?
    line 2, column 1: unknown key `gate_alpha`; did you mean `gateAlpha`?
    line 3, column 17: `promoteMargin` is text, and needs a number, 0.001 to 0.1 (share)
    line 4, column 16: `gateMinCount` needs a whole number, 1 to 20 (events)
    line 5, column 1: unknown key `colour`; `explain-policy` lists all of them
    line 6, column 14: `holdEValue` is out of range: it must be 2 to 150 (odds)
    line 7, column 18: `gateMinRatio` is a list, and needs a number, 1 to 5
    ");
}

#[test]
fn entries_need_what_why_and_until_when() {
    let text = "\
[[ignore]]

[[ignore]]
template = \"cache * warming up\"
event = \"BackOff\"
reason = \"\"
until = \"2026-12-31\"

[[ignore]]
template = \"*\"
reason = 7
until = 2026-12-31T10:00:00Z
owner = \"me\"
reasn = \"x\"

[[ignore]]
event = 5
reason = \"r\"
until = 2026
";
    insta::assert_snapshot!(mistakes(text), @r#"
    line 1, column 1: this entry has no end: add `until = 2026-09-13`, the last day on which it counts
    line 1, column 1: this entry has no reason: add `reason = "why it is harmless"`
    line 1, column 1: this entry says not what to ignore: add `template = "…*…"` (a template's text) or `event = "BackOff"` (a Kubernetes event's reason)
    line 5, column 1: an entry has `template` or `event`, not both: make two entries
    line 6, column 10: `reason` is empty: say why it is harmless
    line 7, column 9: `until` needs a date without quotes: until = 2026-12-31
    line 10, column 12: `template` would ignore too much: it needs at least 10 letters or digits besides `*`
    line 11, column 10: `reason` is a number, and needs text in quotes
    line 12, column 9: `until` needs a day alone, such as 2026-12-31: it counts to the end of it, UTC
    line 13, column 1: unknown key of an entry `owner`; it has template or event, reason, until
    line 14, column 1: unknown key of an entry `reasn`; did you mean `reason`?
    line 17, column 9: `event` is a number, and needs text in quotes
    line 19, column 9: `until` is a number, and needs a date: until = 2026-12-31
    "#);
}

#[test]
fn what_is_no_list_of_entries() {
    insta::assert_snapshot!(mistakes("ignore = \"all\""), @"line 1, column 10: `ignore` is text, and needs entries: write `[[ignore]]` above each");
    insta::assert_snapshot!(mistakes("ignore = [\"all\"]"), @"line 1, column 11: an entry is text, and needs keys: write `[[ignore]]` above them");
    insta::assert_snapshot!(mistakes("[ignore]\ntemplate = \"a b c\""), @"line 1, column 1: `ignore` is a table, and needs entries: write `[[ignore]]` above each");
}

#[test]
fn text_that_is_no_toml_names_the_place() {
    insta::assert_snapshot!(mistakes("promoteRatio = 2\npromoteMargin 0.01\n"), @"line 2, column 15: key with no value, expected `=`");
    insta::assert_snapshot!(mistakes("promoteRatio = 2\npromoteRatio = 3\n"), @"line 2, column 1: duplicate key");
    insta::assert_snapshot!(mistakes("[[ignore]]\nuntil = 2026-02-30\n"), @"line 2, column 9: invalid date, expected day between 01 and 28");
}

#[test]
fn an_entry_counts_to_the_end_of_its_day_and_is_warned_about_after() {
    let text = |until: &str| {
        format!(
            "\n[[ignore]]\ntemplate = \"cache * warming up\"\nreason = \"OPS-1\"\nuntil = {until}\n"
        )
    };
    for until in ["2026-06-15", "2026-06-16", "9999-12-31"] {
        let file = parse(&text(until), TODAY).unwrap();
        assert_eq!(file.policy.ignore.len(), 1, "{until}");
        assert_eq!(file.policy.ignore[0].pattern, "cache * warming up");
        assert_eq!(file.policy.ignore[0].what, Ignored::Template);
        assert!(file.warnings.is_empty());
    }
    let file = parse(&text("2026-06-14"), TODAY).unwrap();
    assert_eq!(file.policy, Policy::default(), "it has no effect");
    assert!(file.entries[0].expired);
    insta::assert_snapshot!(file.warnings[0], @"line 2: expired on 2026-06-14, so `cache * warming up` counts again: remove the entry, or give it a new date");
}

#[test]
fn entries_are_limited() {
    let entry = "[[ignore]]\nevent = \"BackOff\"\nreason = \"r\"\nuntil = 2026-12-31\n";
    let most = parse(&entry.repeat(MAX_IGNORED), TODAY).unwrap();
    assert_eq!(most.policy.ignore.len(), MAX_IGNORED);
    assert!(mistakes(&entry.repeat(MAX_IGNORED + 1)).contains("more than 200 entries"));

    let with = |pattern: usize, reason: usize| {
        let (pattern, reason) = ("x".repeat(pattern), "r".repeat(reason));
        format!("[[ignore]]\ntemplate = \"{pattern}\"\nreason = \"{reason}\"\nuntil = 2026-12-31\n")
    };
    assert!(parse(&with(MAX_PATTERN_BYTES, MAX_REASON_BYTES), TODAY).is_ok());
    assert!(mistakes(&with(MAX_PATTERN_BYTES + 1, 1)).contains("longer than 3000 bytes"));
    assert!(mistakes(&with(10, MAX_REASON_BYTES + 1)).contains("longer than 500 bytes"));
}

#[test]
fn a_file_is_limited_in_size_and_its_mistakes_in_number() {
    let comment = |bytes: u64| format!("#{}", "x".repeat(usize::try_from(bytes).unwrap() - 1));
    assert!(parse(&comment(MAX_FILE_BYTES), TODAY).is_ok());
    assert!(mistakes(&comment(MAX_FILE_BYTES + 1)).contains("larger than 256 KiB"));
    let many: String = (0..100).map(|n| format!("zzz{n} = 1\n")).collect();
    assert_eq!(mistakes(&many).lines().count(), MAX_PROBLEMS);
}

#[test]
fn columns_count_characters() {
    assert_eq!(position("a\näöü x", 9), (2, 5));
    assert_eq!(position("a\näöü x", 3), (2, 1), "inside a character");
    assert_eq!(position("", 7), (1, 1));
}

/// Reads a policy as a template has it.
fn of_template(json: &str) -> Result<PolicyFile, PolicyError> {
    let map: serde_json::Map<_, _> = serde_json::from_str(json).unwrap();
    from_json("judgePolicy", &map, TODAY)
}

#[test]
fn a_template_sets_the_same_thresholds_in_the_same_ranges() {
    for field in FIELDS {
        let number = if field.whole {
            format!("{:.0}", field.max)
        } else {
            format!("{:?}", field.max)
        };
        let in_toml = parse(&format!("{} = {number}", field.name), TODAY);
        for value in [number.clone(), format!("\" {number} \"")] {
            let json = format!("{{\"{}\":{value}}}", field.name);
            assert_eq!(of_template(&json), in_toml, "{json}");
        }
        let beyond = format!("{{\"{}\":{:?}}}", field.name, field.max * 2.0 + 1.0);
        let refused = of_template(&beyond).unwrap_err().to_string();
        assert!(refused.contains("is out of range"), "{beyond}: {refused}");
    }
    for (json, refused) in [
        (
            r#"{"promoteRatio":"NaN"}"#,
            "`promoteRatio` is out of range",
        ),
        (
            r#"{"gateMinCount":"3.5"}"#,
            "`gateMinCount` needs a whole number",
        ),
        (
            r#"{"gateMinCount":3.5}"#,
            "`gateMinCount` needs a whole number",
        ),
        (r#"{"gateMinCount":null}"#, "`gateMinCount` is empty"),
        (r#"{"gateMinCount":[[3]]}"#, "`gateMinCount` is a list"),
    ] {
        let problem = of_template(json).unwrap_err().to_string();
        assert!(problem.contains(refused), "{json}: {problem}");
    }
}

#[test]
fn mistakes_in_a_template_name_their_key_and_no_value() {
    let error = of_template(
        r#"{"promotRatio":2,"promoteMargin":"hunter2","ignore":[
            {"template":"*","reason":"hunter2","until":"hunter2"},
            "hunter2",
            {"event":"BackOff","until":20301231,"reasn":"hunter2"},
            {}]}"#,
    )
    .unwrap_err();
    let lines: Vec<String> = error.problems.iter().map(Problem::to_string).collect();
    let lines = lines.join("\n");
    assert!(!lines.contains("hunter2"));
    insta::assert_snapshot!(lines, @r#"
    key `judgePolicy`: `promoteMargin` is text, and needs a number, 0.001 to 0.1 (share)
    key `judgePolicy`: unknown key `promotRatio`; did you mean `promoteRatio`?
    key `judgePolicy.ignore[0]`: `template` would ignore too much: it needs at least 10 letters or digits besides `*`
    key `judgePolicy.ignore[0]`: `until` needs a day, such as 2026-12-31: it counts to the end of it, UTC
    key `judgePolicy.ignore[1]`: an entry is text, and needs keys
    key `judgePolicy.ignore[2]`: `until` is a number, and needs a date: until: 2026-12-31
    key `judgePolicy.ignore[2]`: this entry has no reason: add `reason: "why it is harmless"`
    key `judgePolicy.ignore[2]`: unknown key of an entry `reasn`; did you mean `reason`?
    key `judgePolicy.ignore[3]`: this entry has no end: add `until: 2026-09-13`, the last day on which it counts
    key `judgePolicy.ignore[3]`: this entry has no reason: add `reason: "why it is harmless"`
    key `judgePolicy.ignore[3]`: this entry says not what to ignore: add `template: "…*…"` (a template's text) or `event: "BackOff"` (a Kubernetes event's reason)
    "#);
    let text = of_template(r#"{"ignore":"all"}"#).unwrap_err().to_string();
    insta::assert_snapshot!(text, @"key `judgePolicy`: `ignore` is text, and needs entries in a list");
}

#[test]
fn an_entry_of_a_template_ends_as_one_of_a_file_does() {
    let entry = |until: &str| {
        let entry =
            format!(r#"{{"template":"cache hunter2 *","reason":"OPS-1","until":"{until}"}}"#);
        of_template(&format!("{{\"ignore\":[{entry}]}}"))
    };
    let counts = entry("2026-06-15").unwrap();
    assert_eq!(counts.policy.ignore[0].pattern, "cache hunter2 *");
    let over = entry("2026-06-14").unwrap();
    assert_eq!(over.policy, Policy::default());
    insta::assert_snapshot!(over.warnings[0], @"key `judgePolicy.ignore[0]`: expired on 2026-06-14, so what it ignores counts again: remove the entry, or give it a new date");
    for until in ["2026-02-30", "2026-06-15T10:00:00Z", "20260615", "soon"] {
        assert!(entry(until).is_err(), "{until}");
    }
}

#[test]
fn one_policy_over_another() {
    let base = parse(
        "promoteRatio = 1.5\ngateMinCount = 5\n[[ignore]]\nevent = \"BackOff\"\nreason = \"r\"\nuntil = 2026-06-20\n",
        TODAY,
    )
    .unwrap();
    let base = base.over(&Policy::default(), TODAY);
    let over = of_template(
        r#"{"gateMinCount":4,"ignore":[{"event":"Unhealthy","reason":"r","until":"2026-06-16"}]}"#,
    )
    .unwrap();
    let both = over.over(&base, TODAY);
    assert!((both.promote_ratio - 1.5).abs() < 1e-9);
    assert_eq!(both.gate_min_count, 4);
    let patterns: Vec<&str> = both.ignore.iter().map(|i| i.pattern.as_str()).collect();
    assert_eq!(patterns, ["BackOff", "Unhealthy"]);
    // A process that lives for weeks: what has expired meanwhile counts no more.
    let later = over.over(&base, jiff::civil::date(2026, 6, 17));
    assert_eq!(later.ignore.len(), 1);
    // A value set to its default is set.
    let default = of_template(r#"{"promoteRatio":2}"#).unwrap();
    assert!((default.over(&base, TODAY).promote_ratio - 2.0).abs() < 1e-9);
}

/// Pieces that policy files are made of, put together at random.
fn scraps() -> impl Strategy<Value = String> {
    let keys = FIELDS.iter().map(|field| field.name);
    let keys: Vec<&str> = keys.chain(ENTRY_KEYS).chain(["ignore", "x"]).collect();
    let values = [
        "0",
        "-1",
        "1e400",
        "nan",
        "0.01",
        "3",
        "0x7f",
        "true",
        "\"*\"",
        "\"ab*cdefghijkl\"",
        "2026-12-31",
        "1979-05-27T07:32:00Z",
        "[1]",
        "{a = 1}",
        "",
        "\"",
        "\"\u{202e}\"",
    ];
    let line = prop_oneof![
        4 => (select(keys), select(values.to_vec())).prop_map(|(key, value)| format!("{key} = {value}")),
        2 => Just("[[ignore]]".to_owned()),
        1 => any::<String>(),
    ];
    vec(line, 0..12).prop_map(|lines| lines.join("\n"))
}

proptest! {
    #[test]
    fn whatever_is_accepted_is_in_range_and_whatever_is_not_says_where(text in scraps()) {
        match parse(&text, TODAY) {
            Ok(file) => {
                for field in FIELDS {
                    let value = (field.get)(&file.policy);
                    prop_assert!((field.min..=field.max).contains(&value), "{}", field.name);
                }
                for ignore in &file.policy.ignore {
                    prop_assert!(ignore.pattern.chars().any(char::is_alphanumeric));
                    prop_assert!(!ignore.reason.trim().is_empty());
                }
            }
            Err(error) => {
                let lines = text.lines().count() + 1;
                prop_assert!(!error.problems.is_empty());
                for problem in &error.problems {
                    let Place::Text { line, column } = problem.place else {
                        panic!("{problem} is in no file")
                    };
                    prop_assert!((1..=lines).contains(&line), "{problem}");
                    prop_assert!(column >= 1);
                }
            }
        }
    }
}
