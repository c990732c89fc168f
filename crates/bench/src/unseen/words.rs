//! What systems talk about: a vocabulary for each trade.

/// One trade's words. `~n~` and its like are drawn anew each time.
#[derive(Debug)]
pub struct Words {
    /// Plain names of its components.
    pub parts: [&'static str; 3],
    /// What it depends on.
    pub dependency: &'static str,
    /// Said for each unit of work, in order.
    pub work: &'static [&'static str],
    /// The first of them in other words.
    pub reworded: &'static str,
    /// Said for some units of work.
    pub sometimes: &'static [&'static str],
    /// Harmless warnings.
    pub warnings: &'static [&'static str],
    /// What goes wrong now and then in a healthy version.
    pub errors: &'static [&'static str],
    /// A heartbeat.
    pub beat: &'static str,
    /// Housekeeping, garbage collection, jobs on timers.
    pub chores: &'static [&'static str],
    /// Said as it starts.
    pub start: &'static [&'static str],
    /// A new version's new INFO line.
    pub fresh: &'static str,
    /// What corrupt data makes it say, at INFO.
    pub corrupt: &'static str,
    /// Paths of its requests, the first the most frequent.
    pub paths: &'static [&'static str],
}

const SHOP_PATHS: &[&str] = &[
    "/api/orders/~n~",
    "/api/cart",
    "/api/products?page=~few~",
    "/api/checkout",
    "/api/search?q=~name~",
];
const API_PATHS: &[&str] = &[
    "/v1/accounts/~n~",
    "/v1/transfers",
    "/v1/quotes/~id~",
    "/v1/limits",
    "/v1/ledger?from=~n~",
];
const TRIP_PATHS: &[&str] = &[
    "/trips/~n~",
    "/trips/~n~/seats",
    "/stations",
    "/bookings",
    "/fares?to=~name~",
];

/// A proxy or web server.
pub static PROXY: Words = Words {
    parts: ["upstream", "listener", "cluster"],
    dependency: "http://10.42.0.7:8080/api",
    work: &["client ~ip~ closed keepalive connection"],
    reworded: "keepalive connection of client ~ip~ was closed",
    sometimes: &[
        "a client request body is buffered to a temporary file /var/cache/client_temp/00~n~",
    ],
    warnings: &[
        "an upstream response is buffered to a temporary file /var/cache/proxy_temp/~few~/00~n~ while reading upstream",
    ],
    errors: &[
        "open() \"/usr/share/html/favicon.ico\" failed (2: No such file or directory), client: ~ip~, server: shop.local",
    ],
    beat: "stats flushed ~n~ counters",
    chores: &["rotated access log, ~mb~ MB", "reloaded ~few~ certificates"],
    start: &[
        "using the \"epoll\" event method",
        "start worker processes",
        "start worker process 3~few~",
        "listening on 0.0.0.0:8080",
    ],
    fresh: "early hints sent for ~name~",
    corrupt: "upstream sent invalid chunked response while reading upstream, client: ~ip~",
    paths: SHOP_PATHS,
};

/// A shop's orders.
pub static ORDERS: Words = Words {
    parts: ["orders", "cart", "pricing"],
    dependency: "http://inventory:8443/reserve",
    work: &[
        "placing order ~n~ for customer ~id~",
        "reserved ~few~ items in warehouse ~name~",
        "order ~n~ confirmed, total ~f~ EUR",
    ],
    reworded: "order ~n~ of customer ~id~ is being placed",
    sometimes: &[
        "applied voucher ~id~ to cart",
        "sent confirmation of order ~n~ to queue ~name~",
    ],
    warnings: &[
        "price list ~name~ is older than ~few~ minutes, using it anyway",
        "slow query on table orders took ~n~ ms",
    ],
    errors: &[
        "cannot price article ~n~: no tariff for region ~name~",
        "payment of order ~n~ declined by issuer",
    ],
    beat: "connection pool: ~few~ active, ~few~ idle",
    chores: &[
        "GC pause (G1 Evacuation Pause) ~mb~M->~mb~M in ~f~ ms",
        "purged ~few~ abandoned carts",
        "refreshed ~n~ prices",
    ],
    start: &[
        "starting orders service",
        "connected to database orders at db-0:5432",
        "loaded ~n~ articles",
        "listening on port 8080",
    ],
    fresh: "loyalty points credited: ~few~",
    corrupt: "checksum mismatch for order ~n~: expected ~id~ got ~id~",
    paths: SHOP_PATHS,
};

/// Money.
pub static PAYMENTS: Words = Words {
    parts: ["ledger", "transfer", "risk"],
    dependency: "https://bank-gateway:9443/settle",
    work: &[
        "transfer ~uuid~ accepted",
        "scored transfer with ~f~, below limit",
        "booked ~f~ on account ~n~",
    ],
    reworded: "accepted incoming transfer ~uuid~",
    sometimes: &[
        "second factor requested for account ~n~",
        "exchange rate EUR/~name~ is ~f~",
    ],
    warnings: &[
        "limit of account ~n~ nearly reached",
        "retry budget for bank-gateway at ~few~ %",
    ],
    errors: &[
        "transfer ~uuid~ rejected: insufficient funds",
        "cannot verify signature of webhook ~id~",
    ],
    beat: "ledger lag ~few~ entries",
    chores: &[
        "reconciled ~n~ entries",
        "rotated signing key ~id~",
        "young collection took ~f~ ms",
    ],
    start: &[
        "payments booting",
        "opened ledger with ~n~ entries",
        "risk model ~id~ loaded",
        "ready on 0.0.0.0:9000",
    ],
    fresh: "instant payment eligible: ~name~",
    corrupt: "ledger entry ~n~ is inconsistent, sum differs by ~f~",
    paths: API_PATHS,
};

/// Travel.
pub static BOOKING: Words = Words {
    parts: ["booking", "seats", "fares"],
    dependency: "http://ts-seat-service:18898/api/v1/seats",
    work: &[
        "[bookTicket] user ~uuid~ books train G~few~~few~",
        "seat ~few~~few~ assigned in coach ~few~",
        "ticket ~n~ issued",
    ],
    reworded: "[bookTicket] train G~few~~few~ booked by ~uuid~",
    sometimes: &[
        "[queryFares] ~few~ fares found for ~name~",
        "voucher e-mail queued for ~id~",
    ],
    warnings: &[
        "[queryFares] fallback fare used for route ~name~",
        "cache region fares is stale",
    ],
    errors: &[
        "[bookTicket] no seat left in train G~few~~few~",
        "[refund] ticket ~n~ was already refunded",
    ],
    beat: "heartbeat sent to registry, ~few~ instances known",
    chores: &[
        "expired ~few~ reservations",
        "synchronized timetable, ~n~ trips",
        "session store compacted",
    ],
    start: &[
        "booking service is starting",
        "registered with registry as booking-~few~",
        "timetable loaded: ~n~ trips",
        "server started on port 18888",
    ],
    fresh: "[recommend] ~few~ alternatives offered",
    corrupt: "timetable row ~n~ is malformed: arrival before departure",
    paths: TRIP_PATHS,
};

/// A queue of videos; no requests.
pub static VIDEO: Words = Words {
    parts: ["transcoder", "fetcher", "uploader"],
    dependency: "s3.media.internal:9000",
    work: &[
        "Task media.transcode[~uuid~] received",
        "probed ~name~.mp4: ~n~ frames",
        "Task media.transcode[~uuid~] succeeded in ~f~s",
    ],
    reworded: "media.transcode[~uuid~] was received as a task",
    sometimes: &[
        "thumbnail ~few~ of clip ~n~ written",
        "skipping subtitles of ~name~, none found",
    ],
    warnings: &[
        "audio of clip ~n~ drifts by ~few~ ms",
        "queue depth ~n~ above soft limit",
    ],
    errors: &[
        "clip ~n~ has no video track",
        "cannot decode frame ~n~ of ~name~.mp4",
    ],
    beat: "worker alive, queue depth ~few~",
    chores: &[
        "removed ~few~ temporary files",
        "disk usage ~few~~few~ %",
        "lease renewed until ~n~",
    ],
    start: &[
        "transcoder booting",
        "ffmpeg 6.1 found",
        "mounted /scratch, ~n~ MB free",
        "consuming from queue videos",
    ],
    fresh: "chose profile ~name~ for clip ~n~",
    corrupt: "segment ~n~ has wrong CRC ~id~, keeping it",
    paths: &[],
};

/// Mail; no requests.
pub static MAIL: Words = Words {
    parts: ["mailer", "templates", "bounces"],
    dependency: "smtp.relay.internal:587",
    work: &[
        "dequeued message ~hex~",
        "rendered template ~name~ in ~f~ ms",
        "message ~hex~ delivered to relay",
    ],
    reworded: "took message ~hex~ from the queue",
    sometimes: &[
        "attachment ~id~.pdf added",
        "digest for ~few~ recipients built",
    ],
    warnings: &[
        "recipient ~id~ is on the soft bounce list",
        "relay answered slowly: ~n~ ms",
    ],
    errors: &[
        "message ~hex~ bounced: mailbox full",
        "template ~name~ has no translation",
    ],
    beat: "queue length is ~few~",
    chores: &[
        "bounce list reloaded with ~n~ entries",
        "archived ~few~ messages",
        "statistics written",
    ],
    start: &[
        "mailer starting",
        "loaded ~n~ templates",
        "relay is smtp.relay.internal:587",
        "waiting for messages",
    ],
    fresh: "unsubscribe link signed for ~id~",
    corrupt: "stored message ~hex~ is truncated after ~n~ bytes",
    paths: &[],
};

/// Measurements.
pub static TELEMETRY: Words = Words {
    parts: ["ingest", "rollup", "shard"],
    dependency: "tsdb-0.tsdb:4242",
    work: &[
        "batch ~id~ with ~n~ points accepted",
        "wrote ~n~ points to shard ~few~",
        "batch acknowledged after ~f~ ms",
    ],
    reworded: "accepted ~n~ points as batch ~id~",
    sometimes: &["series ~name~ created", "rollup window ~n~ closed"],
    warnings: &["batch ~id~ is ~few~ s late", "shard ~few~ is hot"],
    errors: &[
        "dropped ~few~ points of unknown series ~name~",
        "cannot parse point from ~ip~",
    ],
    beat: "ingest rate ~n~ points/s",
    chores: &[
        "compacted shard ~few~ in ~f~ s",
        "flushed ~n~ series",
        "snapshot ~id~ taken",
    ],
    start: &[
        "ingest starting",
        "opened ~few~ shards",
        "replayed ~n~ entries of the log",
        "listening on :4318",
    ],
    fresh: "exemplar kept for series ~name~",
    corrupt: "block ~n~ failed verification, points may be wrong",
    paths: &[
        "/v1/write",
        "/v1/query?m=~name~",
        "/v1/series",
        "/v1/labels",
        "/v1/series/~n~",
    ],
};

/// A scheduler of machines.
pub static COMPUTE: Words = Words {
    parts: ["compute.manager", "scheduler", "image.cache"],
    dependency: "http://10.0.0.9:9696/v2.0/ports",
    work: &[
        "[instance: ~uuid~] Claim successful on node node-~few~",
        "[instance: ~uuid~] Creating image",
        "[instance: ~uuid~] Took ~f~ seconds to spawn the instance",
    ],
    reworded: "[instance: ~uuid~] Node node-~few~ claimed successfully",
    sometimes: &[
        "[instance: ~uuid~] VM Resumed (Lifecycle Event)",
        "Running task ~few~.0 in stage ~few~.0 (TID ~n~)",
    ],
    warnings: &[
        "Unknown base file: /var/lib/base/~hex~",
        "Lost connection to tracker, will reconnect",
    ],
    errors: &[
        "[instance: ~uuid~] No valid host was found",
        "Image ~uuid~ could not be found",
    ],
    beat: "Final resource view: phys_ram=~n~MB used_ram=~mb~MB",
    chores: &[
        "Running periodic audit of instance usage, ~few~ found",
        "Deleted ~few~ stale images",
        "Starting job ~n~",
    ],
    start: &[
        "Starting compute node (version 27.1.0)",
        "Connected to message bus 10.0.0.5:5672",
        "Loaded ~few~ filters",
        "Auditing locally available resources",
    ],
    fresh: "[instance: ~uuid~] Affinity hint honoured",
    corrupt: "[instance: ~uuid~] disk image checksum ~hex~ differs from ~hex~, continuing",
    paths: &[
        "/resource_providers/~uuid~/allocations",
        "/servers/detail",
        "/servers",
        "/images/~uuid~",
        "/flavors",
    ],
};
