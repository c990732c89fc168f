//! What hostile bytes cost in memory, measured as a process of its own sees it.
//!
//! Limits on counts prove nothing about memory: this measures it. A child of this binary reads a
//! hostile stream from its stdin and says how far its resident memory rose meanwhile.

use std::io::Write;
use std::os::fd::AsFd;
use std::process::{Command, ExitCode, Stdio};
use std::sync::Arc;

use go_plugin::gob::{Empty, Encoder, MAX_MESSAGE_BYTES, Value};
use go_plugin::rpc::{Call, Capacity, Refusal, RequestHeader, Service, serve};

use tokio::net::unix::pipe::Receiver;

use crate::limits::{int, map_type, slice_type, struct_type, uint};
use crate::properties::Anything;

crate::trials!(
    a_large_honest_message_costs_a_few_times_its_size,
    a_length_that_is_not_there_costs_nothing,
    empty_structs_cost_no_more_than_the_budget,
    half_a_kilobyte_of_types_costs_nothing,
    nested_types_of_many_bytes_cost_nothing,
    one_entry_maps_cost_no_more_than_the_budget,
);

/// Decodes whatever it is sent.
struct Victim;

impl Service for Victim {
    fn call(self: Arc<Self>, _: &str, argument: &Value<'_>) -> Result<Call, Refusal> {
        let (list, cost) = argument
            .decode_with_cost::<Vec<Anything>>()
            .map_err(Refusal::BadArgument)?;
        Ok(Call::new(cost, async move {
            drop(list);
            Ok(Empty)
        }))
    }
}

/// Serves stdin and prints by how many KiB the peak of resident memory rose.
pub fn be_a_victim() -> ExitCode {
    crate::real_time(async {
        let stdin = std::io::stdin().as_fd().try_clone_to_owned().unwrap();
        let stdin = Receiver::from_owned_fd(stdin).unwrap();
        let io = tokio::io::join(stdin, tokio::io::sink());
        let before = peak_kib();
        let services: [(&'static str, Arc<dyn Service>); 1] = [("Plugin", Arc::new(Victim))];
        // How it ends is the other tests' business.
        drop(serve(io, &services, &Capacity::default()).await);
        let rose = peak_kib() - before;
        write!(std::io::stdout().lock(), "{rose}").unwrap();
    });
    ExitCode::SUCCESS
}

/// The most memory this process ever had resident, in KiB.
fn peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmHWM"))
        .unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// Sends a request with these messages as its argument to a victim, and asserts what it cost.
fn attack(messages: impl IntoIterator<Item = Vec<u8>>, tail: &[u8], most_kib: u64) {
    let mut stream = Vec::new();
    let header = RequestHeader {
        method: "Plugin.Method".into(),
        seq: 1,
    };
    Encoder::new().encode(&header, &mut stream).unwrap();
    // The header's type has number 64; the attacks count from 100.
    for message in messages {
        stream.extend([uint(message.len()), message].concat());
    }
    stream.extend(tail);
    let mut child = Command::new(std::env::current_exe().unwrap())
        .env(crate::ROLE, "victim")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    // The victim may hang up in the middle.
    drop(child.stdin.take().unwrap().write_all(&stream));
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", output.status);
    let rose: u64 = String::from_utf8(output.stdout).unwrap().parse().unwrap();
    assert!(rose <= most_kib, "{} bytes cost {rose} KiB", stream.len());
}

/// What any request costs: buffers, the allocator's first pages.
const NOTHING_KIB: u64 = 2 << 10;

fn a_length_that_is_not_there_costs_nothing() {
    let announced = [uint(MAX_MESSAGE_BYTES), vec![0x0a, 0]].concat();
    attack([], &announced, NOTHING_KIB);
    // Inside a message as well.
    let list = [&int(100)[..], &[0], &uint(MAX_MESSAGE_BYTES), &[0; 64]].concat();
    attack([slice_type(100, 6), list], &[], NOTHING_KIB);
}

fn half_a_kilobyte_of_types_costs_nothing() {
    // Each type is two of the one before: 2³⁰ leaves, if anybody counted them.
    let doubling = (101..131).map(|id| struct_type(id, &[("A", id - 1), ("B", id - 1)]));
    let value = [&int(131)[..], &[0]].concat();
    attack(
        [struct_type(100, &[("A", 4)])]
            .into_iter()
            .chain(doubling)
            .chain([value]),
        &[],
        NOTHING_KIB,
    );
    // Arrays of arrays, 2⁶⁰ elements in all.
    let arrays = (100..130).map(|id: i64| {
        let element = if id == 100 { 2 } else { id - 1 };
        let ids = [&[0, 1][..], &int(element), &[1], &int(1 << 40)].concat();
        [&int(-id)[..], &[1, 1, 2], &int(id), &ids, &[0, 0]].concat()
    });
    let value = [&int(129)[..], &[0], &uint(1 << 40), &[0; 16]].concat();
    attack(arrays.chain([value]), &[], NOTHING_KIB);
}

fn nested_types_of_many_bytes_cost_nothing() {
    let types = (100..1_000).map(|id| slice_type(id, if id == 100 { 6 } else { id - 1 }));
    let value = [&int(999)[..], &[0], &vec![1; 100 << 10]].concat();
    attack(types.chain([value]), &[], NOTHING_KIB);
    // A type inside itself, a level for every two bytes; the stack has to hold.
    let endless = [&int(100)[..], &[0], &vec![1; 8 << 20]].concat();
    attack([slice_type(100, 100), endless], &[], 24 << 10);
}

/// The budget of 32 MiB, once more while a list moves to a larger place, and the message.
const BUDGET_KIB: u64 = (32 + 16 + 8) << 10;

fn empty_structs_cost_no_more_than_the_budget() {
    let count = 1 << 20;
    let value = [&int(100)[..], &[0], &uint(count), &vec![0; count]].concat();
    attack(
        [slice_type(100, 101), struct_type(101, &[("Int", 2)]), value],
        &[],
        BUDGET_KIB,
    );
}

fn one_entry_maps_cost_no_more_than_the_budget() {
    let count = 100_000;
    let one = [1, 1, 0, 0, 0].repeat(count);
    let value = [&int(100)[..], &[0], &uint(count), &one].concat();
    let types = [
        slice_type(100, 101),
        struct_type(101, &[("Names", 102)]),
        map_type(102, 6, 103),
        slice_type(103, 6),
        value,
    ];
    attack(types, &[], BUDGET_KIB);
}

fn a_large_honest_message_costs_a_few_times_its_size() {
    let blob = vec![b'x'; 15 << 20];
    let item = [&[1][..], &uint(blob.len()), &blob, &[0]].concat();
    let value = [&int(100)[..], &[0, 1], &item].concat();
    // The message, its last growth, and the text.
    attack(
        [
            slice_type(100, 101),
            struct_type(101, &[("Text", 6)]),
            value,
        ],
        &[],
        56 << 10,
    );
}
