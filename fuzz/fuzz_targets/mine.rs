//! Any stream of lines is mined: every event has a group, every group is counted right.
#![no_main]

use judge::templates::TemplateMiner;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (bool, u16, &[u8])| {
    let (one_event_per_line, cut, bytes) = input;
    let mine = |cut: usize| {
        let mut miner = TemplateMiner::new(one_event_per_line);
        miner.push(&bytes[..cut]);
        miner.push(&bytes[cut..]);
        miner.finish()
    };
    let mined = mine(usize::from(cut) % (bytes.len() + 1));
    assert_eq!(mine(0), mined, "where the stream is cut changes nothing");
    let mut counts = vec![0_u64; mined.templates.len()];
    for group in &mined.events {
        counts[*group as usize] += 1;
    }
    for (template, count) in mined.templates.iter().zip(counts) {
        assert_eq!(template.count, count, "{template:?}");
        assert!(count > 0, "a template without an event: {template:?}");
    }
    if one_event_per_line {
        // A last line without a newline is one, too.
        let lines = bytes.split(|byte| *byte == b'\n').count();
        assert!(mined.events.len() <= lines);
    }
});
