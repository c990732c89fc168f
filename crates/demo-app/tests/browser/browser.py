"""Chromium for the tests of the pages: opened, watched, and looked at by axe.

Nothing here waits for a time: each wait is for a condition, with a deadline.
"""

import contextlib
import os
import pathlib
from urllib.parse import urlsplit

import axe_playwright_python
from playwright.sync_api import expect, sync_playwright

# For one condition, on a machine that runs other tests beside it.
DEADLINE_MS = 60_000
CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
AXE = (pathlib.Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text()
# A server that answers 500 on purpose, or is gone on purpose, is told by the
# browser as if the page had erred.
OF_THE_NETWORK = "Failed to load resource:"
PHONE, DESK, HALL = (360, 740), (1280, 800), (1920, 1080)

expect.set_options(timeout=DEADLINE_MS)


@contextlib.contextmanager
def chromium():
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM,
            args=["--no-sandbox", "--disable-background-networking", "--disable-component-update"],
        )
        yield browser
        browser.close()


@contextlib.contextmanager
def opened(url, size=DESK, scheme="light", **more):
    """A page in a browser of its own; fails if it complained, or asked for
    anything of another server."""
    with chromium() as browser, page_of(browser, url, size, scheme, **more) as page:
        yield page


@contextlib.contextmanager
def page_of(browser, url, size=DESK, scheme="light", **more):
    context = browser.new_context(
        viewport={"width": size[0], "height": size[1]}, color_scheme=scheme, **more
    )
    context.set_default_timeout(DEADLINE_MS)
    page = context.new_page()
    complaints, strangers = [], []

    def heard(message):
        if message.type in ("error", "warning") and not message.text.startswith(OF_THE_NETWORK):
            complaints.append(message.text)

    def asked(request):
        if urlsplit(request.url).netloc != urlsplit(url).netloc:
            strangers.append(request.url)

    page.on("console", heard)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", asked)
    page.goto(url)
    yield page
    assert not complaints, complaints
    assert not strangers, strangers
    context.close()


def until(page, condition, argument=None):
    """Waits for a condition in JavaScript, looked at with each frame."""
    return page.wait_for_function(condition, arg=argument, timeout=DEADLINE_MS)


def axe(page):
    """Fails on a serious or critical issue."""
    # Not as an element: the page's policy allows its own scripts only.
    page.evaluate(AXE)
    result = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    assert result["testEngine"]["name"] == "axe-core", result["testEngine"]
    assert result["passes"], "axe looked at nothing"
    grave = [
        (issue["id"], issue["impact"], [node["html"] + " " + node["failureSummary"] for node in issue["nodes"]])
        for issue in result["violations"]
        if issue["impact"] in ("serious", "critical")
    ]
    assert not grave, grave


def fits(page):
    """Nothing sticks out at the side."""
    width = page.viewport_size["width"]
    wide = page.evaluate("document.documentElement.scrollWidth")
    assert wide <= width, f"{wide} px on a screen of {width}"


def pixels(page, selector, color):
    """How many pixels of a canvas have a CSS colour."""
    return page.evaluate(
        """([selector, color]) => {
          const canvas = document.querySelector(selector);
          // A copy: the page's own stays as it is drawn.
          const one = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
          Object.assign(one.canvas, { width: canvas.width, height: canvas.height });
          const style = getComputedStyle(document.documentElement);
          one.fillStyle = color.startsWith("--") ? style.getPropertyValue(color).trim() : color;
          one.fillRect(0, 0, 1, 1);
          const [r, g, b] = one.getImageData(0, 0, 1, 1).data;
          one.drawImage(canvas, 0, 0);
          const { data } = one.getImageData(0, 0, canvas.width, canvas.height);
          let found = 0;
          for (let at = 0; at < data.length; at += 4) {
            if (data[at] === r && data[at + 1] === g && data[at + 2] === b) found += 1;
          }
          return found;
        }""",
        [selector, color],
    )


def run(tests, arguments):
    """Runs the test that is named first, with the rest."""
    name, *rest = arguments
    tests[name](*rest)
    print(f"{name}: passed")
