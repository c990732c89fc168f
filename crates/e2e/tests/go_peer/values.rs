//! Bytes that our gob writes, read by Go into the types of the recorded cases.

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;
use std::time::Duration;

use e2e::command::output;
use go_plugin::gob::{Encode, Encoder};
use serde_json::{Value, json};

/// Longest time to decode a file.
const VERIFY_LIMIT: Duration = Duration::from_secs(60);

#[derive(Default)]
struct Point {
    x: i64,
    y: i64,
}
go_plugin::gob_struct!(Point as "point" { x: "X", y: "Y" });

#[derive(Default)]
struct Sparse {
    first: i64,
    middle: String,
    last: i64,
}
go_plugin::gob_struct!(Sparse as "sparse" { first: "First", middle: "Middle", last: "Last" });

#[derive(Default)]
struct Containers {
    ints: Vec<i64>,
    nested: Vec<Vec<String>>,
    points: Vec<Point>,
    blobs: BTreeMap<String, Vec<u8>>,
    structs: BTreeMap<String, Point>,
}
go_plugin::gob_struct!(Containers as "containers" {
    ints: "Ints", nested: "Nested", points: "Points", blobs: "Blobs", structs: "Structs",
});

/// What Go makes of a stream of these values, as values of the named case.
fn read_by_go<T: Encode>(case: &str, values: &[T]) -> Value {
    let mut encoder = Encoder::new();
    let mut stream = Vec::new();
    for value in values {
        encoder.encode(value, &mut stream).unwrap();
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("stream.bin");
    fs::write(&file, stream).unwrap();
    let mut verify = Command::new(&super::go_peer().record);
    verify.args(["verify", case]).arg(&file);
    serde_json::from_str(&output(&mut verify, VERIFY_LIMIT).unwrap()).unwrap()
}

#[test]
fn go_reads_our_numbers_at_the_ends_of_their_range() {
    let ints = [
        0,
        1,
        -1,
        63,
        64,
        -64,
        -65,
        127,
        128,
        -128,
        -129,
        1 << 20,
        -1 << 20,
        i64::MAX,
        i64::MIN,
    ];
    assert_eq!(read_by_go("int", &ints), json!(ints));
    let uints = [
        0,
        1,
        127,
        128,
        255,
        256,
        1 << 16,
        u64::from(u32::MAX),
        u64::MAX,
    ];
    assert_eq!(read_by_go("uint", &uints), json!(uints));
}

#[test]
fn go_reads_our_structs_whatever_they_leave_out() {
    let values = [
        Sparse {
            first: 1,
            middle: "m".to_owned(),
            last: 9,
        },
        Sparse::default(),
        Sparse {
            last: 2,
            ..Sparse::default()
        },
    ];
    assert_eq!(
        read_by_go("struct-sparse", &values),
        json!([{"First": 1, "Middle": "m", "Last": 9}, {}, {"Last": 2}])
    );
}

#[test]
fn go_reads_our_slices_and_maps() {
    let value = Containers {
        ints: vec![1, 0, -1],
        nested: vec![vec!["x".to_owned()], vec![], vec![String::new()]],
        points: vec![Point { x: 1, y: 2 }, Point::default()],
        blobs: BTreeMap::from([("k".to_owned(), vec![0, 255]), (String::new(), vec![])]),
        structs: BTreeMap::from([("p".to_owned(), Point { x: 0, y: 5 })]),
    };
    assert_eq!(
        read_by_go("containers", &[value]),
        json!([{
            "Ints": [1, 0, -1],
            "Nested": [["x"], [], [""]],
            "Points": [{"X": 1, "Y": 2}, {}],
            "Blobs": {"k": {"$bytes": "00ff"}, "": {"$bytes": ""}},
            "Structs": {"p": {"Y": 5}},
            "Array": [0, 0, 0],
            "Blob": [0, 0, 0, 0],
        }])
    );
}
