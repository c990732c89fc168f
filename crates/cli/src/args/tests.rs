//! What is typed, and what becomes of it.

use super::*;

fn resolved(typed: &[&str], surroundings: Surroundings) -> Result<AnalyzeConfig, String> {
    let words = ["canary-judge", "analyze"]
        .into_iter()
        .chain(typed.iter().copied());
    let args = Args::try_parse_from(words).map_err(|error| error.to_string())?;
    match resolve(args, surroundings).map_err(|failure| failure.to_string())? {
        Command::Analyze(config) => Ok(config),
        other => Err(format!("{other:?}")),
    }
}

const SOME: [&str; 4] = ["--stable", "a", "--canary", "b"];

#[test]
fn the_grammar_holds_together() {
    use clap::CommandFactory as _;
    Args::command().debug_assert();
}

#[test]
fn a_flag_takes_several_files_and_may_be_repeated() {
    let typed = ["--stable", "a", "b", "--canary", "-", "--stable", "c"];
    let config = resolved(&typed, Surroundings::default()).unwrap();
    let file = |name: &str| Input::File(name.into());
    assert_eq!(config.stable.logs, [file("a"), file("b"), file("c")]);
    assert_eq!(config.canary.logs, [Input::Stdin]);
}

#[test]
fn pods_alone_are_something_to_judge() {
    let typed = ["--stable", "a", "--canary-pods", "b"];
    assert!(resolved(&typed, Surroundings::default()).is_ok());
}

#[test]
fn what_makes_no_sense_is_refused_with_its_mend() {
    let terminal = Surroundings {
        stdin_is_terminal: true,
        ..Surroundings::default()
    };
    let pipe = Surroundings::default();
    for (typed, surroundings, named) in [
        (&["--stable", "a"][..], pipe, "hint: add --canary FILE"),
        (&["--canary", "a"], pipe, "hint: add --stable FILE"),
        (
            &["--stable", "-", "--canary", "-"],
            pipe,
            "one standard input",
        ),
        (
            &["--stable", "-", "-", "--canary", "a"],
            pipe,
            "one standard input",
        ),
        (
            &["--stable", "-", "--canary", "a"],
            terminal,
            "this terminal",
        ),
        (
            &["--stable", "a", "--canary", "b", "--events", "c"],
            pipe,
            "--canary-pods",
        ),
    ] {
        let error = resolved(typed, surroundings).unwrap_err();
        assert!(error.contains(named), "{typed:?}: {error}");
    }
}

#[test]
fn files_are_limited_in_number() {
    let mut typed = SOME.to_vec();
    typed.extend(["c"; MAX_LOGS - 1]);
    assert!(resolved(&typed, Surroundings::default()).is_ok());
    typed.push("c");
    assert!(resolved(&typed, Surroundings::default()).is_err());
}

#[test]
fn colours_are_for_terminals_that_want_them() {
    let color = |typed: &[&str], stdout_is_terminal, no_color| {
        let surroundings = Surroundings {
            stdout_is_terminal,
            no_color,
            ..Surroundings::default()
        };
        let typed = [&SOME[..], typed].concat();
        resolved(&typed, surroundings).unwrap().color
    };
    assert!(color(&[], true, false));
    assert!(!color(&[], false, false));
    assert!(!color(&[], true, true));
    assert!(color(&["--color", "always"], false, true));
    assert!(!color(&["--color", "never"], true, false));
}

#[test]
fn templates_are_a_table_on_a_terminal_and_tsv_elsewhere() {
    let format = |typed: &[&str], stdout_is_terminal| {
        let words = ["canary-judge", "templates", "a"].into_iter();
        let args = Args::try_parse_from(words.chain(typed.iter().copied())).unwrap();
        let surroundings = Surroundings {
            stdout_is_terminal,
            ..Surroundings::default()
        };
        match resolve(args, surroundings).unwrap() {
            Command::Templates(config) => config.format,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(format(&[], true), TemplatesFormat::Text);
    assert_eq!(format(&[], false), TemplatesFormat::Tsv);
    assert_eq!(format(&["--format", "json"], true), TemplatesFormat::Json);
}
