//! What a policy says, whether it was written in TOML or came as JSON.

use std::borrow::Cow;

use jiff::civil::Date;
use serde_json::Value as Json;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A value, with where it is: for TOML a byte of the text, for JSON the index
/// of a path.
pub(super) struct Node<'a> {
    pub(super) at: usize,
    pub(super) value: Value<'a>,
}

/// A key of a table, with where it is.
pub(super) struct Key<'a> {
    pub(super) at: usize,
    pub(super) name: Cow<'a, str>,
}

/// The entries of a table, in order.
pub(super) type Table<'a> = Vec<(Key<'a>, Node<'a>)>;

pub(super) enum Value<'a> {
    Text(Cow<'a, str>),
    /// A number without a point; beyond every range it is infinite.
    Whole(f64),
    /// A number with a point, or one that is none.
    Fraction(f64),
    Truth,
    /// A day alone; `None` if the calendar has not got it.
    Day(Option<Date>),
    /// A time, or a day with one.
    Time,
    List(Vec<Node<'a>>),
    Table(Table<'a>),
    Null,
}

impl Value<'_> {
    /// What it is called in a message.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Text(_) => "text",
            Self::Whole(_) | Self::Fraction(_) => "a number",
            Self::Truth => "true or false",
            Self::Day(_) | Self::Time => "a date",
            Self::List(_) => "a list",
            Self::Table(_) => "a table",
            Self::Null => "empty",
        }
    }
}

/// A table of TOML.
pub(super) fn of_toml<'a>(table: &'a DeTable<'_>) -> Table<'a> {
    let pair = |(key, value): (&'a Spanned<Cow<'_, str>>, &'a Spanned<DeValue<'_>>)| {
        let key = Key {
            at: key.span().start,
            name: Cow::Borrowed(key.get_ref().as_ref()),
        };
        (key, toml_node(value))
    };
    table.iter().map(pair).collect()
}

fn toml_node<'a>(value: &'a Spanned<DeValue<'_>>) -> Node<'a> {
    let at = value.span().start;
    let value = match value.get_ref() {
        DeValue::String(text) => Value::Text(Cow::Borrowed(text.as_ref())),
        DeValue::Integer(integer) => {
            #[expect(
                clippy::cast_precision_loss,
                reason = "integers beyond 2^53 are beyond every range"
            )]
            let number =
                i64::from_str_radix(integer.as_str(), integer.radix()).map(|number| number as f64);
            Value::Whole(number.unwrap_or(f64::INFINITY))
        }
        DeValue::Float(float) => Value::Fraction(float.as_str().parse().unwrap_or(f64::NAN)),
        DeValue::Boolean(_) => Value::Truth,
        DeValue::Datetime(toml::value::Datetime {
            date: Some(date),
            time: None,
            offset: None,
        }) => {
            let year = i16::try_from(date.year).unwrap_or(i16::MAX);
            // TOML's parser has looked at month and day already.
            let (month, day) = (date.month.cast_signed(), date.day.cast_signed());
            Value::Day(Date::new(year, month, day).ok())
        }
        DeValue::Datetime(_) => Value::Time,
        DeValue::Array(items) => Value::List(items.iter().map(toml_node).collect()),
        DeValue::Table(table) => Value::Table(of_toml(table)),
    };
    Node { at, value }
}

/// A table of JSON at the path `at`. Each element of a list under one of its
/// keys gets a path of its own, which is added to `paths`.
pub(super) fn of_json<'a>(
    map: &'a serde_json::Map<String, Json>,
    at: usize,
    paths: &mut Vec<String>,
) -> Table<'a> {
    let pair = |(name, value): (&'a String, &'a Json)| {
        let key = Key {
            at,
            name: Cow::Borrowed(name.as_str()),
        };
        let value = match value {
            Json::Array(items) => {
                let here = paths.get(at).cloned().unwrap_or_default();
                let item = |(index, item): (usize, &'a Json)| {
                    paths.push(format!("{here}.{name}[{index}]"));
                    json_node(item, paths.len() - 1, paths)
                };
                let items = items.iter().enumerate().map(item).collect();
                Node {
                    at,
                    value: Value::List(items),
                }
            }
            other => json_node(other, at, paths),
        };
        (key, value)
    };
    map.iter().map(pair).collect()
}

fn json_node<'a>(value: &'a Json, at: usize, paths: &mut Vec<String>) -> Node<'a> {
    let value = match value {
        Json::Null => Value::Null,
        Json::Bool(_) => Value::Truth,
        Json::Number(number) => {
            let value = number.as_f64().unwrap_or(f64::NAN);
            // JSON knows one kind of number: 3.0 is 3.
            if value.fract() == 0.0 {
                Value::Whole(value)
            } else {
                Value::Fraction(value)
            }
        }
        Json::String(text) => Value::Text(Cow::Borrowed(text)),
        // A list in a list means nothing here, so what is in it is not looked at.
        Json::Array(_) => Value::List(Vec::new()),
        Json::Object(map) => Value::Table(of_json(map, at, paths)),
    };
    Node { at, value }
}
