"""What the demo's engine tells its page, by script, so that each state can be
looked at alone: the page's own files, /events, and what was posted."""

import contextlib
import copy
import json
import pathlib
import queue
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PAGE = pathlib.Path(__file__).parents[2] / "page"
FILES = {
    "/": ("index.html", "text/html; charset=utf-8"),
    "/style.css": ("style.css", "text/css; charset=utf-8"),
    "/base.css": ("base.css", "text/css; charset=utf-8"),
    "/page.js": ("page.js", "text/javascript; charset=utf-8"),
    "/field.js": ("field.js", "text/javascript; charset=utf-8"),
    "/icon.svg": ("icon.svg", "image/svg+xml"),
}
# As the engine sends it.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
NOW = 1_732_545_600_000
HOSTILE = (
    "</pre><script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">"
    "<iframe src=\"javascript:parent.document.title='owned'\"></iframe>\u202e{{7*7}}\u001b[2J"
)


def arm(version, requests, errors, pods, latency=(2.1, 9.0)):
    names = [
        {"name": f"rollouts-demo-{version}-{at}", "ready": reason is None, "restarts": restarts, "reason": reason}
        for at, (restarts, reason) in enumerate(pods)
    ]
    return {
        "version": version,
        "color": version.split("-")[-1],
        "requests": requests,
        "errors": errors,
        "p50_ms": latency[0],
        "p99_ms": latency[1],
        "pods": names,
    }


def measurement(step, after_s, phase, message, **more):
    return {
        "step": step,
        "weight": 20 * (step + 1),
        "at_ms": NOW + 1000 * after_s,
        "phase": phase,
        "value": more.get("value", ""),
        "message": message,
        "waits_until_ms": more.get("waits_until_ms"),
        "confidence": more.get("confidence"),
    }


WELL = (0, None)
SCENARIOS = [
    ("good", "Good release", "promote"),
    ("bad", "20 % NullPointerException", "abort"),
    ("memory-leak", "Memory leak", "abort"),
    ("crash-loop", "Crash loop", "abort"),
    ("latency", "Latency ×3", "abort"),
    ("silent-failure", "Silent failure", "abort"),
    ("color-only", "Colour change only", "promote"),
    ("no-traffic", "No traffic", "inconclusive"),
    ("already-broken", "Stable already broken", "promote"),
    ("noisy-neighbour", "Noisy neighbour", "promote"),
    ("log-injection", "Log injection attack", "abort"),
]
IDLE = {
    "sequence": 1,
    "now_ms": NOW,
    "phase": "idle",
    "scenarios": [{"name": name, "title": title, "expect": expect} for name, title, expect in SCENARIOS],
    "release": None,
    "arms": {"stable": arm("blue", 1204, 0, [WELL, WELL, WELL]), "canary": None},
    "measurements": [],
    "findings": [],
    "sliders": {
        "stable": {"error_percent": 0, "latency_ms": 0},
        "canary": {"error_percent": 0, "latency_ms": 0},
    },
    "plugin": {"pid": 4242, "launches": 1},
    "model": {"kind": "scripted", "up": True},
}


def state(**changes):
    return {**copy.deepcopy(IDLE), **copy.deepcopy(changes)}


def release(version, step, **more):
    return {
        "number": 1,
        "scenario": more.get("scenario", "bad"),
        "from": "blue",
        "version": version,
        "steps": [20, 40, 60, 80, 100],
        "step": step,
        "weight": more.get("weight", 20 * (step + 1)),
        "started_ms": NOW,
        "ended_ms": more.get("ended_ms"),
        "why": more.get("why"),
    }


NULL = (
    "2026-11-25T16:04:05.702Z ERROR [rollouts-demo,91aa03c4] c.d.color.ColorResource : request failed\n"
    'java.lang.NullPointerException: Cannot invoke "com.demo.palette.Shade.name()" because "shade" is null\n'
    "\tat com.demo.color.ColorResource.answer(ColorResource.java:39)\n"
    "\tat com.demo.http.Router.dispatch(Router.java:112)"
)
WAITS = measurement(
    0, 6, "Running", "needs about 120 more requests, 4 s at 30/s; 0/61 errors (stable 0/240) so far", waits_until_ms=NOW + 10_000
)
WAITING = state(
    phase="progressing",
    now_ms=NOW + 7_000,
    release=release("yellow", 0, scenario="good"),
    arms={"stable": arm("blue", 1444, 0, [WELL, WELL, WELL]), "canary": arm("yellow", 61, 0, [WELL, (0, "ContainerCreating")], (2.4, 11.0))},
    measurements=[WAITS],
)
BECAUSE = "canary aborted: +21.4 pp errors, NullPointerException ColorResource:39 in 2/2 pods, 0 in stable"
ABORTED = state(
    phase="aborted",
    now_ms=NOW + 14_000,
    release=release("bad-yellow", 0, weight=0, ended_ms=NOW + 12_000, why=BECAUSE),
    arms={
        "stable": arm("blue", 1790, 0, [WELL, WELL, WELL]),
        "canary": arm("bad-yellow", 103, 22, [(3, "CrashLoopBackOff"), (1, "OOMKilled"), WELL], (2.9, 41.0)),
    },
    measurements=[WAITS, measurement(0, 11, "Failed", BECAUSE, value="0.04", confidence=0.97)],
    findings=[
        {
            "id": "f1",
            "class": "new error",
            "what": "NullPointerException ColorResource:39",
            "stable": "0/410",
            "canary": "22/103",
            "sample": NULL,
        },
        {
            "id": "f2",
            "class": "vanished",
            "what": "order <*> booked",
            "stable": "410/410",
            "canary": "81/103",
            "sample": "INFO [rollouts-demo,4d1e] c.d.order.OrderBook : order 41 booked",
        },
    ],
)
PROMOTED = state(
    phase="promoted",
    now_ms=NOW + 40_000,
    release=release("yellow", 4, scenario="good", ended_ms=NOW + 38_000, why="canary promoted: 0/1210 errors (stable 0/1890), no new errors"),
    arms={"stable": arm("yellow", 1600, 0, [WELL, WELL, WELL]), "canary": None},
    measurements=[
        WAITS,
        *(measurement(step, 10 + 6 * step, "Successful", "no difference found: 0/310 errors (stable 0/900)", value="0.93", confidence=0.93) for step in range(5)),
    ],
)
PAUSED = state(
    phase="paused",
    now_ms=NOW + 300_000,
    release=release("green", 1, scenario="no-traffic"),
    arms={"stable": arm("blue", 1790, 0, [WELL, WELL, WELL]), "canary": arm("green", 0, 0, [WELL, WELL], (0, 0))},
    measurements=[measurement(1, 290, "Inconclusive", "no verdict after 240 s: needs about 340 more requests, 2 min at 3/s", confidence=0.5)],
    model={"kind": "scripted", "up": False},
    plugin={"pid": None, "launches": 2},
)
ATTACKED = copy.deepcopy(ABORTED)
for finding in ATTACKED["findings"]:
    finding.update({"what": HOSTILE, "sample": HOSTILE, "class": HOSTILE, "id": HOSTILE})
for said in ATTACKED["measurements"]:
    said.update({"message": HOSTILE, "phase": HOSTILE})
ATTACKED["release"].update({"why": HOSTILE, "version": HOSTILE, "from": HOSTILE})
ATTACKED["arms"]["canary"]["version"] = HOSTILE
ATTACKED["arms"]["canary"]["pods"][0].update({"name": HOSTILE, "reason": HOSTILE})
ATTACKED["scenarios"][3]["title"] = HOSTILE


class Engine:
    """Tells states to every page that listens, and keeps what pages post."""

    def __init__(self):
        self.state, self.told, self.port = copy.deepcopy(IDLE), time.monotonic(), 0
        self.posted, self.refuses = queue.Queue(), None
        self.listeners, self.lock, self.connections = [], threading.Lock(), []

    def start(self):
        engine = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def answer(self, code, kind, text):
                body = text.encode()
                self.send_response(code)
                for name, value in {
                    "Content-Type": kind,
                    "Content-Length": str(len(body)),
                    "Content-Security-Policy": POLICY,
                }.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def do_GET(self):
                if self.path == "/events":
                    engine.listen(self)
                elif self.path in FILES:
                    name, kind = FILES[self.path]
                    self.answer(200, kind, (PAGE / name).read_text())
                else:
                    self.answer(404, "text/plain", "there is nothing here\n")

            def do_POST(self):
                length = int(self.headers.get("Content-Length", 0))
                engine.posted.put((self.path, json.loads(self.rfile.read(length))))
                if engine.refuses:
                    self.answer(409, "text/plain", engine.refuses)
                else:
                    self.answer(204, "text/plain", "")

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            allow_reuse_address = True

            def process_request(self, request, address):
                engine.connections.append(request)
                super().process_request(request, address)

        self.server = Server(("127.0.0.1", self.port), Handler)
        self.port = self.server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}/"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def listen(self, handler):
        handler.send_response(200)
        handler.send_header("Content-Type", "text/event-stream")
        handler.end_headers()
        handler.close_connection = True
        events = queue.Queue()
        with self.lock:
            events.put(("state", self.now()))
            self.listeners.append(events)
        with contextlib.suppress(OSError):
            while True:
                # As the engine, which says something a few times a second.
                try:
                    event = events.get(timeout=0.3)
                except queue.Empty:
                    event = ("state", self.now())
                if event is None:
                    return
                name, data = event
                handler.wfile.write(f"event: {name}\ndata: {json.dumps(data)}\n\n".encode())
                handler.wfile.flush()

    def now(self):
        """The state with the time gone on."""
        passed_ms = int(1000 * (time.monotonic() - self.told))
        return {**self.state, "now_ms": self.state["now_ms"] + passed_ms}

    def tell(self, state):
        with self.lock:
            self.state, self.told = copy.deepcopy(state), time.monotonic()
            for events in self.listeners:
                events.put(("state", self.state))

    def squares(self, squares):
        with self.lock:
            for events in self.listeners:
                events.put(("squares", {"squares": squares}))

    def stop(self):
        with self.lock:
            for events in self.listeners:
                events.put(None)
            self.listeners.clear()
        self.server.shutdown()
        self.server.server_close()
        # A browser would go on asking over those that it has kept.
        for connection in self.connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self.connections.clear()

    def was_posted(self):
        return self.posted.get(timeout=60)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stop()
