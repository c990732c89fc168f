//! The systems: how each writes a line, a request, and in which tongue it fails.
//!
//! Written from the software's own documentation and defaults. About a quarter of them
//! is held out by a hash of the name: nobody looks at those while the judge is
//! being mended.

use super::stores;
use super::tongue::Tongue::{
    self, Dotnet, Erlang, Go, Java, Native, Node, Php, Python, Ruby, Rust,
};
use super::words::{self, Words};

/// Names of DEBUG, INFO, WARN, ERROR and FATAL.
type Levels = [&'static str; 5];

const UPPER: Levels = ["DEBUG", "INFO", "WARN", "ERROR", "FATAL"];
const LOWER: Levels = ["debug", "info", "warn", "error", "fatal"];
const PYTHON: Levels = ["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"];
const LETTER: Levels = ["D", "I", "W", "E", "F"];
const SYSLOG: Levels = ["debug", "info", "warning", "err", "crit"];
const NUMBERS: Levels = ["20", "30", "40", "50", "60"];
const NONE: Levels = ["", "", "", "", ""];

/// A system that the judge has not been made for.
#[derive(Debug)]
pub struct System {
    /// What tables call it.
    pub name: &'static str,
    /// How its exceptions look.
    pub tongue: Tongue,
    /// Pattern of a line.
    pub line: &'static str,
    /// Pattern of a member that holds a stack trace; lines follow where empty.
    pub stack: &'static str,
    /// Names of its levels.
    pub levels: Levels,
    /// Pattern of a served request; empty where it writes none.
    pub access: &'static str,
    /// What it says.
    pub words: &'static Words,
}

impl System {
    /// Whether it is kept for the last look.
    #[must_use]
    pub fn held_out(&self) -> bool {
        let step = |hash: u32, byte: u8| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193);
        self.name.bytes().fold(0x811c_9dc5, step) % 3 == 0
    }

    /// Whether its requests say how long they took.
    #[must_use]
    pub fn is_timed(&self) -> bool {
        ["~ms~", "~ms0~", "~s~", "~us~", "~ns~"]
            .iter()
            .any(|key| self.access.contains(key))
    }

    /// Whether it writes anything but requests.
    #[must_use]
    pub fn talks(&self) -> bool {
        !self.line.is_empty()
    }
}

const fn system(
    name: &'static str,
    tongue: Tongue,
    words: &'static Words,
    levels: Levels,
    line: &'static str,
) -> System {
    System {
        name,
        tongue,
        line,
        stack: "",
        levels,
        access: "",
        words,
    }
}

impl System {
    const fn serving(mut self, access: &'static str) -> Self {
        self.access = access;
        self
    }

    const fn stack(mut self, stack: &'static str) -> Self {
        self.stack = stack;
        self
    }
}

/// Every system.
#[rustfmt::skip]
pub static SYSTEMS: &[System] = &[
    // Servers whose only lines are requests.
    system("nginx combined", Native, &words::PROXY, NONE, "")
        .serving(r#"~ip~ - - [%d/%b/%Y:%H:%M:%S +0000] "~method~ ~path~ HTTP/1.1" ~status~ ~bytes~ "-" "~agent~""#),
    system("nginx timed", Native, &words::PROXY, SYSLOG, "%Y/%m/%d %H:%M:%S [~level~] 31#31: *~n~ ~text~")
        .serving(r#"~ip~ - - [%d/%b/%Y:%H:%M:%S +0000] "~method~ ~path~ HTTP/1.1" ~status~ ~bytes~ "-" "~agent~" "-" ~s~ ~s~ ."#),
    system("nginx ingress", Go, &words::PROXY, LETTER, "~level~%m%d %H:%M:%S.%f       7 controller.go:~few~9] ~text~")
        .serving(r#"~ip~ - - [%d/%b/%Y:%H:%M:%S +0000] "~method~ ~path~ HTTP/1.1" ~status~ ~bytes~ "-" "~agent~" 512 ~s~ [shop-web-80] [] 10.42.0.7:8080 ~bytes~ ~s~ ~status~ ~hex~~hex~"#),
    system("apache common", Native, &words::PROXY, NONE, "")
        .serving(r#"~ip~ - frank [%d/%b/%Y:%H:%M:%S -0700] "~method~ ~path~ HTTP/1.0" ~status~ ~bytes~"#),
    system("nginx error", Native, &words::PROXY, SYSLOG, "%Y/%m/%d %H:%M:%S [~level~] 29#29: *~n~ ~text~"),
    system("apache error", Native, &words::PROXY, SYSLOG, "[%a %b %d %H:%M:%S.%f %Y] [core:~level~] [pid ~few~11:tid 1400~n~] [client ~ip~:~port~] ~text~"),
    system("haproxy", Native, &words::PROXY, ["<135>", "<134>", "<132>", "<131>", "<130>"], "~level~%b %e %H:%M:%S haproxy[8]: ~text~")
        .serving(r#"<134>%b %e %H:%M:%S haproxy[8]: ~ip~:~port~ [%d/%b/%Y:%H:%M:%S.%L] fe_main be_app/app1 0/0/1/~ms0~/~ms0~ ~status~ ~bytes~ - - ---- 12/12/3/1/0 0/0 "~method~ ~path~ HTTP/1.1""#),
    system("envoy access", Native, &words::PROXY, LOWER, "[%Y-%m-%d %H:%M:%S.%L][~few~][~level~][upstream] [source/common/upstream/x.cc:~few~1] ~text~")
        .serving(r#"[%Y-%m-%dT%H:%M:%S.%LZ] "~method~ ~path~ HTTP/2" ~status~ - 0 ~bytes~ ~ms0~ ~ms0~ "-" "~agent~" "~uuid~" "shop.local" "10.42.0.7:8080""#),
    system("istio json", Native, &words::PROXY, LOWER, "%Y-%m-%dT%H:%M:%S.%fZ\t~level~\t~logger~\t~text~")
        .serving(r#"{"authority":"shop:8080","bytes_sent":~bytes~,"duration":~ms0~,"method":"~method~","path":"~path~","protocol":"HTTP/1.1","request_id":"~uuid~","response_code":~status~,"response_flags":"-","start_time":"%Y-%m-%dT%H:%M:%S.%LZ","user_agent":"~agent~"}"#),
    system("caddy", Go, &words::PROXY, LOWER, r#"{"level":"~level~","ts":%s.%L,"logger":"~logger~","msg":"~textj~"}"#)
        .serving(r#"{"level":"~alevel~","ts":%s.%L,"logger":"http.log.access.log0","msg":"handled request","request":{"remote_ip":"~ip~","proto":"HTTP/2.0","method":"~method~","host":"shop.local","uri":"~path~"},"bytes_read":0,"duration":~s~,"size":~bytes~,"status":~status~}"#),
    system("traefik json", Go, &words::PROXY, LOWER, r#"{"level":"~level~","msg":"~textj~","time":"%Y-%m-%dT%H:%M:%SZ"}"#)
        .serving(r#"{"ClientAddr":"~ip~:~port~","DownstreamContentSize":~bytes~,"DownstreamStatus":~status~,"Duration":~ns~,"RequestMethod":"~method~","RequestPath":"~path~","RouterName":"shop@kubernetes","level":"info","msg":"","time":"%Y-%m-%dT%H:%M:%SZ"}"#),
    system("iis w3c", Native, &words::PROXY, NONE, "")
        .serving("%Y-%m-%d %H:%M:%S 10.0.0.4 ~method~ ~path~ - 443 - ~ip~ ~agent~ - ~status~ 0 0 ~ms0~"),
    system("aws alb", Native, &words::PROXY, NONE, "")
        .serving(r#"h2 %Y-%m-%dT%H:%M:%S.%fZ app/shop/~hex~ ~ip~:~port~ 10.0.1.7:80 0.000 ~s~ 0.000 ~status~ ~status~ 34 ~bytes~ "~method~ https://shop.local:443~path~ HTTP/2.0" "~agent~" ECDHE-RSA-AES128-GCM-SHA256 TLSv1.2 -"#),
    // Python.
    system("python basic", Python, &words::VIDEO, PYTHON, "~level~:~logger~:~text~"),
    system("python dashes", Python, &words::ORDERS, PYTHON, "%Y-%m-%d %H:%M:%S,%L - ~logger~ - ~level~ - ~text~")
        .serving("%Y-%m-%d %H:%M:%S,%L - app.access - INFO - ~method~ ~path~ -> ~status~ in ~ms~ms"),
    system("uvicorn", Python, &words::ORDERS, PYTHON, "~level~:     ~text~")
        .serving(r#"INFO:     ~ip~:~port~ - "~method~ ~path~ HTTP/1.1" ~status~ ~reason~"#),
    system("gunicorn", Python, &words::BOOKING, PYTHON, "[%Y-%m-%d %H:%M:%S +0000] [7] [~level~] ~text~")
        .serving(r#"~ip~ - - [%d/%b/%Y:%H:%M:%S +0000] "~method~ ~path~ HTTP/1.1" ~status~ ~bytes~ "-" "~agent~""#),
    system("django", Python, &words::BOOKING, PYTHON, "~level~ %Y-%m-%d %H:%M:%S,%L ~logger~ 7 1400~n~ ~text~")
        .serving(r#"[%d/%b/%Y %H:%M:%S] "~method~ ~path~ HTTP/1.1" ~status~ ~bytes~"#),
    system("flask werkzeug", Python, &words::ORDERS, PYTHON, "%Y-%m-%d %H:%M:%S,%L ~level~ in ~logger~: ~text~")
        .serving(r#"~ip~ - - [%d/%b/%Y %H:%M:%S] "~method~ ~path~ HTTP/1.1" ~status~ -"#),
    system("celery", Python, &words::VIDEO, PYTHON, "[%Y-%m-%d %H:%M:%S,%L: ~level~/ForkPoolWorker-~few~] ~text~"),
    system("structlog json", Python, &words::BOOKING, ["debug", "info", "warning", "error", "critical"], r#"{"event": "~textj~", "level": "~level~", "logger": "~logger~", "timestamp": "%Y-%m-%dT%H:%M:%S.%fZ"~stack~}"#)
        .stack(r#", "exception": "~stackj~""#)
        .serving(r#"{"event": "request_finished", "code": ~status~, "request": "~method~ ~path~", "ip": "~ip~", "level": "~alevel~", "request_id": "~uuid~", "timestamp": "%Y-%m-%dT%H:%M:%S.%fZ"}"#),
    system("openstack like", Python, &words::COMPUTE, PYTHON, "%Y-%m-%d %H:%M:%S.%L 7 ~level~ ~logger~ [req-~uuid~ ~hex~ ~hex~ - default default] ~text~")
        .serving(r#"%Y-%m-%d %H:%M:%S.%L 7 INFO placement.requestlog [req-~uuid~ ~hex~ ~hex~ - default default] ~ip~ "~method~ ~path~" status: ~status~ len: ~bytes~ microversion: 1.1"#),
    // Java.
    system("logback default", Java, &words::ORDERS, UPPER, "%H:%M:%S.%L [http-nio-8080-exec-~few~] ~level5~ ~logger~ - ~text~"),
    system("log4j2 pattern", Java, &words::PAYMENTS, UPPER, "%Y-%m-%d %H:%M:%S,%L ~level~ [pool-2-thread-~few~] ~logger~: ~text~"),
    system("spring boot", Java, &words::ORDERS, UPPER, "%Y-%m-%dT%H:%M:%S.%LZ ~level5~ 1 --- [orders] [nio-8080-exec-~few~] ~logger~         : ~text~")
        .serving("%Y-%m-%dT%H:%M:%S.%LZ  INFO 1 --- [orders] [nio-8080-exec-~few~] c.a.web.RequestLoggingFilter           : ~method~ ~path~ completed with status ~status~ in ~ms0~ ms"),
    system("train ticket like", Java, &words::BOOKING, UPPER, "%Y-%m-%d %H:%M:%S.%L ~level5~ [ts-booking-service,~hex~,~hex~,true] 1 --- [nio-12031-exec-~few~] ~logger~ : ~text~"),
    system("tomcat juli", Java, &words::BOOKING, ["FINE", "INFO", "WARNING", "SEVERE", "SEVERE"], "%d-%b-%Y %H:%M:%S.%L ~level~ [http-nio-8080-exec-~few~] ~logger~.process ~text~")
        .serving(r#"~ip~ - - [%d/%b/%Y:%H:%M:%S +0000] "~method~ ~path~ HTTP/1.1" ~status~ ~bytes~"#),
    system("jul two lines", Java, &words::PAYMENTS, ["FINE", "INFO", "WARNING", "SEVERE", "SEVERE"], "%b %d, %Y %I:%M:%S %p ~logger~ process\n~level~: ~text~"),
    system("kafka broker", Java, &stores::BROKER, UPPER, "[%Y-%m-%d %H:%M:%S,%L] ~level~ [~logger~ broker=1] ~text~ (~logger~)"),
    system("quarkus", Java, &words::ORDERS, UPPER, "%Y-%m-%d %H:%M:%S,%L ~level5~ [~logger~] (executor-thread-~few~) ~text~")
        .serving(r#"%Y-%m-%d %H:%M:%S,%L INFO  [io.qua.htt.access-log] (vert.x-eventloop-thread-1) ~ip~ - - %d/%b/%Y:%H:%M:%S +0000 "~method~ ~path~ HTTP/1.1" ~status~ ~bytes~"#),
    system("ecs json", Java, &words::PAYMENTS, UPPER, r#"{"@timestamp":"%Y-%m-%dT%H:%M:%S.%LZ","log.level":"~level5~","message":"~textj~","ecs.version":"1.2.0","service.name":"payments","process.thread.name":"exec-~few~","log.logger":"~logger~"~stack~}"#)
        .stack(r#","error.type":"~exception~","error.message":"~reasonx~","error.stack_trace":"~stackj~""#)
        .serving(r#"{"@timestamp":"%Y-%m-%dT%H:%M:%S.%LZ","log.level":"INFO","message":"request served","http.request.method":"~method~","url.path":"~path~","http.response.status_code":~status~,"event.duration":~ns~,"ecs.version":"1.2.0"}"#),
    system("elasticsearch", Java, &stores::SEARCH, UPPER, "[%Y-%m-%dT%H:%M:%S,%L][~level5~][~logger~] [node-1] ~text~"),
    system("spark executor", Java, &words::COMPUTE, UPPER, "%y/%m/%d %H:%M:%S ~level~ ~logger~: ~text~"),
    system("logstash json", Java, &words::BOOKING, UPPER, r#"{"@timestamp":"%Y-%m-%dT%H:%M:%S.%L+00:00","@version":"1","message":"~textj~","logger_name":"~logger~","thread_name":"exec-~few~","level":"~level~","level_value":~few~0000~stack~}"#)
        .stack(r#","stack_trace":"~stackj~""#)
        .serving(r#"{"@timestamp":"%Y-%m-%dT%H:%M:%S.%L+00:00","@version":"1","message":"HTTP exchange","logger_name":"http","level":"INFO","method":"~method~","requested_uri":"~path~","status_code":~status~,"elapsed_time":~ms0~}"#),
    // .NET.
    system("dotnet console", Dotnet, &words::ORDERS, ["dbug", "info", "warn", "fail", "crit"], "~level~: ~logger~[~few~]\n      ~text~")
        .serving("info: Microsoft.AspNetCore.Hosting.Diagnostics[2]\n      Request finished HTTP/1.1 ~method~ http://shop.local~path~ - ~status~ ~bytes~ application/json ~ms~ms"),
    system("serilog console", Dotnet, &words::PAYMENTS, ["DBG", "INF", "WRN", "ERR", "FTL"], "[%H:%M:%S ~level~] ~text~")
        .serving("[%H:%M:%S INF] HTTP ~method~ ~path~ responded ~status~ in ~ms~ ms"),
    system("serilog clef", Dotnet, &words::BOOKING, ["Debug", "Information", "Warning", "Error", "Fatal"], r#"{"@t":"%Y-%m-%dT%H:%M:%S.%fZ","@mt":"~textj~","@l":"~level~","SourceContext":"~logger~"~stack~}"#)
        .stack(r#","@x":"~stackj~""#)
        .serving(r#"{"@t":"%Y-%m-%dT%H:%M:%S.%fZ","@mt":"HTTP {RequestMethod} {RequestPath} responded {StatusCode} in {Elapsed:0.0000} ms","RequestMethod":"~method~","RequestPath":"~path~","StatusCode":~status~,"Elapsed":~ms~}"#),
    system("nlog", Dotnet, &words::MAIL, ["DEBUG", "INFO", "WARN", "ERROR", "FATAL"], "%Y-%m-%d %H:%M:%S.%L0|~level~|~logger~|~text~"),
    // Node.
    system("pino", Node, &words::ORDERS, NUMBERS, r#"{"level":~level~,"time":%Q,"pid":7,"hostname":"~pod~","msg":"~textj~"~stack~}"#)
        .stack(r#","err":{"type":"~exception~","message":"~reasonx~","stack":"~stackj~"}"#)
        .serving(r#"{"level":~alevel~,"time":%Q,"pid":7,"hostname":"~pod~","req":{"id":~n~,"method":"~method~","url":"~path~"},"res":{"statusCode":~status~},"responseTime":~ms0~,"msg":"request completed"}"#),
    system("bunyan", Node, &words::PAYMENTS, NUMBERS, r#"{"name":"payments","hostname":"~pod~","pid":7,"level":~level~~stack~,"msg":"~textj~","time":"%Y-%m-%dT%H:%M:%S.%LZ","v":0}"#)
        .stack(r#","err":{"message":"~reasonx~","name":"~exception~","stack":"~stackj~"}"#)
        .serving(r#"{"name":"payments","hostname":"~pod~","pid":7,"level":~alevel~,"method":"~method~","url":"~path~","statusCode":~status~,"latency":~ms0~,"msg":"handled","time":"%Y-%m-%dT%H:%M:%S.%LZ","v":0}"#),
    system("winston simple", Node, &words::MAIL, LOWER, "~level~: ~text~ {\"service\":\"mail\",\"timestamp\":\"%Y-%m-%dT%H:%M:%S.%LZ\"}"),
    system("morgan dev", Node, &words::ORDERS, LOWER, "~text~").serving("~method~ ~path~ ~status~ ~ms~ ms - ~bytes~"),
    system("nest", Node, &words::BOOKING, ["DEBUG", "LOG", "WARN", "ERROR", "FATAL"], "[Nest] 7  - %m/%d/%Y, %I:%M:%S %p   ~level5~ [~logger~] ~text~")
        .serving("[Nest] 7  - %m/%d/%Y, %I:%M:%S %p     LOG [HTTP] ~method~ ~path~ ~status~ ~bytes~ - ~agent~ ~ip~ +~ms0~ms"),
    // Go.
    system("zap json", Go, &words::TELEMETRY, LOWER, r#"{"level":"~level~","ts":%s.%f,"caller":"app/run.go:~few~1","msg":"~textj~"~stack~}"#)
        .stack(r#","error":"~reasonx~","stacktrace":"~stackj~""#)
        .serving(r#"{"level":"info","ts":%s.%f,"caller":"mw/log.go:31","msg":"~path~","status":~status~,"method":"~method~","path":"~path~","ip":"~ip~","latency":~s~}"#),
    system("zap console", Go, &words::TELEMETRY, UPPER, "%Y-%m-%dT%H:%M:%S.%LZ\t~level~\t~logger~\tapp/run.go:~few~1\t~text~"),
    system("zerolog", Go, &words::BOOKING, LOWER, r#"{"level":"~level~","time":%s,"message":"~textj~"~stack~}"#)
        .stack(r#","error":"~exception~: ~reasonx~""#)
        .serving(r#"{"level":"~alevel~","method":"~method~","path":"~path~","resp_time":~ms~,"status":~status~,"time":%s,"message":"incoming request"}"#),
    system("slog text", Go, &words::PAYMENTS, UPPER, "time=%Y-%m-%dT%H:%M:%S.%LZ level=~level~ msg=\"~textj~\" pod=~pod~")
        .serving("time=%Y-%m-%dT%H:%M:%S.%LZ level=INFO msg=request method=~method~ path=~path~ status=~status~ duration=~ms~ms"),
    system("logrus text", Go, &words::MAIL, ["debug", "info", "warning", "error", "fatal"], "time=\"%Y-%m-%dT%H:%M:%SZ\" level=~level~ msg=\"~textj~\" worker=~few~"),
    system("klog", Go, &stores::CONTROL, LETTER, "~level~%m%d %H:%M:%S.%f       1 reconcile.go:~few~12] ~text~"),
    system("glog", Native, &words::TELEMETRY, LETTER, "~level~%Y%m%d %H:%M:%S.%f ~tid~77 worker.cc:~few~12] ~text~"),
    system("gin", Go, &words::BOOKING, UPPER, "%Y/%m/%d %H:%M:%S [~level~] ~text~")
        .serving("[GIN] %Y/%m/%d - %H:%M:%S | ~status~ | ~us~µs |      ~ip~ | ~method~     \"~path~\""),
    system("go std", Go, &words::PAYMENTS, NONE, "%Y/%m/%d %H:%M:%S ~text~")
        .serving("%Y/%m/%d %H:%M:%S ~method~ ~path~ ~status~ ~ms~ms"),
    system("boutique frontend like", Go, &words::ORDERS, LOWER, r#"{"message":"~textj~","severity":"~level~","timestamp":"%Y-%m-%dT%H:%M:%S.%NZ"~stack~}"#)
        .stack(r#","error":"~reasonx~""#)
        .serving(r#"{"http.req.id":"~uuid~","http.req.method":"~method~","http.req.path":"~path~","http.resp.bytes":~bytes~,"http.resp.status":~status~,"http.resp.took_ms":~ms0~,"message":"request complete","session":"~uuid~","severity":"debug","timestamp":"%Y-%m-%dT%H:%M:%S.%NZ"}"#),
    system("sock shop like", Go, &words::PAYMENTS, LOWER, "ts=%Y-%m-%dT%H:%M:%S.%NZ caller=service.go:~few~1 level=~level~ msg=\"~textj~\"")
        .serving("ts=%Y-%m-%dT%H:%M:%S.%NZ caller=logging.go:29 transport=http method=~method~ path=~path~ status=~status~ took=~ms~ms"),
    system("grpc zap", Go, &words::TELEMETRY, LOWER, r#"{"level":"~level~","ts":"%Y-%m-%dT%H:%M:%S.%LZ","msg":"~textj~"~stack~}"#)
        .stack(r#","error":"~reasonx~""#)
        .serving(r#"{"level":"~alevel~","ts":"%Y-%m-%dT%H:%M:%S.%LZ","msg":"finished unary call with code ~grpc~","grpc.start_time":"%Y-%m-%dT%H:%M:%SZ","system":"grpc","span.kind":"server","grpc.service":"shop.v1.Catalog","grpc.method":"~rpc~","grpc.code":"~grpc~","grpc.time_ms":~ms~}"#),
    // Rust.
    system("tracing", Rust, &words::TELEMETRY, UPPER, "%Y-%m-%dT%H:%M:%S.%fZ ~level5~ ~logger~: ~text~")
        .serving("%Y-%m-%dT%H:%M:%S.%fZ  INFO request{method=~method~ uri=~path~ version=HTTP/1.1}: tower_http::trace::on_response: finished processing request latency=~ms0~ ms status=~status~"),
    system("env_logger", Rust, &words::MAIL, UPPER, "[%Y-%m-%dT%H:%M:%SZ ~level5~ ~logger~] ~text~"),
    system("actix", Rust, &words::ORDERS, UPPER, "[%Y-%m-%dT%H:%M:%SZ ~level5~ ~logger~] ~text~")
        .serving(r#"[%Y-%m-%dT%H:%M:%SZ INFO  actix_web::middleware::logger] ~ip~ "~method~ ~path~ HTTP/1.1" ~status~ ~bytes~ "-" "~agent~" ~s~"#),
    // Ruby, PHP, Elixir, Erlang.
    system("rails", Ruby, &words::ORDERS, UPPER, "~letter~, [%Y-%m-%dT%H:%M:%S.%f #7] ~level5~ -- : [~uuid~] ~text~")
        .serving("I, [%Y-%m-%dT%H:%M:%S.%f #7]  INFO -- : [~uuid~] Started ~method~ \"~path~\" for ~ip~ at %Y-%m-%d %H:%M:%S +0000\nI, [%Y-%m-%dT%H:%M:%S.%f #7]  INFO -- : [~uuid~] Completed ~status~ ~reason~ in ~ms0~ms (Views: 0.3ms | ActiveRecord: ~f~ms | Allocations: ~n~)"),
    system("sidekiq", Ruby, &words::MAIL, UPPER, "%Y-%m-%dT%H:%M:%S.%LZ pid=7 tid=~id~ class=~logger~ jid=~hex~ ~level~: ~text~"),
    system("laravel", Php, &words::BOOKING, ["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"], "[%Y-%m-%d %H:%M:%S] production.~level~: ~text~ {\"userId\":~n~}"),
    system("php fpm", Php, &words::PAYMENTS, ["DEBUG", "NOTICE", "PHP Warning", "PHP Fatal error", "ALERT"], "[%d-%b-%Y %H:%M:%S UTC] ~level~:  ~text~")
        .serving(r#"~ip~ -  %d/%b/%Y:%H:%M:%S +0000 "~method~ /index.php" ~status~"#),
    system("phoenix", Erlang, &words::ORDERS, ["debug", "info", "warning", "error", "critical"], "%H:%M:%S.%L request_id=~hex~ [~level~] ~text~")
        .serving("%H:%M:%S.%L request_id=~hex~ [info] ~method~ ~path~\n%H:%M:%S.%L request_id=~hex~ [info] Sent ~status~ in ~ms0~ms"),
    system("rabbitmq", Erlang, &stores::BROKER, ["debug", "info", "warning", "error", "critical"], "%Y-%m-%d %H:%M:%S.%f+00:00 [~level~] <0.~n~.0> ~text~"),
    system("erlang reports", Erlang, &stores::BROKER, ["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"], "=~level~ REPORT==== %d-%b-%Y::%H:%M:%S.%f ===\n~text~"),
    // Stores and hosts.
    system("postgres", Native, &stores::SQL, ["DEBUG", "LOG", "WARNING", "ERROR", "FATAL"], "%Y-%m-%d %H:%M:%S.%L UTC [7~few~] app@shop ~level~:  ~text~"),
    system("mysql", Native, &stores::SQL, ["Note", "Note", "Warning", "ERROR", "ERROR"], "%Y-%m-%dT%H:%M:%S.%fZ ~few~ [~level~] [MY-01~few~] [Server] ~text~"),
    system("redis", Native, &stores::STORE, [".", "*", "#", "#", "#"], "1:M %d %b %Y %H:%M:%S.%L ~level~ ~text~"),
    system("mongodb", Native, &stores::STORE, LETTER, r#"{"t":{"$date":"%Y-%m-%dT%H:%M:%S.%L+00:00"},"s":"~level~","c":"~logger~","id":2294~few~,"ctx":"conn~n~","msg":"~textj~","attr":{"remote":"~ip~:~port~"}}"#),
    system("syslog 3164", Native, &stores::HOST, NONE, "%b %e %H:%M:%S node7 agentd[81]: ~text~"),
    system("syslog 5424", Native, &words::MAIL, ["<31>", "<30>", "<28>", "<27>", "<26>"], "~level~1 %Y-%m-%dT%H:%M:%S.%LZ node7 mailer 81 - - ~text~"),
    system("journal", Native, &stores::HOST, NONE, "%b %d %H:%M:%S node7 systemd[1]: ~text~"),
    system("logcat", Java, &stores::DEVICE, LETTER, "%m-%d %H:%M:%S.%L  1702  ~few~395 ~level~ ~logger~: ~text~"),
    system("powershell", Dotnet, &words::MAIL, ["DEBUG", "INFO", "WARNING", "ERROR", "ERROR"], "[%d/%m/%Y %H:%M:%S] [~level~] ~text~"),
    system("windows events", Dotnet, &stores::HOST, ["Information", "Information", "Warning", "Error", "Critical"], "%Y-%m-%d %H:%M:%S, ~level~                  CBS    ~text~"),
    system("gcp json", Go, &words::PAYMENTS, ["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"], r#"{"severity":"~level~","time":"%Y-%m-%dT%H:%M:%S.%NZ","message":"~textj~"~stack~}"#)
        .stack(r#","stack_trace":"~stackj~""#)
        .serving(r#"{"severity":"INFO","time":"%Y-%m-%dT%H:%M:%S.%NZ","message":"","httpRequest":{"requestMethod":"~method~","requestUrl":"http://shop.local~path~","status":~status~,"responseSize":"~bytes~","userAgent":"~agent~","latency":"~s~s"}}"#),
    system("otel spans", Node, &words::ORDERS, LOWER, r#"{"timestamp":"%Y-%m-%dT%H:%M:%S.%LZ","level":"~level~","message":"~textj~","trace_id":"~hex~~hex~","span_id":"~hex~"~stack~}"#)
        .stack(r#","exception.type":"~exception~","exception.stacktrace":"~stackj~""#)
        .serving(r#"{"name":"~method~ ~path~","kind":"SPAN_KIND_SERVER","traceId":"~hex~~hex~","spanId":"~hex~","startTimeUnixNano":"%Q000000","durationMs":~ms~,"status":{"code":"~otel~"},"attributes":{"http.method":"~method~","http.target":"~path~","http.status_code":~status~}}"#),
    system("kubectl prefix", Python, &words::ORDERS, PYTHON, "[pod/~pod~/app] %Y-%m-%d %H:%M:%S,%L ~level~ ~logger~ ~text~")
        .serving(r#"[pod/~pod~/app] ~ip~ - - [%d/%b/%Y:%H:%M:%S +0000] "~method~ ~path~ HTTP/1.1" ~status~ ~bytes~"#),
    system("compose prefix", Node, &words::PAYMENTS, LOWER, "~pod~  | %Y-%m-%dT%H:%M:%S.%LZ ~level~: ~text~")
        .serving("~pod~  | %Y-%m-%dT%H:%M:%S.%LZ info: ~method~ ~path~ ~status~ ~ms0~ms"),
    system("batch bracketed", Native, &words::VIDEO, UPPER, "[%Y-%m-%d %H:%M:%S] [~level~] ~text~"),
    system("epoch lines", Native, &words::TELEMETRY, LOWER, "%s.%L ~level~ ~logger~ ~text~"),
];
