//! What brokers, stores and hosts talk about.

use super::words::Words;

/// A message broker.
pub static BROKER: Words = Words {
    parts: ["ReplicaManager", "GroupCoordinator", "LogCleaner"],
    dependency: "10.42.3.9:9093",
    work: &[
        "accepting connection <0.~n~.0> (~ip~:~port~ -> 10.42.0.3:5672)",
        "connection <0.~n~.0>: user 'app' authenticated and granted access to vhost '/'",
        "closing connection <0.~n~.0> (~ip~:~port~)",
    ],
    reworded: "new connection <0.~n~.0> accepted (~ip~:~port~)",
    sometimes: &[
        "Group ~name~ with generation ~few~ is now stable",
        "Rolled new segment at offset ~n~ in ~few~ ms",
    ],
    warnings: &[
        "client ~ip~ closed the connection abruptly",
        "consumer group ~name~ rebalances often",
    ],
    errors: &[
        "channel error on connection <0.~n~.0>: no queue '~name~' in vhost '/'",
        "Offset ~n~ is out of range for partition ~name~-~few~",
    ],
    beat: "memory used ~mb~ MB, limit 2048 MB",
    chores: &[
        "Deleted segment ~n~ of ~name~-~few~",
        "Cleaned log ~name~ in ~f~ s",
        "statistics database pruned",
    ],
    start: &[
        "Starting broker",
        "Loaded ~few~ plugins",
        "Recovered ~n~ segments",
        "started TCP listener on [::]:5672",
    ],
    fresh: "quorum queue ~name~ took snapshot ~n~",
    corrupt: "Found invalid messages in segment ~n~ of ~name~-~few~, truncating",
    paths: &[],
};

/// A search engine.
pub static SEARCH: Words = Words {
    parts: [
        "o.e.i.IndexService",
        "o.e.c.m.MetadataMappingService",
        "o.e.s.SearchService",
    ],
    dependency: "10.42.3.8:9300",
    work: &[
        "[catalog-~few~] updating number of documents by [~n~]",
        "[catalog-~few~] took[~took~ms], total_shards[5], search_type[QUERY_THEN_FETCH]",
        "[catalog-~few~] refreshed, ~few~ segments",
    ],
    reworded: "[catalog-~few~] document count grows by [~n~]",
    sometimes: &[
        "[catalog-~few~] create_mapping",
        "moving shard [catalog][~few~] to node-2",
    ],
    warnings: &[
        "[gc][young][~n~] overhead, spent [~few~00ms] collecting in the last [1s]",
        "high disk watermark soon reached on node-1",
    ],
    errors: &[
        "[catalog-~few~] failed to parse query [~name~:]",
        "shard [logs][~few~] could not be allocated",
    ],
    beat: "[gc][~n~] duration [~few~0ms], collections [1]/[1s]",
    chores: &[
        "deleted ~few~ expired scrolls",
        "snapshot [daily:snap-~n~] completed",
        "rolled over index logs-~n~",
    ],
    start: &[
        "version[8.11.1], pid[7]",
        "loaded module [lang-painless]",
        "initialized",
        "publish_address {10.42.0.4:9200}",
    ],
    fresh: "vector field ~name~ quantized",
    corrupt: "[catalog-~few~] stored checksum ~id~ of segment _~n~ does not match",
    paths: &[],
};

/// A controller of a cluster.
pub static CONTROL: Words = Words {
    parts: ["deployment", "endpointslice", "gc"],
    dependency: "https://10.96.0.1:443/api/v1",
    work: &[
        "\"Reconciling\" object=\"shop/~name~-~few~\" generation=~few~",
        "\"Patched status\" object=\"shop/~name~-~few~\"",
        "\"Finished syncing\" object=\"shop/~name~-~few~\" duration=\"~took~ms\"",
    ],
    reworded: "\"Object is being reconciled\" object=\"shop/~name~-~few~\" generation=~few~",
    sometimes: &[
        "\"Event occurred\" object=\"shop/~name~\" kind=\"Deployment\" reason=\"ScalingReplicaSet\"",
        "\"Adding finalizer\" object=\"shop/~name~\"",
    ],
    warnings: &[
        "\"Operation cannot be fulfilled, the object has been modified; please apply your changes to the latest version\" object=\"shop/~name~\"",
        "\"Informer is behind\" lag=\"~few~s\"",
    ],
    errors: &[
        "\"Reconciler error\" err=\"quota exceeded\" object=\"shop/~name~\"",
        "\"Unhandled Error\" err=\"no matches for kind Widget\"",
    ],
    beat: "\"Lease renewed\" holder=\"~id~\"",
    chores: &[
        "\"Caches resynced\" count=~n~",
        "\"Collected garbage\" objects=~few~",
        "\"Certificate is valid\" days=~few~",
    ],
    start: &[
        "\"Starting manager\" version=\"v1.4.2\"",
        "\"Waiting for caches to sync\"",
        "\"Caches are synced\"",
        "successfully acquired lease kube-system/shop-controller",
    ],
    fresh: "\"Drift detected and recorded\" object=\"shop/~name~\"",
    corrupt: "\"Stored object does not match its hash\" object=\"shop/~name~\" hash=\"~id~\"",
    paths: &[],
};

/// A relational database.
pub static SQL: Words = Words {
    parts: ["executor", "autovacuum", "wal"],
    dependency: "10.42.3.7:5432",
    work: &[
        "connection authorized: user=app database=shop application_name=api",
        "duration: ~took~ ms  statement: SELECT id, name FROM articles WHERE id = ~n~",
        "disconnection: session time: 0:00:0~few~.~n~ user=app database=shop host=~ip~ port=~port~",
    ],
    reworded: "connection of user=app to database=shop authorized (application_name=api)",
    sometimes: &[
        "temporary file: path \"base/pgsql_tmp/pgsql_tmp~few~.~few~\", size ~n~",
        "process ~n~ acquired ShareLock on transaction ~n~ after ~took~ ms",
    ],
    warnings: &[
        "there is already a transaction in progress",
        "skipping vacuum of \"articles\", lock not available",
    ],
    errors: &[
        "duplicate key value violates unique constraint \"articles_pkey\"",
        "canceling statement due to user request",
    ],
    beat: "checkpoint starting: time",
    chores: &[
        "checkpoint complete: wrote ~n~ buffers (~few~.1%)",
        "automatic vacuum of table \"shop.public.orders\": index scans: ~few~",
        "automatic analyze of table \"shop.public.orders\"",
    ],
    start: &[
        "starting server, version 16.1",
        "listening on IPv4 address \"0.0.0.0\", port 5432",
        "database system was shut down at 14:59:01",
        "database system is ready to accept connections",
    ],
    fresh: "autoprepare kept plan ~id~",
    corrupt: "page verification failed, calculated checksum ~n~ but expected ~n~ in block ~n~",
    paths: &[],
};

/// A key-value store.
pub static STORE: Words = Words {
    parts: ["NETWORK", "STORAGE", "REPL"],
    dependency: "10.42.3.6:6379",
    work: &[
        "Connection accepted from ~ip~:~port~",
        "Client metadata received for connection ~n~",
        "Connection ended for ~ip~:~port~",
    ],
    reworded: "New connection from ~ip~:~port~ was accepted",
    sometimes: &[
        "Slow query on collection articles took ~n~ micros",
        "Replica ~ip~:~port~ asks for synchronization",
    ],
    warnings: &[
        "Memory overcommit must be enabled, saves may fail under load",
        "Use of a deprecated command by ~ip~",
    ],
    errors: &[
        "Client ~ip~ sent an unknown command",
        "Write concern not satisfied within ~n~ micros",
    ],
    beat: "DB ~few~: ~n~ keys in ~n~ slots",
    chores: &[
        "Background saving started by pid ~n~",
        "DB saved on disk",
        "WiredTiger message: checkpoint ~n~",
    ],
    start: &[
        "Store is starting",
        "Configuration loaded",
        "DB loaded from disk: ~f~ seconds",
        "Ready to accept connections",
    ],
    fresh: "Tracking table trimmed to ~n~ entries",
    corrupt: "Short read or wrong CRC while loading key ~name~, value ignored",
    paths: &[],
};

/// A machine.
pub static HOST: Words = Words {
    parts: ["unit", "session", "device"],
    dependency: "10.0.0.9:636",
    work: &[
        "Started Session ~n~ of User deploy.",
        "session opened for user deploy by (uid=0)",
        "Removed slice User Slice of deploy.",
    ],
    reworded: "Session ~n~ of User deploy was started.",
    sometimes: &[
        "Mounted /var/lib/volumes/~id~.",
        "Reloading Network Name Resolution.",
    ],
    warnings: &[
        "Clock skew of ~few~ ms against time server",
        "Unit ~name~.service uses a deprecated option, ignoring",
    ],
    errors: &[
        "Failed password for invalid user ~name~ from ~ip~ port ~port~ ssh2",
        "~name~.mount: Mount process exited, code=exited status=32",
    ],
    beat: "Watchdog pinged.",
    chores: &[
        "Starting Rotate log files...",
        "Finished Rotate log files.",
        "Cleaned up ~few~ temporary directories.",
    ],
    start: &[
        "System started with kernel 6.1.0",
        "Detected virtualization kvm.",
        "Reached target Network.",
        "Startup finished in ~f~s.",
    ],
    fresh: "Credentials of ~name~.service sealed.",
    corrupt: "journal entry ~n~ is corrupted, skipping.",
    paths: &[],
};

/// A phone.
pub static DEVICE: Words = Words {
    parts: ["ActivityManager", "PowerManagerService", "WifiStateMachine"],
    dependency: "sync.vendor.internal:5228",
    work: &[
        "START u0 {cmp=com.acme.shop/.~name~Activity} from uid ~n~",
        "Displayed com.acme.shop/.MainActivity: +~n~ms",
        "acquire wake lock \"~name~\" uid=~n~",
    ],
    reworded: "launching {cmp=com.acme.shop/.~name~Activity} of uid ~n~",
    sometimes: &["rssi=-~few~0 linkspeed=~n~", "scheduling job ~n~ of ~name~"],
    warnings: &[
        "Slow dispatch took ~n~ms main",
        "Unable to resolve attribute ~few~",
    ],
    errors: &[
        "Bitmap ~n~ could not be decoded",
        "no sensor with handle ~n~",
    ],
    beat: "battery level ~few~~few~",
    chores: &[
        "Background concurrent copying GC freed ~n~ objects, took ~f~ms",
        "trimmed ~few~ processes",
        "dexopt of ~few~ packages",
    ],
    start: &[
        "Zygote is forking process ~n~",
        "Late-enabling CheckJNI",
        "Binding to service ~name~",
        "boot phase ~few~00 reached",
    ],
    fresh: "adaptive brightness curve ~n~ chosen",
    corrupt: "database disk image of ~name~ is malformed, rows may be lost",
    paths: &[],
};
