//! Services behind others: a queue worker, a Java service, one with retries.

use super::web::duration_ms;
use super::{Scene, stamp};

/// The stack trace of a lock that was not to be had in time.
const LOCK_TRACE: &str = "org.springframework.dao.CannotAcquireLockException: lock wait timeout
\tat org.springframework.orm.jpa.Translator.translate(Translator.java:88)
\tat com.shop.order.OrderService.store(OrderService.java:141)
Caused by: java.sql.SQLTransientException: lock wait timeout exceeded
\tat com.mysql.jdbc.Statement.execute(Statement.java:370)
\t... 42 more";

/// A queue worker: INFO only, no status anywhere.
pub(super) fn worker(scene: &mut Scene<'_>, failed: bool) {
    let at = stamp::rfc3339(scene.ms);
    let number = scene.number;
    let queue = *scene
        .random
        .pick(&["mail", "invoices", "thumbnails", "exports"]);
    let took = duration_ms(scene, 60.0);
    if scene.version.debug {
        let text = format!("{at} DEBUG worker: lease of job {number} extended by 30 s");
        scene.say(text);
    }
    let text = format!("{at} INFO worker: took job {number} from queue {queue}");
    scene.say(text);
    if scene.version.new_info {
        let text = format!(
            "{at} INFO worker: checksum of job {number} is {:08x}",
            scene.random.below(1 << 32)
        );
        scene.say(text);
    }
    if failed {
        let text = format!(
            "{at} ERROR worker: job {number} failed after {took:.0} ms: broker closed the connection"
        );
        scene.say(text);
        return;
    }
    if scene.version.audit {
        let text = if scene.version.reworded {
            format!("{at} INFO worker: result of job {number} is stored")
        } else {
            format!("{at} INFO worker: stored result of job {number}")
        };
        scene.say(text);
    }
    let text = format!("{at} INFO worker: finished job {number} in {took:.0} ms");
    scene.say(text);
    if scene.version.warnings > 0.02 && scene.random.chance(scene.version.warnings) {
        let text = format!(
            "{at} WARN worker: queue {queue} is {} jobs behind",
            scene.random.below(500)
        );
        scene.say(text);
    }
}

/// Java as its usual logger writes it.
pub(super) fn java(scene: &mut Scene<'_>, failed: bool) {
    let number = scene.number;
    let thread = scene.random.below(16) + 1;
    let took = duration_ms(scene, 45.0);
    let at = stamp::comma(scene.ms);
    let line = |level: &str, class: &str, text: String| {
        format!("{at} {level:<5} [http-nio-8080-exec-{thread}] {class} - {text}")
    };
    if scene.version.debug {
        let text = line(
            "DEBUG",
            "o.h.SQL",
            format!("select o.id, o.total from orders o where o.id = {number}"),
        );
        scene.say(text);
        let text = line(
            "DEBUG",
            "o.s.w.s.DispatcherServlet",
            "completed 200 OK".to_owned(),
        );
        scene.say(text);
    }
    if failed {
        let order = scene.random.below(90_000);
        let text = line(
            "ERROR",
            "c.s.order.OrderService",
            format!("order {order} could not be stored\n{LOCK_TRACE}"),
        );
        scene.say(text);
        return;
    }
    let placed = if scene.version.reworded {
        format!(
            "stored a new order {number} ({} positions) within {took:.0} ms",
            scene.random.below(9) + 1
        )
    } else {
        format!(
            "order {number} with {} positions placed in {took:.0} ms",
            scene.random.below(9) + 1
        )
    };
    let text = line("INFO", "c.s.order.OrderController", placed);
    scene.say(text);
    if scene.version.audit {
        let text = line(
            "INFO",
            "c.s.audit.Trail",
            format!("entry {:x} appended", scene.random.below(1 << 40)),
        );
        scene.say(text);
    }
    if scene.version.new_info {
        let text = line(
            "INFO",
            "c.s.order.Discounts",
            format!("discount {} percent applied", scene.random.below(30)),
        );
        scene.say(text);
    }
    if scene.random.chance(scene.version.warnings) {
        let text = match scene.random.below(3) {
            0 => format!(
                "connection pool is at {} of 50",
                scene.random.below(10) + 40
            ),
            1 => format!("deprecated field couponCode in request {number}"),
            _ => format!(
                "could not refresh rates, using those of {} minutes ago",
                scene.random.below(50)
            ),
        };
        let text = line("WARN", "c.s.order.OrderController", text);
        scene.say(text);
    }
}

/// A service that retries what fails, and logs each attempt.
pub(super) fn storms(scene: &mut Scene<'_>, failed: bool) {
    let number = scene.number;
    let at = stamp::rfc3339(scene.ms);
    let took = duration_ms(scene, 25.0);
    if scene.version.debug {
        let text = format!("{at} DEBUG [payments] signed payload of transfer {number}");
        scene.say(text);
    }
    if failed {
        let attempts = 1 + scene.random.times(3);
        for attempt in 1..=attempts {
            let text = format!(
                "{at} ERROR [payments] transfer {number}: attempt {attempt} of 4 failed: ledger did not answer within 100 ms"
            );
            scene.say_after(attempt * 120, text);
        }
        if attempts < 4 {
            let text = format!("{at} INFO [payments] transfer {number} booked in {took:.0} ms");
            scene.say_after(attempts * 120 + 40, text);
        }
        return;
    }
    let text = format!("{at} INFO [payments] transfer {number} accepted");
    scene.say(text);
    if scene.version.audit {
        let text = if scene.version.reworded {
            format!(
                "{at} INFO [payments] risk check gave {} for transfer {number}",
                scene.random.below(100)
            )
        } else {
            format!(
                "{at} INFO [payments] transfer {number} has risk score {}",
                scene.random.below(100)
            )
        };
        scene.say(text);
    }
    if scene.version.new_info {
        let text = format!(
            "{at} INFO [payments] fee model {} used",
            scene.random.below(4)
        );
        scene.say(text);
    }
    let text = format!("{at} INFO [payments] transfer {number} booked in {took:.0} ms");
    scene.say_after(took as i64, text);
    if scene.random.chance(scene.version.warnings) {
        let text = format!("{at} WARN [payments] ledger is slow: {took:.0} ms");
        scene.say(text);
    }
}

/// An exception of the new version, in Java.
pub(super) fn new_exception(scene: &mut Scene<'_>) {
    let at = stamp::comma(scene.ms);
    let text = format!(
        "{at} ERROR [main] c.s.user.UserResource - request {} failed\njava.lang.NullPointerException: Cannot invoke \"Address.country()\" because \"address\" is null\n\tat com.shop.user.UserResource.find(UserResource.java:39)\n\tat com.shop.user.UserResource.get(UserResource.java:22)\n\tat java.base/java.lang.Thread.run(Thread.java:1583)",
        scene.number
    );
    scene.say(text);
}

/// What a pod writes while it starts.
pub(super) fn start_up(scene: &mut Scene<'_>) {
    let at = stamp::comma(scene.ms);
    let version = scene.version.name;
    let text =
        format!("{at} INFO  [main] c.s.Application - starting version {version} with process id 1");
    scene.say(text);
    for round in 0..scene.version.start_up {
        let delay = i64::from(round) * 55;
        let text = format!(
            "{at} INFO  [main] o.s.b.Beans - bean group {} created in {} ms",
            round + 1,
            scene.random.below(300)
        );
        scene.say_after(delay, text);
        let text = format!(
            "{at} INFO  [main] c.z.h.HikariPool - pool-{} started",
            round + 1
        );
        scene.say_after(delay + 20, text);
        if round % 3 == 2 {
            let text = format!(
                "{at} WARN  [main] o.s.b.Beans - no dialect set for pool-{}, using the default",
                round + 1
            );
            scene.say_after(delay + 31, text);
        }
    }
    for attempt in 0..scene.version.start_up_errors {
        let text = format!(
            "{at} ERROR [main] c.z.h.HikariPool - cannot open a connection, attempt {}: connection refused",
            attempt + 1
        );
        scene.say_after(400 + i64::from(attempt) * 800, text);
    }
    let text = format!("{at} INFO  [main] c.s.Application - ready after 3.5 seconds");
    scene.say_after(3_500, text);
}

/// What a pod writes every ten seconds.
pub(super) fn housekeeping(scene: &mut Scene<'_>) {
    let at = stamp::comma(scene.ms);
    let text = format!(
        "{at} INFO  [scheduler-1] c.s.metrics.Pool - {} of 50 connections in use",
        scene.random.below(50)
    );
    scene.say(text);
}
