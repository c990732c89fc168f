//! Any stream of gob values is read, or refused: no panic, no more memory than the budget.
#![no_main]

use std::collections::BTreeMap;

use futures::FutureExt;
use go_plugin::gob::{
    Decode, Encode, Encoder, GoTime, Interface, MAX_DECODED_BYTES, Registered, Value,
};
use go_plugin::rpc::{Incoming, RequestHeader, ResponseHeader};
use libfuzzer_sys::fuzz_target;

/// A struct with something of everything, whose field names the recorded streams have.
#[derive(Debug, Clone, Default)]
struct Anything {
    name: String,
    flag: bool,
    int: i64,
    small: i32,
    uint: u64,
    float: f64,
    blob: Vec<u8>,
    children: Vec<Anything>,
    map: BTreeMap<String, i64>,
    lists: BTreeMap<String, Vec<String>>,
    time: GoTime,
    any: Interface<Point>,
    point: Option<Point>,
}

go_plugin::gob_struct!(Anything as "Anything" {
    name: "Name",
    flag: "Bool",
    int: "Int",
    small: "Int32",
    uint: "Uint",
    float: "F64",
    blob: "Bytes",
    children: "Children",
    map: "Map",
    lists: "Lists",
    time: "UTC",
    any: "Any",
    point: "Struct",
});

#[derive(Debug, Clone, Default)]
struct Point {
    x: i64,
    y: i64,
}

go_plugin::gob_struct!(Point as "Point" { x: "X", y: "Y" });

impl Registered for Point {
    const NAME: &'static str = "point";
}

/// Decodes a value; what was decoded can be encoded, and reads back.
fn decode<T: Decode + Encode>(value: &Value<'_>) {
    let Ok((decoded, cost)) = value.decode_with_cost::<T>() else {
        return;
    };
    assert!(cost <= MAX_DECODED_BYTES, "charged {cost} bytes");
    let mut stream = Vec::new();
    if Encoder::new().encode(&decoded, &mut stream).is_ok() {
        let mut again = Incoming::new(stream.as_slice());
        let value = again.value().now_or_never().expect("bytes are there");
        let value = value.expect("our own bytes").expect("our own value");
        value.decode::<T>().expect("our own type");
    }
}

fuzz_target!(|bytes: &[u8]| {
    let mut incoming = Incoming::new(bytes);
    while let Some(Ok(Some(value))) = incoming.value().now_or_never() {
        decode::<Anything>(&value);
        decode::<Vec<Anything>>(&value);
        decode::<Interface<Point>>(&value);
        decode::<RequestHeader>(&value);
        decode::<ResponseHeader>(&value);
        decode::<String>(&value);
    }
});
