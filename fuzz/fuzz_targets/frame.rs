//! Any bytes are a log, and how they are cut into pieces changes nothing.
#![no_main]

use judge::{Profile, ProfileOptions, Profiler, Window};
use libfuzzer_sys::fuzz_target;

/// A window that the recorded logs' times fall into.
const START_MS: i64 = 1_795_316_645_000;

fn profile<'a>(pieces: impl IntoIterator<Item = &'a [u8]>, options: ProfileOptions) -> Profile {
    let mut profiler = Profiler::new(options);
    for piece in pieces {
        profiler.push(piece);
    }
    profiler.finish()
}

fuzz_target!(|input: (u8, u16, u16, &[u8])| {
    let (flags, first, second, bytes) = input;
    let window = if flags & 1 == 0 {
        Window::unaligned()
    } else {
        Window::new(START_MS, START_MS + 60_000)
    };
    let options = ProfileOptions {
        window,
        runtime_timestamps: flags & 2 != 0,
    };
    let whole = profile([bytes], options);
    let cut = |at: u16| usize::from(at) % (bytes.len() + 1);
    let (low, high) = (cut(first).min(cut(second)), cut(first).max(cut(second)));
    let pieces = [&bytes[..low], &bytes[low..high], &bytes[high..]];
    assert_eq!(profile(pieces, options), whole, "three pieces");
    let size = 1 + usize::from(flags >> 2);
    assert_eq!(profile(bytes.chunks(size), options), whole, "pieces of {size}");

    assert_eq!(whole.bytes, bytes.len() as u64);
    assert!(whole.events <= whole.lines, "an event has a line at least");
    let counted: u64 = whole.templates.iter().map(judge::profile::Template::total).sum();
    assert_eq!(counted + whole.evicted_events, whole.events, "every event is counted once");
});
