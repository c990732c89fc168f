//! Services that answer requests: access log, JSON, logfmt.

use super::{Scene, stamp};
use crate::random::Random;

const PATHS: &[(&str, &str)] = &[
    ("GET", "/"),
    ("GET", "/catalog"),
    ("GET", "/catalog/items"),
    ("GET", "/basket"),
    ("POST", "/basket/lines"),
    ("POST", "/checkout"),
    ("GET", "/account/orders"),
    ("PUT", "/account/address"),
];

const AGENTS: &[&str] = &[
    "Mozilla/5.0 (X11; Linux x86_64)",
    "ShopApp/7.2 (iOS 19)",
    "okhttp/4.12",
];

/// A request: method, path with an id now and then, milliseconds.
fn request(scene: &mut Scene<'_>) -> (&'static str, String, f64) {
    let (method, path) = *scene.random.pick(PATHS);
    let path = if scene.random.chance(0.5) {
        format!("{path}?ref={}", scene.random.below(9_000) + 1_000)
    } else {
        path.to_owned()
    };
    (method, path, duration_ms(scene, 34.0))
}

/// How long a unit of work takes, in milliseconds.
pub(super) fn duration_ms(scene: &mut Scene<'_>, median_ms: f64) -> f64 {
    let tail = if scene.random.chance(scene.version.tail) {
        20.0
    } else {
        1.0
    };
    scene.random.log_normal(median_ms, 0.55) * scene.version.slower * tail
}

fn client(random: &mut Random) -> String {
    format!(
        "10.{}.{}.{}",
        random.below(4),
        random.below(200),
        random.below(250) + 1
    )
}

fn healthy_status(random: &mut Random) -> u16 {
    match random.below(100) {
        0..=89 => 200,
        90..=95 => 304,
        96..=97 => 302,
        _ => 404,
    }
}

/// An access log in the combined format with the request's time behind it.
pub(super) fn access(scene: &mut Scene<'_>, failed: bool) {
    let (method, path, ms) = request(scene);
    let status = if failed {
        *scene.random.pick(&[500, 500, 502, 503])
    } else {
        healthy_status(scene.random)
    };
    let agent = *scene.random.pick(AGENTS);
    let address = client(scene.random);
    let bytes = scene.random.below(40_000) + 120;
    let at = stamp::access(scene.ms);
    if scene.version.debug {
        let text = format!("DEBUG route {method} to handler {}", scene.random.below(8));
        scene.say(text);
        let text = format!("DEBUG session {:016x} loaded", scene.random.bits());
        scene.say(text);
    }
    let text = format!(
        "{address} - - [{at}] \"{method} {path} HTTP/1.1\" {status} {bytes} \"-\" \"{agent}\" rt={:.3}",
        ms / 1000.0
    );
    scene.say(text);
    if failed {
        let id = scene.random.below(1 << 32);
        let text = format!(
            "ERROR {method} failed: upstream inventory answered {status}, request {id:08x}"
        );
        scene.say(text);
    }
    extras(scene);
}

/// What a healthy service writes beside its access log.
fn extras(scene: &mut Scene<'_>) {
    let number = scene.number;
    if scene.version.audit && scene.random.chance(0.5) {
        let text = if scene.version.reworded {
            format!("INFO wrote the audit entry of user {number}")
        } else {
            format!("INFO audit entry written for user {number}")
        };
        scene.say(text);
    }
    if scene.version.notices && scene.random.chance(0.3) {
        scene.say(format!("INFO confirmation for user {number} queued"));
    }
    if scene.version.new_info {
        let text = format!(
            "INFO price rules {} evaluated in {} us",
            scene.random.below(40),
            scene.random.below(900)
        );
        scene.say(text);
    }
    if scene.random.chance(scene.version.warnings) {
        let text = format!(
            "WARN slow query on table orders took {} ms",
            scene.random.below(900) + 400
        );
        scene.say(text);
    }
}

/// One JSON object a line.
pub(super) fn json(scene: &mut Scene<'_>, failed: bool) {
    let (method, path, ms) = request(scene);
    let at = stamp::rfc3339(scene.ms);
    let version = scene.version.name;
    let trace = scene.random.bits();
    let line = |level: &str, rest: String| {
        format!(
            r#"{{"time":"{at}","level":"{level}","service":"cart","version":"{version}","trace_id":"{trace:016x}",{rest}}}"#
        )
    };
    if scene.version.debug {
        let text = line(
            "debug",
            format!(r#""msg":"cache lookup","hit":{}"#, scene.random.chance(0.8)),
        );
        scene.say(text);
    }
    let status = if failed {
        500
    } else {
        healthy_status(scene.random)
    };
    if failed {
        let text = line(
            "error",
            format!(
                r#""msg":"could not reserve stock","error":"deadline exceeded","item":{}"#,
                scene.random.below(5_000)
            ),
        );
        scene.say(text);
    }
    let message = if scene.version.reworded {
        "request handled"
    } else {
        "request completed"
    };
    let text = line(
        "info",
        format!(
            r#""msg":"{message}","method":"{method}","path":"{path}","status":{status},"duration_ms":{ms:.1}"#
        ),
    );
    scene.say(text);
    if scene.version.audit && scene.random.chance(0.3) {
        let text = line(
            "info",
            format!(r#""msg":"basket saved","lines":{}"#, scene.random.below(12)),
        );
        scene.say(text);
    }
    if scene.version.new_info {
        let text = line(
            "info",
            format!(
                r#""msg":"recommendation served","slot":{}"#,
                scene.random.below(6)
            ),
        );
        scene.say(text);
    }
    if scene.random.chance(scene.version.warnings) {
        let text = line(
            "warn",
            format!(
                r#""msg":"retrying idempotent call","attempt":{}"#,
                scene.random.below(3) + 1
            ),
        );
        scene.say(text);
    }
}

/// Logfmt with more said than is of use.
pub(super) fn chatty(scene: &mut Scene<'_>, failed: bool) {
    let (method, path, ms) = request(scene);
    let at = stamp::rfc3339(scene.ms);
    let status = if failed {
        503
    } else {
        healthy_status(scene.random)
    };
    let level = if failed { "error" } else { "info" };
    let text = format!(
        "time={at} level=debug msg=\"pool stats\" idle={} busy={}",
        scene.random.below(20),
        scene.random.below(20)
    );
    scene.say(text);
    if scene.version.debug {
        for step in ["decode", "authorize", "render"] {
            let text = format!(
                "time={at} level=debug msg=\"{step} done\" us={}",
                scene.random.below(4_000)
            );
            scene.say(text);
        }
    }
    let message = if scene.version.reworded {
        "answered"
    } else {
        "request"
    };
    let text = format!(
        "time={at} level={level} msg={message} method={method} path={path} status={status} duration={ms:.1}ms version={}",
        scene.version.name
    );
    scene.say(text);
    if scene.version.new_info {
        let text = format!(
            "time={at} level=info msg=\"quota checked\" left={}",
            scene.random.below(1_000)
        );
        scene.say(text);
    }
    if scene.random.chance(scene.version.warnings) {
        let text = format!(
            "time={at} level=warn msg=\"token expires soon\" seconds={}",
            scene.random.below(300)
        );
        scene.say(text);
    }
}

/// Probes, scrapes and heartbeats.
pub(super) fn heartbeat(scene: &mut Scene<'_>) {
    let at = stamp::rfc3339(scene.ms);
    let text = format!(
        "time={at} level=info msg=request method=GET path=/healthz status=200 duration=0.2ms version={}",
        scene.version.name
    );
    scene.say(text);
    let text = format!(
        "time={at} level=info msg=heartbeat uptime={}",
        scene.ms / 1000
    );
    scene.say(text);
    let text = format!(
        "time={at} level=info msg=\"leader is node-{}\" term=4",
        scene.number % 3
    );
    scene.say(text);
}

/// An exception of the new version, in Python.
pub(super) fn new_exception(scene: &mut Scene<'_>) {
    let id = scene.random.below(90_000);
    let text = format!(
        "ERROR unhandled exception in request {id}\nTraceback (most recent call last):\n  File \"/app/shop/checkout.py\", line 118, in place\n    total = basket.total(rate)\n  File \"/app/shop/basket.py\", line 41, in total\n    return self.lines[0].price\nIndexError: list index out of range"
    );
    scene.say(text);
}

/// The same of a service that writes JSON.
pub(super) fn new_json_error(scene: &mut Scene<'_>) {
    let at = stamp::rfc3339(scene.ms);
    let version = scene.version.name;
    let text = format!(
        r#"{{"time":"{at}","level":"error","service":"cart","version":"{version}","msg":"unexpected failure","error":"TypeError: cannot read properties of undefined (reading 'currency')","stack":"TypeError: cannot read properties of undefined\n    at priceOf (/srv/app/price.js:31:17)\n    at /srv/app/cart.js:88:5","user":{}}}"#,
        scene.random.below(5_000)
    );
    scene.say(text);
}

/// What a pod writes while it starts.
pub(super) fn start_up(scene: &mut Scene<'_>) {
    let version = scene.version.name;
    let text = format!("INFO starting shop {version} on port 8080");
    scene.say(text);
    for round in 0..scene.version.start_up {
        let delay = i64::from(round) * 40;
        let text = format!(
            "INFO loaded configuration file /etc/shop/conf.d/{:02}.toml",
            round + 1
        );
        scene.say_after(delay, text);
        let text = format!("INFO registered route group {}", round + 1);
        scene.say_after(delay + 9, text);
        if round % 4 == 3 {
            let text = format!("WARN cache region {round} is cold");
            scene.say_after(delay + 17, text);
        }
    }
    for attempt in 0..scene.version.start_up_errors {
        let text = format!(
            "ERROR cannot connect to database at 10.0.3.7:5432, attempt {}: connection refused",
            attempt + 1
        );
        scene.say_after(300 + i64::from(attempt) * 700, text);
    }
    let text = "INFO ready to serve".to_owned();
    scene.say_after(3_200, text);
}
