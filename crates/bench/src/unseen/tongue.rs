//! How each language fails: exceptions with their traces, refused connections,
//! what a runtime writes as it dies.

/// A language and its runtime.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tongue {
    /// JVM languages.
    Java,
    /// Python.
    Python,
    /// JavaScript on Node.
    Node,
    /// Go.
    Go,
    /// Rust.
    Rust,
    /// C# and its like.
    Dotnet,
    /// Ruby.
    Ruby,
    /// PHP.
    Php,
    /// Erlang and Elixir.
    Erlang,
    /// C and C++.
    Native,
}

/// An exception: its name, what it says, and its trace in full.
#[derive(Clone, Copy, Debug)]
pub struct Exception {
    /// Its class or kind.
    pub name: &'static str,
    /// What it says.
    pub reason: &'static str,
    /// Its trace as the runtime prints it.
    pub trace: &'static str,
}

const fn exception(name: &'static str, reason: &'static str, trace: &'static str) -> Exception {
    Exception {
        name,
        reason,
        trace,
    }
}

/// What a language's failures look like.
#[derive(Debug)]
pub struct Failures {
    /// Three exceptions: of code that is wrong, of a rule, of the world.
    pub exceptions: [Exception; 3],
    /// A dependency that does not answer.
    pub timeout: &'static str,
    /// A dependency that is not there.
    pub refused: &'static str,
    /// Lines that a process leaves as it crashes.
    pub crash: &'static str,
    /// Lines that it leaves as memory ends.
    pub memory: &'static str,
    /// What it says when its configuration is wrong.
    pub config: &'static str,
}

impl Tongue {
    /// What its failures look like.
    #[must_use]
    pub fn failures(self) -> &'static Failures {
        match self {
            Self::Java => &JAVA,
            Self::Python => &PYTHON,
            Self::Node => &NODE,
            Self::Go => &GO,
            Self::Rust => &RUST,
            Self::Dotnet => &DOTNET,
            Self::Ruby => &RUBY,
            Self::Php => &PHP,
            Self::Erlang => &ERLANG,
            Self::Native => &NATIVE,
        }
    }

    /// The name of a logger of one of a trade's parts.
    #[must_use]
    pub fn logger(self, part: &str) -> String {
        let mut camel: String = part.chars().filter(char::is_ascii_alphanumeric).collect();
        if let Some(first) = camel.get_mut(..1) {
            first.make_ascii_uppercase();
        }
        match self {
            Self::Java => format!("c.a.shop.{camel}Service"),
            Self::Dotnet => format!("Acme.Shop.{camel}Service"),
            Self::Rust => format!("shop::{part}"),
            Self::Python => format!("shop.{part}"),
            Self::Ruby => format!("{camel}Job"),
            _ => part.to_owned(),
        }
    }
}

static JAVA: Failures = Failures {
    exceptions: [
        exception(
            "java.lang.NullPointerException",
            "Cannot invoke \"Tariff.rate()\" because \"tariff\" is null",
            "java.lang.NullPointerException: Cannot invoke \"Tariff.rate()\" because \"tariff\" is null\n\tat com.acme.shop.Pricing.total(Pricing.java:88)\n\tat com.acme.shop.Checkout.place(Checkout.java:41)\n\tat java.base/java.lang.Thread.run(Thread.java:840)",
        ),
        exception(
            "com.acme.shop.StockNotReservedException",
            "no reservation for article ~n~",
            "com.acme.shop.StockNotReservedException: no reservation for article ~n~\n\tat com.acme.shop.Stock.take(Stock.java:132)\n\tat com.acme.shop.Checkout.place(Checkout.java:57)\n\t... 31 common frames omitted",
        ),
        exception(
            "java.util.concurrent.CompletionException",
            "java.sql.SQLTransientConnectionException: HikariPool-1 - Connection is not available, request timed out after 30001ms",
            "java.util.concurrent.CompletionException: java.sql.SQLTransientConnectionException: HikariPool-1 - Connection is not available, request timed out after 30001ms.\n\tat java.base/java.util.concurrent.CompletableFuture.wrapInCompletionException(CompletableFuture.java:323)\nCaused by: java.sql.SQLTransientConnectionException: HikariPool-1 - Connection is not available, request timed out after 30001ms.\n\tat com.zaxxer.hikari.pool.HikariPool.createTimeoutException(HikariPool.java:686)\n\tat com.acme.shop.Repo.find(Repo.java:29)",
        ),
    ],
    timeout: "I/O error on POST request for \"~dependency~\": Read timed out",
    refused: "Failed to call ~dependency~: java.net.ConnectException: Connection refused",
    crash: "Exception in thread \"main\" java.lang.IllegalStateException: queue is closed\n\tat com.acme.shop.Main.loop(Main.java:61)\n\tat com.acme.shop.Main.main(Main.java:22)",
    memory: "java.lang.OutOfMemoryError: Java heap space\nDumping heap to /tmp/java_pid1.hprof ...\nHeap dump file created [~n~ bytes in ~f~ secs]\nTerminating due to java.lang.OutOfMemoryError: Java heap space",
    config: "Application run failed: Could not resolve placeholder 'shop.tariff.url' in value \"${shop.tariff.url}\"",
};

static PYTHON: Failures = Failures {
    exceptions: [
        exception(
            "AttributeError",
            "'NoneType' object has no attribute 'rate'",
            "Traceback (most recent call last):\n  File \"/app/shop/checkout.py\", line 118, in place\n    total = basket.total(tariff.rate)\nAttributeError: 'NoneType' object has no attribute 'rate'",
        ),
        exception(
            "shop.errors.StockNotReserved",
            "article ~n~",
            "Traceback (most recent call last):\n  File \"/app/shop/stock.py\", line 41, in take\n    raise StockNotReserved(article)\nshop.errors.StockNotReserved: article ~n~",
        ),
        exception(
            "sqlalchemy.exc.OperationalError",
            "(psycopg2.OperationalError) server closed the connection unexpectedly",
            "Traceback (most recent call last):\n  File \"/usr/lib/python3/dist-packages/sqlalchemy/engine/base.py\", line 1900, in _execute_context\n    self.dialect.do_execute(\n  File \"/app/shop/repo.py\", line 29, in find\n    return q.one()\nsqlalchemy.exc.OperationalError: (psycopg2.OperationalError) server closed the connection unexpectedly",
        ),
    ],
    timeout: "HTTPConnectionPool: Read timed out. (read timeout=5) while calling ~dependency~",
    refused: "cannot reach ~dependency~: [Errno 111] Connection refused",
    crash: "Traceback (most recent call last):\n  File \"/app/main.py\", line 9, in <module>\n    main()\n  File \"/app/shop/loop.py\", line 77, in main\n    raise SystemError(\"queue is closed\")\nSystemError: queue is closed",
    memory: "Traceback (most recent call last):\n  File \"/app/shop/loop.py\", line 70, in main\n    rows = list(cursor)\nMemoryError",
    config: "Improperly configured: environment variable SHOP_TARIFF_URL is not set",
};

static NODE: Failures = Failures {
    exceptions: [
        exception(
            "TypeError",
            "Cannot read properties of undefined (reading 'rate')",
            "TypeError: Cannot read properties of undefined (reading 'rate')\n    at total (/app/src/pricing.js:88:17)\n    at place (/app/src/checkout.js:41:5)\n    at process.processTicksAndRejections (node:internal/process/task_queues:95:5)",
        ),
        exception(
            "StockNotReservedError",
            "no reservation for article ~n~",
            "StockNotReservedError: no reservation for article ~n~\n    at take (/app/src/stock.js:132:11)\n    at place (/app/src/checkout.js:57:9)",
        ),
        exception(
            "MongoServerSelectionError",
            "connection timed out",
            "MongoServerSelectionError: connection timed out\n    at Topology.selectServer (/app/node_modules/mongodb/lib/sdam/topology.js:295:38)\n    at find (/app/src/repo.js:29:7)",
        ),
    ],
    timeout: "request to ~dependency~ failed, reason: ETIMEDOUT",
    refused: "connect ECONNREFUSED 10.42.0.9:8443 while calling ~dependency~",
    crash: "/app/src/loop.js:61\n    throw new Error('queue is closed');\n    ^\n\nError: queue is closed\n    at loop (/app/src/loop.js:61:11)\n    at Object.<anonymous> (/app/src/main.js:9:1)\n\nNode.js v20.11.0",
    memory: "<--- Last few GCs --->\n\n[7:0x5f4e]   ~n~ ms: Mark-sweep 2046.9 (2083.4) -> 2046.1 (2083.4) MB, 1204.1 / 0.0 ms  (average mu = 0.1) allocation failure\n\nFATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory\n 1: 0xb7a940 node::Abort() [node]",
    config: "Config validation error: \"SHOP_TARIFF_URL\" is required",
};

static GO: Failures = Failures {
    exceptions: [
        exception(
            "runtime error",
            "invalid memory address or nil pointer dereference",
            "http: panic serving 10.42.0.9:41000: runtime error: invalid memory address or nil pointer dereference\ngoroutine ~n~ [running]:\nmain.(*Pricing).Total(0x0)\n\t/src/shop/pricing.go:88 +0x1d\nmain.place(0xc000a1)\n\t/src/shop/checkout.go:41 +0x2f",
        ),
        exception(
            "stock not reserved",
            "article ~n~",
            "stock not reserved: article ~n~\nshop/stock.(*Stock).Take\n\t/src/shop/stock.go:132\nshop/checkout.Place\n\t/src/shop/checkout.go:57",
        ),
        exception(
            "rpc error",
            "code = Unavailable desc = error reading from server: EOF",
            "rpc error: code = Unavailable desc = error reading from server: EOF\nshop/repo.(*Repo).Find\n\t/src/shop/repo.go:29",
        ),
    ],
    timeout: "Post \"~dependency~\": context deadline exceeded (Client.Timeout exceeded while awaiting headers)",
    refused: "Post \"~dependency~\": dial tcp 10.42.0.9:8443: connect: connection refused",
    crash: "panic: send on closed channel\n\ngoroutine ~n~ [running]:\nmain.loop(0xc0000b2000)\n\t/src/shop/loop.go:61 +0x1d\nmain.main()\n\t/src/shop/main.go:22 +0x2f\nexit status 2",
    memory: "fatal error: runtime: out of memory\n\nruntime stack:\nruntime.throw({0x8a1b, 0x16})\n\t/usr/local/go/src/runtime/panic.go:1047 +0x5d",
    config: "invalid configuration: tariff url must be set",
};

static RUST: Failures = Failures {
    exceptions: [
        exception(
            "panic",
            "called `Option::unwrap()` on a `None` value",
            "thread 'tokio-runtime-worker' panicked at src/pricing.rs:88:17:\ncalled `Option::unwrap()` on a `None` value\nnote: run with `RUST_BACKTRACE=1` environment variable to display a backtrace",
        ),
        exception(
            "StockNotReserved",
            "no reservation for article ~n~",
            "Error: StockNotReserved { article: ~n~ }\n\nCaused by:\n    0: placing the order\n    1: no reservation for article ~n~",
        ),
        exception(
            "sqlx::Error",
            "PoolTimedOut",
            "Error: pool timed out while waiting for an open connection\n\nCaused by:\n    0: finding the tariff\n    1: pool timed out while waiting for an open connection",
        ),
    ],
    timeout: "error sending request for url (~dependency~): operation timed out",
    refused: "error sending request for url (~dependency~): tcp connect error: Connection refused (os error 111)",
    crash: "thread 'main' panicked at src/loop.rs:61:9:\nqueue is closed\nnote: run with `RUST_BACKTRACE=1` environment variable to display a backtrace",
    memory: "memory allocation of 1073741824 bytes failed",
    config: "invalid configuration: missing field `tariff_url`",
};

static DOTNET: Failures = Failures {
    exceptions: [
        exception(
            "System.NullReferenceException",
            "Object reference not set to an instance of an object.",
            "System.NullReferenceException: Object reference not set to an instance of an object.\n   at Acme.Shop.Pricing.Total(Basket basket) in /src/Pricing.cs:line 88\n   at Acme.Shop.Checkout.PlaceAsync() in /src/Checkout.cs:line 41",
        ),
        exception(
            "Acme.Shop.StockNotReservedException",
            "No reservation for article ~n~.",
            "Acme.Shop.StockNotReservedException: No reservation for article ~n~.\n   at Acme.Shop.Stock.Take(Int32 article) in /src/Stock.cs:line 132",
        ),
        exception(
            "Npgsql.NpgsqlException",
            "Exception while reading from stream",
            "Npgsql.NpgsqlException (0x80004005): Exception while reading from stream\n ---> System.IO.EndOfStreamException: Attempted to read past the end of the stream.\n   at Npgsql.Internal.NpgsqlReadBuffer.Ensure()\n   --- End of inner exception stack trace ---\n   at Acme.Shop.Repo.Find() in /src/Repo.cs:line 29",
        ),
    ],
    timeout: "The request to ~dependency~ was canceled due to the configured HttpClient.Timeout of 5 seconds elapsing.",
    refused: "Connection refused (~dependency~)",
    crash: "Unhandled exception. System.InvalidOperationException: queue is closed\n   at Acme.Shop.Loop.Run() in /src/Loop.cs:line 61\n   at Program.<Main>$(String[] args) in /src/Program.cs:line 9",
    memory: "Out of memory.\nUnhandled exception. System.OutOfMemoryException: Exception of type 'System.OutOfMemoryException' was thrown.\n   at Acme.Shop.Loop.Run() in /src/Loop.cs:line 63",
    config: "Configuration section 'Tariff' is missing or invalid; host terminated unexpectedly",
};

static RUBY: Failures = Failures {
    exceptions: [
        exception(
            "NoMethodError",
            "undefined method `rate' for nil:NilClass",
            "NoMethodError (undefined method `rate' for nil:NilClass):\n  \napp/models/pricing.rb:88:in `total'\napp/controllers/checkout_controller.rb:41:in `place'",
        ),
        exception(
            "Shop::StockNotReserved",
            "article ~n~",
            "Shop::StockNotReserved (article ~n~):\n  \napp/models/stock.rb:132:in `take'\napp/controllers/checkout_controller.rb:57:in `place'",
        ),
        exception(
            "ActiveRecord::ConnectionTimeoutError",
            "could not obtain a connection from the pool within 5.000 seconds",
            "ActiveRecord::ConnectionTimeoutError (could not obtain a connection from the pool within 5.000 seconds):\n  \napp/models/repo.rb:29:in `find'",
        ),
    ],
    timeout: "Net::ReadTimeout with #<TCPSocket:(closed)> calling ~dependency~",
    refused: "Errno::ECONNREFUSED: Connection refused - connect(2) for ~dependency~",
    crash: "/app/lib/loop.rb:61:in `run': queue is closed (RuntimeError)\n\tfrom /app/bin/shop:9:in `<main>'",
    memory: "[FATAL] failed to allocate memory",
    config: "KeyError: key not found: \"SHOP_TARIFF_URL\"",
};

static PHP: Failures = Failures {
    exceptions: [
        exception(
            "Error",
            "Call to a member function rate() on null",
            "Error: Call to a member function rate() on null in /app/src/Pricing.php:88\nStack trace:\n#0 /app/src/Checkout.php(41): App\\Pricing->total(Object(App\\Basket))\n#1 {main}\n  thrown in /app/src/Pricing.php on line 88",
        ),
        exception(
            "App\\StockNotReserved",
            "article ~n~",
            "App\\StockNotReserved: article ~n~ in /app/src/Stock.php:132\nStack trace:\n#0 /app/src/Checkout.php(57): App\\Stock->take(~n~)\n#1 {main}",
        ),
        exception(
            "PDOException",
            "SQLSTATE[HY000] [2002] Connection timed out",
            "PDOException: SQLSTATE[HY000] [2002] Connection timed out in /app/src/Repo.php:29\nStack trace:\n#0 /app/src/Repo.php(29): PDO->__construct('mysql:host=db')\n#1 {main}",
        ),
    ],
    timeout: "cURL error 28: Operation timed out after 5000 milliseconds with 0 bytes received for ~dependency~",
    refused: "cURL error 7: Failed to connect to ~dependency~: Connection refused",
    crash: "PHP Fatal error:  Uncaught RuntimeException: queue is closed in /app/src/Loop.php:61\nStack trace:\n#0 {main}\n  thrown in /app/src/Loop.php on line 61",
    memory: "PHP Fatal error:  Allowed memory size of 134217728 bytes exhausted (tried to allocate 20480 bytes) in /app/src/Loop.php on line 63",
    config: "Environment variable \"SHOP_TARIFF_URL\" not found.",
};

static ERLANG: Failures = Failures {
    exceptions: [
        exception(
            "FunctionClauseError",
            "no function clause matching in Shop.Pricing.total/1",
            "** (FunctionClauseError) no function clause matching in Shop.Pricing.total/1\n    (shop 0.1.0) lib/shop/pricing.ex:88: Shop.Pricing.total(nil)\n    (shop 0.1.0) lib/shop/checkout.ex:41: Shop.Checkout.place/2",
        ),
        exception(
            "Shop.StockNotReserved",
            "article ~n~",
            "** (Shop.StockNotReserved) article ~n~\n    (shop 0.1.0) lib/shop/stock.ex:132: Shop.Stock.take/1",
        ),
        exception(
            "badmatch",
            "{error,closed}",
            "Generator <0.~n~.0> terminating\n** Last message in was tick\n** Reason for termination == \n** {{badmatch,{error,closed}},\n    [{shop_repo,find,1,[{file,\"src/shop_repo.erl\"},{line,29}]}]}",
        ),
    ],
    timeout: "call to ~dependency~ failed: {error,timeout}",
    refused: "call to ~dependency~ failed: {error,econnrefused}",
    crash: "{\"Kernel pid terminated\",application_controller,\"{application_terminated,shop,shutdown}\"}\nKernel pid terminated (application_controller) ({application_terminated,shop,shutdown})\n\nCrash dump is being written to: erl_crash.dump...done",
    memory: "eheap_alloc: Cannot allocate 1318267840 bytes of memory (of type \"heap\").\n\nCrash dump is being written to: erl_crash.dump...done",
    config: "could not load configuration: missing key :tariff_url",
};

static NATIVE: Failures = Failures {
    exceptions: [
        exception(
            "std::out_of_range",
            "map::at",
            "terminating request: what(): map::at\n    #0 0x55d1 in shop::Pricing::total() pricing.cc:88\n    #1 0x55d9 in shop::place() checkout.cc:41",
        ),
        exception(
            "assertion",
            "Assertion `stock != nullptr' failed",
            "checkout.cc:57: place: Assertion `stock != nullptr' failed.",
        ),
        exception(
            "internal error",
            "could not read block ~n~ in file \"base/16384/~n~\": read only 0 of 8192 bytes",
            "could not read block ~n~ in file \"base/16384/~n~\": read only 0 of 8192 bytes",
        ),
    ],
    timeout: "upstream timed out (110: Connection timed out) while reading response header from upstream ~dependency~",
    refused: "connect() failed (111: Connection refused) while connecting to upstream ~dependency~",
    crash: "terminate called after throwing an instance of 'std::runtime_error'\n  what():  queue is closed\nAborted (core dumped)",
    memory: "terminate called after throwing an instance of 'std::bad_alloc'\n  what():  std::bad_alloc\nAborted (core dumped)",
    config: "invalid value for parameter \"tariff_url\": \"\"",
};
