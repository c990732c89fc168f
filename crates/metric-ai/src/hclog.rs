//! Log lines as the controller reads them: hclog JSON, one line each, on
//! stderr.
//!
//! A line is written by a thread of its own from a short queue. A controller
//! that stops reading so costs lines, never a stalled or dead plugin; how many
//! were lost is said when there is room again.

use std::fmt;
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread;
use std::time::Duration;

use jiff::Timestamp;
use judge::redact::redact;
use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, Layer};
use tracing_subscriber::registry::LookupSpan;

/// The `@module` of every line: users search the controller's log for it.
const MODULE: &str = "metric-ai";

/// Longest line in bytes. The controller's reader splits lines above 64 KiB.
const MAX_LINE_BYTES: usize = 16 * 1024;

/// Longest message or field in bytes.
const MAX_TEXT_BYTES: usize = 2_048;

/// Most fields of a line, those of its spans included.
const MAX_FIELDS: usize = 24;

/// Lines that wait while the controller does not read; 4 MiB at most.
const MAX_WAITING_LINES: usize = 256;

/// The writer's stack: it writes lines, nothing else.
const WRITER_STACK_BYTES: usize = 64 * 1024;

/// Our own crates. What others log at info and below is theirs to debug, and
/// may show requests with their credentials.
const OUR_CRATES: [&str; 7] = [
    "rollouts_plugin_metric_ai",
    "rollouts_plugin",
    "go_plugin",
    "analysis",
    "judge",
    "remediation",
    "agent_api",
];

enum Message {
    Line(Vec<u8>),
    Flush(SyncSender<()>),
}

/// The way to the log; clones share it.
#[derive(Clone)]
pub struct Hclog {
    queue: SyncSender<Message>,
    lost: Arc<AtomicU64>,
    level: LevelFilter,
    clock: fn() -> Timestamp,
}

impl Hclog {
    /// Starts the writer of `out`.
    ///
    /// # Errors
    /// If its thread cannot be started.
    pub fn start(
        out: impl Write + Send + 'static,
        level: LevelFilter,
        clock: fn() -> Timestamp,
    ) -> std::io::Result<Self> {
        let (queue, lines) = sync_channel(MAX_WAITING_LINES);
        thread::Builder::new()
            .name("hclog".into())
            .stack_size(WRITER_STACK_BYTES)
            .spawn(move || write_lines(out, &lines))?;
        Ok(Self {
            queue,
            lost: Arc::default(),
            level,
            clock,
        })
    }

    /// Waits until all lines so far are written, `limit` at most.
    pub fn flush(&self, limit: Duration) {
        let (done, wait) = sync_channel(1);
        if self.queue.try_send(Message::Flush(done)).is_ok() {
            // Nobody reads the log any more if this runs out; it is the end.
            wait.recv_timeout(limit).unwrap_or_default();
        }
    }

    /// Writes a line past the level filter: for panics. What is cut in two in
    /// the middle of a character quotes the text, which may be a log's.
    pub fn panicked(&self, message: &str, place: &str) {
        let fields = Map::from_iter([("place".to_owned(), Value::from(place))]);
        self.send(Level::ERROR, &redact(message), fields);
    }

    fn send(&self, level: Level, message: &str, fields: Map<String, Value>) {
        let lost = self.lost.swap(0, Ordering::Relaxed);
        if lost > 0 {
            let text = format!("{lost} log lines were lost: the log was not read");
            let line = line((self.clock)(), Level::WARN, &text, Map::new());
            if self.queue.try_send(Message::Line(line)).is_err() {
                self.lost.fetch_add(lost, Ordering::Relaxed);
            }
        }
        let line = line((self.clock)(), level, message, fields);
        match self.queue.try_send(Message::Line(line)) {
            Ok(()) => {}
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {
                self.lost.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    fn wants(&self, metadata: &tracing::Metadata<'_>) -> bool {
        let krate = metadata.target().split("::").next().unwrap_or_default();
        let limit = if OUR_CRATES.contains(&krate) {
            self.level
        } else {
            self.level.min(LevelFilter::WARN)
        };
        *metadata.level() <= limit
    }
}

fn write_lines(mut out: impl Write, lines: &Receiver<Message>) {
    while let Ok(message) = lines.recv() {
        match message {
            // A dead stderr loses the line: there is nowhere to say so.
            Message::Line(line) => out
                .write_all(&line)
                .and_then(|()| out.flush())
                .unwrap_or_default(),
            Message::Flush(done) => done.send(()).unwrap_or_default(),
        }
    }
}

/// The fields of a span, for the lines in it.
struct SpanFields(Map<String, Value>);

impl<S> Layer<S> for Hclog
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn enabled(&self, metadata: &tracing::Metadata<'_>, _: Context<'_, S>) -> bool {
        self.wants(metadata)
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(self.level)
    }

    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        if let Some(span) = context.span(id) {
            span.extensions_mut().insert(SpanFields(fields.fields));
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        let mut fields = Fields::default();
        values.record(&mut fields);
        if let Some(span) = context.span(id)
            && let Some(known) = span.extensions_mut().get_mut::<SpanFields>()
        {
            known.0.extend(fields.fields);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let scope = context.event_scope(event);
        for span in scope.into_iter().flatten() {
            if let Some(SpanFields(outer)) = span.extensions().get::<SpanFields>() {
                for (key, value) in outer {
                    let entry = fields.fields.entry(key.clone());
                    entry.or_insert_with(|| value.clone());
                }
            }
        }
        self.send(*event.metadata().level(), &fields.message, fields.fields);
    }
}

/// Collects an event's message and fields.
#[derive(Default)]
struct Fields {
    message: String,
    fields: Map<String, Value>,
}

impl Fields {
    fn put(&mut self, field: &Field, value: impl Into<Value>) {
        // `log.*` is how records of the `log` crate name their origin.
        if !field.name().starts_with("log.") {
            self.fields.insert(field.name().to_owned(), value.into());
        }
    }
}

impl Visit for Fields {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, value);
    }
    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value);
    }
    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value);
    }
    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value);
    }
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            self.message = cut(value).to_owned();
        } else {
            self.put(field, cut(value));
        }
    }
    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        self.record_str(field, &crate::words::chain(value));
    }
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.record_str(field, &format!("{value:?}"));
    }
}

fn cut(text: &str) -> &str {
    crate::words::cut(text, MAX_TEXT_BYTES)
}

/// One line, newline included, [`MAX_LINE_BYTES`] at most.
fn line(time: Timestamp, level: Level, message: &str, mut fields: Map<String, Value>) -> Vec<u8> {
    while fields.len() > MAX_FIELDS {
        let last = fields.keys().next_back().cloned().unwrap_or_default();
        fields.remove(&last);
    }
    let mut bytes = encode(time, level, message, &fields);
    // JSON writes a control character as six: what fitted may not fit now.
    if bytes.len() > MAX_LINE_BYTES {
        fields.clear();
        fields.insert("truncated".to_owned(), Value::Bool(true));
        let message = crate::words::cut(message, MAX_TEXT_BYTES);
        bytes = encode(time, level, message, &fields);
    }
    bytes
}

fn encode(time: Timestamp, level: Level, message: &str, fields: &Map<String, Value>) -> Vec<u8> {
    let mut line = Map::new();
    line.insert("@level".into(), level.as_str().to_lowercase().into());
    line.insert("@message".into(), cut(message).into());
    line.insert("@module".into(), MODULE.into());
    line.insert(
        "@timestamp".into(),
        time.strftime("%Y-%m-%dT%H:%M:%S%.6fZ").to_string().into(),
    );
    for (key, value) in fields {
        line.entry(key.clone()).or_insert_with(|| value.clone());
    }
    let mut bytes = Value::Object(line).to_string().into_bytes();
    bytes.push(b'\n');
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;
    use std::sync::mpsc;
    use tracing_subscriber::layer::SubscriberExt;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    impl Lines {
        fn read(&self) -> Vec<Value> {
            let bytes = self.0.lock().unwrap();
            let text = String::from_utf8(bytes.clone()).unwrap();
            text.lines()
                .map(|line| serde_json::from_str(line).expect(line))
                .collect()
        }
    }

    const LONG: Duration = Duration::from_secs(60);

    fn clock() -> Timestamp {
        "2026-01-02T03:04:05.000006Z".parse().unwrap()
    }

    fn logged(level: LevelFilter, log: impl FnOnce()) -> Vec<Value> {
        let lines = Lines::default();
        let hclog = Hclog::start(lines.clone(), level, clock).unwrap();
        let subscriber = tracing_subscriber::registry().with(hclog.clone());
        tracing::subscriber::with_default(subscriber, log);
        hclog.flush(LONG);
        lines.read()
    }

    #[test]
    fn a_line_is_what_go_plugin_reads() {
        let lines = logged(LevelFilter::INFO, || {
            let span = tracing::info_span!("analysis", run = "web-1", pods = 3);
            let _in_span = span.enter();
            tracing::info!(looks = 2, "AI metric \"analysis\"\n\u{1b}[31m");
        });
        assert_eq!(
            serde_json::to_string(&lines[0]).unwrap(),
            r#"{"@level":"info","@message":"AI metric \"analysis\"\n\u001b[31m","@module":"metric-ai","@timestamp":"2026-01-02T03:04:05.000006Z","looks":2,"pods":3,"run":"web-1"}"#
        );
    }

    #[test]
    fn levels_are_filtered_and_other_crates_stay_below_debug() {
        let log = || {
            tracing::error!("our error");
            tracing::warn!("our warning");
            tracing::info!("our info");
            tracing::debug!("our debug");
            tracing::debug!(target: "kube_client::client", "a request");
            tracing::warn!(target: "hyper", "their warning");
        };
        let said = |level| -> Vec<String> {
            let text = |line: &Value| line["@message"].as_str().unwrap().to_owned();
            logged(level, log).iter().map(text).collect()
        };
        assert_eq!(
            said(LevelFilter::TRACE),
            [
                "our error",
                "our warning",
                "our info",
                "our debug",
                "their warning"
            ]
        );
        assert_eq!(
            said(LevelFilter::WARN),
            ["our error", "our warning", "their warning"]
        );
        assert!(said(LevelFilter::OFF).is_empty());
    }

    #[test]
    fn a_panic_is_logged_at_every_level() {
        let lines = Lines::default();
        let hclog = Hclog::start(lines.clone(), LevelFilter::OFF, clock).unwrap();
        hclog.panicked("index out of bounds", "src/x.rs:1");
        hclog.panicked("no boundary in `é password=hunter2`", "src/x.rs:2");
        hclog.flush(LONG);
        let lines = lines.read();
        assert_eq!(lines[0]["place"], "src/x.rs:1");
        assert_eq!(lines[1]["@message"], "no boundary in `é password=***`");
    }

    #[test]
    fn a_line_is_bounded_whatever_is_in_it() {
        let long = "é".repeat(100_000);
        let controls = "\u{1}".repeat(100_000);
        for text in [&long, &controls] {
            let fields = (0..100)
                .map(|n| (format!("f{n}"), Value::from(cut(text))))
                .collect();
            let line = line(clock(), Level::INFO, text, fields);
            assert!(line.len() <= MAX_LINE_BYTES, "{}", line.len());
            let value: Value = serde_json::from_slice(&line).unwrap();
            assert_eq!(value["truncated"], true);
        }
        let fields = (0..100).map(|n| (format!("f{n}"), n.into())).collect();
        let value: Value =
            serde_json::from_slice(&line(clock(), Level::INFO, "m", fields)).unwrap();
        assert_eq!(value.as_object().unwrap().len(), 4 + MAX_FIELDS);
    }

    #[test]
    fn a_field_cannot_pose_as_the_level_or_the_module() {
        let fields = Map::from_iter([("@module".to_owned(), Value::from("other"))]);
        let value: Value =
            serde_json::from_slice(&line(clock(), Level::INFO, "m", fields)).unwrap();
        assert_eq!(value["@module"], "metric-ai");
    }

    /// A stderr that nobody reads: each write waits for a permission.
    struct Stuck(Receiver<()>, Lines);

    impl Write for Stuck {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.recv().unwrap_or_default();
            self.1.write(bytes)
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_log_that_is_not_read_blocks_nobody_and_says_what_was_lost() {
        let (permit, permits) = mpsc::channel();
        let lines = Lines::default();
        let hclog = Hclog::start(Stuck(permits, lines.clone()), LevelFilter::INFO, clock).unwrap();
        for _ in 0..MAX_WAITING_LINES + 50 {
            hclog.send(Level::INFO, "m", Map::new());
        }
        drop(permit);
        // Waits for room, as the plugin itself never does.
        let (done, wait) = sync_channel(1);
        hclog.queue.send(Message::Flush(done)).unwrap();
        wait.recv().unwrap();
        hclog.send(Level::INFO, "last", Map::new());
        hclog.flush(LONG);
        let lines = lines.read();
        let [.., lost, last] = lines.as_slice() else {
            panic!("{lines:?}")
        };
        let text = lost["@message"].as_str().unwrap();
        assert!(text.ends_with("log lines were lost: the log was not read"));
        assert_eq!(last["@message"], "last");
    }

    struct Dead;

    impl Write for Dead {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            Err(std::io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Err(std::io::ErrorKind::BrokenPipe.into())
        }
    }

    #[test]
    fn a_dead_stderr_is_no_panic() {
        let hclog = Hclog::start(Dead, LevelFilter::INFO, clock).unwrap();
        for _ in 0..3 {
            hclog.send(Level::INFO, "m", Map::new());
            hclog.flush(LONG);
        }
        assert_eq!(hclog.lost.load(Ordering::Relaxed), 0, "the writer is alive");
    }
}
