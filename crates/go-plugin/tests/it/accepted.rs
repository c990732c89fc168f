//! What this crate encodes, as Go has accepted it.
//!
//! Go's recording of a value is decoded to typed Rust and encoded again. The bytes must be those in
//! `tests/accepted/`, which Go has decoded to what its recording means. After a change of the
//! encoder run the tests with `ACCEPT=1` to write new files, and have Go read them:
//! `record verify CASE FILE` in `crates/e2e/go` prints what they mean, in the words of the index.

use std::collections::BTreeMap;
use std::path::PathBuf;

use go_plugin::gob::{Decode, Encode, Encoder, GoTime};
use go_plugin::gob_struct;
use go_plugin::rpc::Incoming;

use crate::{paused, recorded};

crate::trials!(go_has_accepted_what_is_encoded);

#[derive(Default)]
struct Point {
    x: i64,
    y: i64,
}
gob_struct!(Point as "Point" { x: "X", y: "Y" });

#[derive(Default)]
struct Sparse {
    first: i64,
    gap1: i64,
    gap2: String,
    middle: String,
    gap3: Option<Point>,
    last: i64,
}
gob_struct!(Sparse as "sparse" {
    first: "First", gap1: "Gap1", gap2: "Gap2", middle: "Middle", gap3: "Gap3", last: "Last",
});

#[derive(Default)]
struct Named {
    level: String,
    flags: u32,
    secs: f64,
    names: Vec<String>,
    table: BTreeMap<String, u32>,
}
gob_struct!(Named as "named" {
    level: "Level", flags: "Flags", secs: "Secs", names: "Names", table: "Table",
});

#[derive(Default)]
struct Pointers {
    int: Option<i64>,
    text: Option<String>,
    twice: Option<i64>,
    point: Option<Point>,
    points: Vec<Point>,
    map: Option<BTreeMap<String, i64>>,
}
gob_struct!(Pointers as "pointers" {
    int: "Int", text: "Text", twice: "Twice", point: "Struct", points: "Structs", map: "Map",
});

#[derive(Default)]
struct Tree {
    name: String,
    children: Vec<Tree>,
    parent: Option<Boxed>,
    by_name: BTreeMap<String, Tree>,
}
gob_struct!(Tree as "tree" {
    name: "Name", children: "Children", parent: "Parent", by_name: "ByName",
});

/// A tree in a tree has to be behind a pointer, in Rust as in Go.
#[derive(Default)]
struct Boxed(Box<Tree>);

impl Decode for Boxed {
    fn decode(
        source: &mut go_plugin::gob::Source<'_>,
        ty: go_plugin::gob::TypeId,
    ) -> Result<Self, go_plugin::gob::Error> {
        Tree::decode(source, ty).map(|tree| Self(Box::new(tree)))
    }
}

impl Encode for Boxed {
    fn wire_type() -> go_plugin::gob::TypeRef {
        Tree::wire_type()
    }

    fn is_zero(&self) -> bool {
        self.0.is_zero()
    }

    fn encode(&self, sink: &mut go_plugin::gob::Sink<'_>) {
        self.0.encode(sink);
    }
}

#[derive(Default)]
struct Times {
    utc: GoTime,
    east: GoTime,
    west: GoTime,
    seconds: GoTime,
    old: GoTime,
    zero: GoTime,
}
gob_struct!(Times as "times" {
    utc: "UTC", east: "East", west: "West", seconds: "Seconds", old: "Old", zero: "Zero",
});

fn go_has_accepted_what_is_encoded() {
    paused(async {
        check::<bool>("bool").await;
        check::<i64>("int").await;
        check::<u64>("uint").await;
        check::<f64>("float").await;
        check::<Vec<u8>>("bytes").await;
        check::<Sparse>("struct-sparse").await;
        check::<Named>("named-kinds").await;
        check::<Pointers>("pointers").await;
        check::<Tree>("recursive").await;
        check::<Times>("times").await;
        check::<GoTime>("top-time").await;
        check::<Vec<String>>("top-slice").await;
        check::<BTreeMap<String, String>>("top-map").await;
    });
}

async fn check<T: Decode + Encode>(case: &str) {
    let recording = std::fs::read(recorded::folder().join(format!("gob-{case}.bin"))).unwrap();
    let mut incoming = Incoming::new(recording.as_slice());
    let mut encoder = Encoder::new();
    let mut stream = Vec::new();
    while let Some(value) = incoming.value().await.unwrap() {
        let value: T = value.decode().unwrap();
        encoder.encode(&value, &mut stream).unwrap();
    }
    let accepted = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/accepted")
        .join(format!("gob-{case}.bin"));
    if std::env::var_os("ACCEPT").is_some() {
        std::fs::write(&accepted, &stream).unwrap();
    }
    let want = std::fs::read(&accepted).unwrap();
    assert!(
        stream == want,
        "{case} is encoded otherwise than Go has accepted it"
    );
}
