//! Values recorded from Go's `encoding/gob`, compared with what Go says they are.
//!
//! The recordings come with an index in the words of `crates/e2e/go/describe`. Here any value is
//! described in the same words, by its type on the wire alone, so that every shape Go can send is
//! read and not only those that a plugin uses.

use serde_json::{Map, Value as Json, json};

use super::cursor::Cursor;
use super::time::GoTime;
use super::types::{TypeId, Types, WireType, short_name};
use super::walk::{array_length, single, struct_field, type_sequence};
use super::{Assembler, Decode, Error, Source};

/// A value of any type, described.
#[derive(Default)]
struct Described(Json);

impl Decode for Described {
    fn decode(source: &mut Source<'_>, ty: TypeId) -> Result<Self, Error> {
        let (cursor, types) = source.parts();
        describe(cursor, types, ty).map(Self)
    }
}

fn describe<'a>(cursor: &mut Cursor<'a>, types: &'a Types, ty: TypeId) -> Result<Json, Error> {
    Ok(match ty {
        TypeId::BOOL => json!(cursor.uint()? != 0),
        TypeId::INT => json!(cursor.int()?),
        TypeId::UINT => json!(cursor.uint()?),
        TypeId::FLOAT => float(cursor)?,
        TypeId::COMPLEX => json!({"$complex": [float(cursor)?, float(cursor)?]}),
        TypeId::BYTES => json!({"$bytes": hex(cursor.bytes("bytes")?)}),
        TypeId::STRING => {
            let bytes = cursor.bytes("string")?;
            match std::str::from_utf8(bytes) {
                Ok(text) => json!(text),
                Err(_) => json!({"$string": hex(bytes)}),
            }
        }
        TypeId::INTERFACE => {
            let name = String::from_utf8_lossy(short_name(cursor)?).into_owned();
            if name.is_empty() {
                return Ok(Json::Null);
            }
            let mut defined = types;
            let concrete =
                type_sequence(cursor, &mut defined, true).map_err(|_| Error::UnexpectedEnd)?;
            cursor.uint()?;
            single(cursor, &types, concrete)?;
            json!({"$interface": name, "value": describe(cursor, types, concrete)?})
        }
        _ => defined(cursor, types, ty)?,
    })
}

fn defined<'a>(cursor: &mut Cursor<'a>, types: &'a Types, ty: TypeId) -> Result<Json, Error> {
    match types.get(ty)? {
        WireType::Opaque => Ok(opaque(cursor.bytes("encoded")?)),
        WireType::Slice { element } => {
            let count = cursor.length("slice")?;
            list(cursor, types, *element, count)
        }
        WireType::Array { element, len } => {
            let count = array_length(cursor, *len)?;
            list(cursor, types, *element, count)
        }
        WireType::Map { key, element } => {
            let mut pairs = Vec::new();
            for _ in 0..cursor.length("map")? {
                pairs.push((
                    describe(cursor, types, *key)?,
                    describe(cursor, types, *element)?,
                ));
            }
            Ok(map(pairs))
        }
        WireType::Struct { fields } => {
            let mut object = Map::new();
            let mut next = 0;
            loop {
                let delta = cursor.uint()?;
                if delta == 0 {
                    return Ok(Json::Object(object));
                }
                let (number, field) = struct_field(&types, ty, next, delta)?;
                next = number + 1;
                let value = describe(cursor, types, field)?;
                object.insert(fields[number].name.to_string(), value);
            }
        }
    }
}

/// An object where all keys are text.
fn map(mut pairs: Vec<(Json, Json)>) -> Json {
    let named = pairs
        .iter()
        .map(|(key, value)| Some((key.as_str()?.to_owned(), value.clone())))
        .collect();
    match named {
        Some(object) => Json::Object(object),
        None => {
            pairs.sort_by_key(|(key, _)| key.to_string());
            json!({"$map": pairs})
        }
    }
}

fn list<'a>(
    cursor: &mut Cursor<'a>,
    types: &'a Types,
    element: TypeId,
    count: usize,
) -> Result<Json, Error> {
    (0..count)
        .map(|_| describe(cursor, types, element))
        .collect()
}

fn float(cursor: &mut Cursor<'_>) -> Result<Json, Error> {
    let value = f64::from_bits(cursor.uint()?.swap_bytes());
    Ok(if value.is_nan() {
        json!({"$float": "NaN"})
    } else if value.is_infinite() {
        json!({"$float": if value > 0.0 { "+Inf" } else { "-Inf" }})
    } else if value == 0.0 && value.is_sign_negative() {
        json!({"$float": "-0"})
    } else {
        json!(value)
    })
}

/// Go's times are known by their shape; other encoded values are shown as they are.
fn opaque(bytes: &[u8]) -> Json {
    match GoTime::from_bytes(bytes) {
        Ok(time) => json!({"$time": [time.unix_seconds, time.nanoseconds]}),
        Err(_) => json!({"$encoded": hex(bytes)}),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Splits a stream into its messages.
fn messages(mut stream: &[u8]) -> Vec<Vec<u8>> {
    let mut messages = Vec::new();
    while !stream.is_empty() {
        let whole = [stream.to_vec()];
        let mut cursor = Cursor::new(&whole);
        messages.push(cursor.bytes("message").unwrap().to_vec());
        stream = &stream[stream.len() - cursor.left()..];
    }
    messages
}

/// All values of a stream, described.
fn described(stream: &[u8]) -> Vec<Json> {
    let mut assembler = Assembler::new();
    let mut values = Vec::new();
    for message in messages(stream) {
        if assembler.push(message).unwrap() {
            let Described(value) = assembler.take().decode().unwrap();
            values.push(value);
        }
    }
    assert!(!assembler.is_partial(), "the stream ends inside a value");
    values
}

/// Makes the index's words comparable: times to numbers, numbers to text, the order of maps out of the way.
fn comparable(value: &Json) -> Json {
    match value {
        Json::Object(object) => {
            if let Some(Json::String(text)) = object.get("$time") {
                return json!({"$time": rfc3339(text)});
            }
            if let Some(Json::Array(pairs)) = object.get("$map") {
                let mut pairs: Vec<_> = pairs.iter().map(comparable).collect();
                pairs.sort_by_key(|pair| pair[0].to_string());
                return json!({"$map": pairs});
            }
            if object.contains_key("$time") {
                return value.clone();
            }
            // A pointer to Go's zero time is sent, and the index has no word for it.
            let zero_time = json!({"$time": [GoTime::ZERO.unix_seconds, 0]});
            Json::Object(
                object
                    .iter()
                    .filter(|(_, value)| **value != zero_time)
                    .map(|(key, value)| (key.clone(), comparable(value)))
                    .collect(),
            )
        }
        Json::Array(items) => items.iter().map(comparable).collect(),
        // Go writes 17.0 as 17, and JSON's reader may be off by the last bit.
        Json::Number(number) => match number.as_f64() {
            Some(value) if number.is_f64() || value.abs() < 1e15 => json!(format!("{value:.14e}")),
            _ => value.clone(),
        },
        _ => value.clone(),
    }
}

/// `2026-01-02T03:04:05.000000006Z` as seconds since 1970 and nanoseconds.
fn rfc3339(text: &str) -> (i64, u32) {
    let part = |range: std::ops::Range<usize>| text[range].parse::<i64>().unwrap();
    let (year, month, day) = (part(0..4), part(5..7), part(8..10));
    let fraction = text[19..].trim_end_matches('Z').trim_start_matches('.');
    let nanoseconds = format!("{fraction:0<9}").parse().unwrap();
    // Days from civil (Howard Hinnant's algorithm), March first.
    let shifted = if month > 2 { year } else { year - 1 };
    let (era, of_era) = (shifted.div_euclid(400), shifted.rem_euclid(400));
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let days = era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + day_of_year - 719_468;
    let seconds = part(11..13) * 3_600 + part(14..16) * 60 + part(17..19);
    (days * 86_400 + seconds, nanoseconds)
}

#[test]
fn every_value_that_go_encoded_decodes_to_what_go_says_it_is() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/recorded");
    let index = std::fs::read(format!("{folder}/index.json")).unwrap();
    let index: Json = serde_json::from_slice(&index).unwrap();
    let cases = index["values"].as_array().unwrap();
    assert!(cases.len() >= 27, "{} cases are recorded", cases.len());
    for case in cases {
        let name = case["name"].as_str().unwrap();
        let stream = std::fs::read(format!("{folder}/{}", case["file"].as_str().unwrap())).unwrap();
        let got = comparable(&Json::Array(described(&stream)));
        let want = comparable(&case["values"]);
        assert_eq!(got, want, "{name}");
    }
}
