//! `successCondition` and `failureCondition`: may the promote verdict stand?
//!
//! Conditions are applied to a promote verdict only and can only worsen it.
//! One that cannot be evaluated is an error, never a pass. The expressions are
//! expr-lang over `result`, the measured value, and over `confidence` and
//! `findings`.
//!
//! A template's author is not the operator, and this process serves every
//! namespace: an expression is admitted only if it is made of what a condition
//! over a few numbers can need. That keeps out ranges, closures, variables and
//! strings, with which a line of text could ask for gigabytes.

use std::panic::{AssertUnwindSafe, catch_unwind};

use expr::{Context, Environment, Value};

/// Longest expression, in bytes: a condition over a few numbers is a line.
const MAX_EXPRESSION_BYTES: usize = 512;

/// Deepest nesting of brackets and signs: the parser recurses, and the stack of
/// the calls is finite.
const MAX_NESTING: usize = 16;

/// Every name that a condition may use: Argo's own six functions, the words of
/// the language, and arithmetic on numbers.
const NAMES: &[&str] = &[
    "result",
    "confidence",
    "findings",
    "asInt",
    "asFloat",
    "isNaN",
    "isInf",
    "isNil",
    "default",
    "true",
    "false",
    "nil",
    "and",
    "or",
    "not",
    "in",
    "len",
    "abs",
    "ceil",
    "floor",
    "round",
    "int",
    "float",
    "min",
    "max",
];

/// Every character outside of names, numbers and white space.
const OPERATORS: &str = "<>=!&|+-*/%()[],?:";

/// Why a condition could not be used. Its text is never shown: arguments
/// arrive resolved, so it may hold a secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConditionError {
    /// Longer than a condition needs to be.
    #[error("{place} is longer than {MAX_EXPRESSION_BYTES} bytes: shorten it")]
    TooLong {
        /// Which condition.
        place: Place,
    },
    /// Brackets or signs nest too deeply.
    #[error("{place} nests deeper than {MAX_NESTING} levels: simplify it")]
    TooDeep {
        /// Which condition.
        place: Place,
    },
    /// Something that a condition over a few numbers does not need.
    #[error(
        "{place} cannot be evaluated: at column {column} is something that a condition over \
         `result` (a number) does not know; use result, confidence, findings, numbers, \
         comparisons, and/or/not, arithmetic, and asInt, asFloat, isNaN, isInf, isNil, default"
    )]
    NotAllowed {
        /// Which condition.
        place: Place,
        /// Where, in characters from 1.
        column: usize,
    },
    /// Not an expression.
    #[error("{place} is not a valid expression: write it as in `result > 0.50`")]
    Unparsable {
        /// Which condition.
        place: Place,
    },
    /// An expression that fails on a number.
    #[error(
        "{place} cannot be evaluated: `result` is a number between 0 and 1, as in `result > 0.50`"
    )]
    Unevaluable {
        /// Which condition.
        place: Place,
    },
    /// Not a yes or a no.
    #[error("{place} yields no true or false: compare `result`, as in `result > 0.50`")]
    NotBool {
        /// Which condition.
        place: Place,
    },
}

/// Which condition, as its author knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// The metric's own.
    MetricSuccess,
    /// The metric's own.
    MetricFailure,
    /// In the plugin's block.
    BlockSuccess,
    /// In the plugin's block.
    BlockFailure,
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::MetricSuccess => "the metric's `successCondition`",
            Self::MetricFailure => "the metric's `failureCondition`",
            Self::BlockSuccess => "`successCondition` in the plugin's block",
            Self::BlockFailure => "`failureCondition` in the plugin's block",
        })
    }
}

/// What the conditions make of a promote verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ruling {
    /// It stands.
    Stands,
    /// Both conditions of one place are false: Argo calls that inconclusive.
    Undecided(Place),
    /// It becomes a failure, by this condition.
    Fails(Place),
}

/// What conditions are about: the numbers of a promote verdict.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Measured {
    /// How sure we are, in percent, 51 to 99.
    pub confidence: u8,
    /// How many things differ between the arms, by the judge's list.
    pub findings: usize,
}

impl Measured {
    /// The measured value, which Argo's conditions call `result`: 0.51 to 0.99.
    pub fn result(self) -> f64 {
        f64::from(self.confidence) / 100.0
    }
}

/// One expression, checked.
#[derive(Clone, Debug)]
struct Condition {
    place: Place,
    text: String,
}

/// The two conditions of one place (the metric, or the block).
#[derive(Clone, Debug)]
struct Pair {
    success: Option<Condition>,
    failure: Option<Condition>,
}

/// The conditions in force, each checked once so that an author hears of a
/// mistake at the first measurement and not at the first promote.
#[derive(Clone, Debug, Default)]
pub struct Conditions {
    pairs: Vec<Pair>,
}

impl Conditions {
    /// Adds the metric's own conditions; empty text is no condition.
    ///
    /// # Errors
    /// If one of them cannot be evaluated.
    pub fn add_metric(&mut self, success: &str, failure: &str) -> Result<(), ConditionError> {
        self.add(
            (Place::MetricSuccess, success),
            (Place::MetricFailure, failure),
        )
    }

    /// Adds the conditions of the plugin's block; empty text is no condition.
    ///
    /// # Errors
    /// If one of them cannot be evaluated.
    pub fn add_block(&mut self, success: &str, failure: &str) -> Result<(), ConditionError> {
        self.add(
            (Place::BlockSuccess, success),
            (Place::BlockFailure, failure),
        )
    }

    fn add(
        &mut self,
        success: (Place, &str),
        failure: (Place, &str),
    ) -> Result<(), ConditionError> {
        let pair = Pair {
            success: Condition::new(success)?,
            failure: Condition::new(failure)?,
        };
        if pair.success.is_some() || pair.failure.is_some() {
            self.pairs.push(pair);
        }
        Ok(())
    }

    /// Applies every condition to the numbers of a promote verdict; the worst
    /// ruling counts.
    ///
    /// # Errors
    /// If a condition cannot be evaluated on these numbers.
    pub fn rule(&self, measured: Measured) -> Result<Ruling, ConditionError> {
        let mut worst = Ruling::Stands;
        for pair in &self.pairs {
            match pair.rule(measured)? {
                fails @ Ruling::Fails(_) => return Ok(fails),
                undecided @ Ruling::Undecided(_) => worst = undecided,
                Ruling::Stands => {}
            }
        }
        Ok(worst)
    }
}

impl Pair {
    /// Argo's own rules (its `utils/evaluate`): a failure condition that holds
    /// fails, whatever else holds.
    fn rule(&self, measured: Measured) -> Result<Ruling, ConditionError> {
        if let Some(failure) = &self.failure
            && failure.holds(measured)?
        {
            return Ok(Ruling::Fails(failure.place));
        }
        match &self.success {
            Some(success) if !success.holds(measured)? => Ok(if self.failure.is_some() {
                Ruling::Undecided(success.place)
            } else {
                Ruling::Fails(success.place)
            }),
            _ => Ok(Ruling::Stands),
        }
    }
}

impl Condition {
    fn new((place, text): (Place, &str)) -> Result<Option<Self>, ConditionError> {
        let text = text.trim();
        if text.is_empty() {
            return Ok(None);
        }
        admit(place, text)?;
        let condition = Self {
            place,
            text: text.to_owned(),
        };
        // Both ends of what a promote can measure: a mistake in the expression
        // shows here, and not first at the verdict.
        for (confidence, findings) in [(51, 0), (99, 60)] {
            condition.holds(Measured {
                confidence,
                findings,
            })?;
        }
        Ok(Some(condition))
    }

    fn holds(&self, measured: Measured) -> Result<bool, ConditionError> {
        let place = self.place;
        // The parser and the evaluator are not ours, and a promote must not
        // come out of a panic in them.
        let result = catch_unwind(AssertUnwindSafe(|| {
            let program =
                expr::compile(&self.text).map_err(|_| ConditionError::Unparsable { place })?;
            let mut context = Context::default();
            context.insert("result", measured.result());
            context.insert("confidence", i64::from(measured.confidence));
            context.insert("findings", measured.findings);
            environment()
                .run(&program, &context)
                .map_err(|_| ConditionError::Unevaluable { place })
        }))
        .unwrap_or(Err(ConditionError::Unevaluable { place }))?;
        result.as_bool().ok_or(ConditionError::NotBool { place })
    }
}

/// Refuses what a condition over a few numbers does not need.
fn admit(place: Place, text: &str) -> Result<(), ConditionError> {
    if text.len() > MAX_EXPRESSION_BYTES {
        return Err(ConditionError::TooLong { place });
    }
    let chars: Vec<char> = text.chars().collect();
    let mut nesting = 0usize;
    let mut prefixes = 0usize;
    let mut at = 0;
    while at < chars.len() {
        let refused = ConditionError::NotAllowed {
            place,
            column: at + 1,
        };
        let c = chars[at];
        let end = if c.is_ascii_alphabetic() || c == '_' {
            prefixes = 0;
            let end = run_end(&chars, at, |c| c.is_ascii_alphanumeric() || c == '_');
            let name: String = chars[at..end].iter().collect();
            if !NAMES.contains(&name.as_str()) {
                return Err(refused);
            }
            prefixes += usize::from(name == "not");
            end
        } else if c.is_ascii_digit() || c == '.' {
            prefixes = 0;
            let end = run_end(&chars, at, |c| {
                c.is_ascii_alphanumeric() || c == '_' || c == '.'
            });
            if chars[at..end].iter().filter(|c| **c == '.').count() > 1 || end == at + 1 && c == '.'
            {
                return Err(refused);
            }
            end
        } else if OPERATORS.contains(c) {
            match c {
                '(' | '[' => nesting += 1,
                ')' | ']' => nesting = nesting.saturating_sub(1),
                _ => prefixes += 1,
            }
            at + 1
        } else if c.is_whitespace() {
            at + 1
        } else {
            return Err(refused);
        };
        if nesting > MAX_NESTING || prefixes > MAX_NESTING {
            return Err(ConditionError::TooDeep { place });
        }
        at = end;
    }
    Ok(())
}

fn run_end(chars: &[char], from: usize, belongs: impl Fn(char) -> bool) -> usize {
    chars[from..]
        .iter()
        .position(|c| !belongs(*c))
        .map_or(chars.len(), |length| from + length)
}

/// The functions that Argo adds to the language (its `utils/evaluate`).
fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    environment.add_function("asInt", |call| match call.args.first() {
        Some(Value::Integer(n)) => Ok(Value::Integer(*n)),
        // In range by the check; Go truncates as well.
        Some(Value::Float(f)) if f.abs() < 9.0e18 => Ok(Value::Integer(f.trunc() as i64)),
        _ => Err("asInt takes a number".to_owned().into()),
    });
    environment.add_function("asFloat", |call| {
        number(call.args.first()).map(Value::Float)
    });
    environment.add_function("isNaN", |call| {
        number(call.args.first()).map(|f| Value::Bool(f.is_nan()))
    });
    environment.add_function("isInf", |call| {
        number(call.args.first()).map(|f| Value::Bool(f.is_infinite()))
    });
    // A promote verdict always has a value, so `result` is never nil.
    environment.add_function("isNil", |call| {
        Ok(Value::Bool(matches!(
            call.args.first(),
            Some(Value::Nil) | None
        )))
    });
    environment.add_function("default", |call| match call.args.as_slice() {
        [Value::Nil, fallback] => Ok(fallback.clone()),
        [value, _] => Ok(value.clone()),
        _ => Err("default takes two values".to_owned().into()),
    });
    environment
}

fn number(value: Option<&Value>) -> Result<f64, expr::Error> {
    match value {
        Some(Value::Float(f)) => Ok(*f),
        Some(Value::Integer(n)) => Ok(*n as f64),
        _ => Err("a number is needed".to_owned().into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metric(success: &str, failure: &str) -> Result<Conditions, ConditionError> {
        let mut conditions = Conditions::default();
        conditions.add_metric(success, failure)?;
        Ok(conditions)
    }

    fn measured(value: f64, findings: usize) -> Measured {
        let confidence = (value * 100.0).round() as u8;
        Measured {
            confidence,
            findings,
        }
    }

    #[test]
    fn a_condition_may_be_about_confidence_and_findings() {
        let table = [
            ("confidence >= 85", true),
            ("confidence > 85", false),
            ("confidence / 100 == result", true),
            ("findings == 3", true),
            ("findings < 3 or confidence > 90", false),
            ("findings <= 3 and result > 0.8", true),
            ("asFloat(findings) < 3.5", true),
        ];
        for (text, stands) in table {
            let ruling = metric(text, "").unwrap().rule(measured(0.85, 3)).unwrap();
            assert_eq!(ruling == Ruling::Stands, stands, "{text}");
        }
    }

    #[test]
    fn conditions_rule_as_argo_does() {
        use Place::{MetricFailure, MetricSuccess};
        use Ruling::{Fails, Stands, Undecided};
        let table = [
            ("", "", 0.85, Stands),
            ("result > 0.50", "", 0.85, Stands),
            ("result > 0.50", "", 0.51, Stands),
            ("result >= 0.95", "", 0.85, Fails(MetricSuccess)),
            ("", "result < 0.9", 0.85, Fails(MetricFailure)),
            ("", "result < 0.8", 0.85, Stands),
            (
                "result > 0.9",
                "result < 0.7",
                0.85,
                Undecided(MetricSuccess),
            ),
            ("result > 0.9", "result < 0.7", 0.95, Stands),
            ("result > 0.9", "result < 0.7", 0.65, Fails(MetricFailure)),
            ("result > 0.8", "result > 0.8", 0.85, Fails(MetricFailure)),
            ("asFloat(result) >= 0.85", "", 0.85, Stands),
            ("asInt(result * 100) >= 90", "", 0.85, Fails(MetricSuccess)),
            ("!isNaN(result) && !isInf(result)", "", 0.85, Stands),
            ("isNil(result) || result > 0.5", "", 0.85, Stands),
            ("default(result, 0) > 0.5", "", 0.85, Stands),
            ("0.5 < result and result < 1", "", 0.85, Stands),
            ("result > 0.5 ? true : false", "", 0.85, Stands),
            ("not (result < 0.5)", "", 0.85, Stands),
            ("  result>.5  ", "", 0.85, Stands),
            ("true", "", 0.85, Stands),
            ("false", "", 0.85, Fails(MetricSuccess)),
        ];
        for (success, failure, value, expected) in table {
            let ruling = metric(success, failure).unwrap();
            let ruling = ruling.rule(measured(value, 0)).unwrap();
            assert_eq!(ruling, expected, "{success} / {failure} at {value}");
        }
    }

    #[test]
    fn the_worst_place_counts() {
        let mut conditions = metric("result > 0.9", "result < 0.1").unwrap();
        conditions.add_block("result > 0.50", "").unwrap();
        assert_eq!(
            conditions.rule(measured(0.85, 0)).unwrap(),
            Ruling::Undecided(Place::MetricSuccess)
        );
        conditions.add_block("", "result < 0.86").unwrap();
        assert_eq!(
            conditions.rule(measured(0.85, 0)).unwrap(),
            Ruling::Fails(Place::BlockFailure)
        );
    }

    #[test]
    fn what_cannot_be_evaluated_is_an_error_and_not_a_pass() {
        let place = Place::MetricSuccess;
        let column = |column| ConditionError::NotAllowed { place, column };
        let table = [
            ("result >", ConditionError::Unparsable { place }),
            ("result", ConditionError::NotBool { place }),
            ("result + 1", ConditionError::NotBool { place }),
            ("result[0] >= 0.95", ConditionError::Unevaluable { place }),
            (
                "len(result) == 0 || result[0] >= 0.95",
                ConditionError::Unevaluable { place },
            ),
            ("latency < 5", column(1)),
            ("result > 0.5 && env.KEY == 1", column(17)),
            ("len(1..1000000000) > 0", column(5)),
            ("let a = 1; a > 0", column(1)),
            ("max([1], {# > 0})", column(10)),
            ("result > 'x'", column(10)),
            ("$env == nil", column(1)),
            ("repeat(result, 9) == nil", column(1)),
        ];
        for (text, expected) in table {
            assert_eq!(metric(text, "").unwrap_err(), expected, "{text}");
        }
    }

    #[test]
    fn size_and_nesting_are_limited() {
        let place = Place::MetricFailure;
        let long = format!(
            "result > 0.5{}",
            " ".repeat(MAX_EXPRESSION_BYTES) + "|| true"
        );
        assert_eq!(
            metric("", &long).unwrap_err(),
            ConditionError::TooLong { place }
        );
        for deep in [
            format!("{}true{}", "(".repeat(60), ")".repeat(60)),
            format!("{}true", "!".repeat(400)),
            format!("{}1 > 0", "-".repeat(400)),
            format!("{}true", "!(".repeat(100)),
        ] {
            assert_eq!(
                metric("", &deep).unwrap_err(),
                ConditionError::TooDeep { place },
                "{deep}"
            );
        }
        let fits = format!("{}true{}", "(".repeat(MAX_NESTING), ")".repeat(MAX_NESTING));
        assert!(metric(&fits, "").is_ok());
    }

    #[test]
    fn no_error_shows_the_expression() {
        for text in [
            "hunter2 > 1",
            "result > 'hunter2'",
            "hunter2",
            "result hunter2",
        ] {
            let shown = metric(text, "").unwrap_err();
            assert!(!format!("{shown} {shown:?}").contains("hunter2"), "{shown}");
        }
    }
}
