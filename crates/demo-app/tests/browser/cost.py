"""What a page costs a browser's main thread, frame by frame, as JSON.

usage: cost.py ADDRESS

Chromium's trace says how long the main thread was at script, at style and at
layout, in time of the processor: what else the machine does is not counted.
"""

import json
import sys

from browser import DESK, opened, until

FRAME_US = 1_000_000 / 60
SECONDS = 12
# Whole pieces of work; what happens within one of them is in its time.
WORK = {
    "FunctionCall", "v8.callFunction", "EvaluateScript", "v8.evaluateModule", "TimerFire", "FireAnimationFrame",
    "RunMicrotasks", "EventDispatch", "UpdateLayoutTree", "Layout", "PrePaint", "Paint", "Layerize", "Commit",
    "IntersectionObserverController::computeIntersections", "MinorGC", "MajorGC", "V8.GCScavenger",
}


def main(url):
    with opened(url, DESK) as page:
        page.get_by_role("slider", name="Requests a second").focus()
        page.keyboard.press("End")
        # The window of ten seconds is full, and the field as well.
        until(page, "() => Number(document.querySelector('.rate').textContent) >= 90")
        passed(page, 0)
        browser = page.context.browser
        began = page.evaluate("performance.now()")
        browser.start_tracing(page=page, categories=["devtools.timeline", "v8", "toplevel", "__metadata"])
        passed(page, began)
        trace = json.loads(browser.stop_tracing())["traceEvents"]
        answers = page.locator("#pace-now").inner_text().split()[0]
    print(json.dumps({**frames(trace), "answers_a_second": float(answers)}))


def passed(page, since_ms):
    # Looked at twice a second: with each frame, it would be part of the cost.
    page.wait_for_function(f"() => performance.now() > {since_ms + 1000 * SECONDS}", polling=500)


def frames(trace):
    main_threads = {
        (event["pid"], event["tid"])
        for event in trace
        if event.get("name") == "thread_name" and event["args"]["name"] == "CrRendererMain"
    }
    work = {}
    for event in trace:
        thread = (event["pid"], event.get("tid"))
        if thread in main_threads and event.get("ph") == "X" and event["name"] in WORK:
            work.setdefault(thread, []).append(event)
    # The page's is the one that works most; another may idle beside it.
    events = max(work.values(), key=lambda events: sum(event["dur"] for event in events))
    events.sort(key=lambda event: (event["ts"], -event["dur"]))
    first, last = events[0]["ts"], events[-1]["ts"]
    spent = [0.0] * (int((last - first) / FRAME_US) + 1)
    end = 0
    for event in events:
        if event["ts"] < end:
            continue
        end = event["ts"] + event["dur"]
        spent[int((event["ts"] - first) / FRAME_US)] += event.get("tdur", event["dur"]) / 1000
    spent.sort()
    at = lambda share: round(spent[min(len(spent) - 1, int(share * len(spent)))], 3)
    assert len(spent) > 30 * SECONDS, f"a trace of {len(spent)} frames"
    return {"frames": len(spent), "median_ms": at(0.5), "p95_ms": at(0.95), "p99_ms": at(0.99)}


if __name__ == "__main__":
    main(sys.argv[1])
