"""The page of rollouts-demo in a real Chromium.

usage: page.py TEST ADDRESS PROGRAM
"""

import json
import re
import subprocess
import sys
import urllib.error
import urllib.request
from urllib.parse import urlsplit

from browser import DEADLINE_MS, DESK, HALL, PHONE, axe, chromium, expect, fits, opened, page_of, pixels, run, until


def card(page, version):
    return page.locator(f".version[data-version={version}]")


def tell(url, path, method="POST"):
    request = urllib.request.Request(url + path, method=method)
    return urllib.request.urlopen(request, timeout=30).read().decode()


def share(page, version, pattern):
    expect(card(page, version).locator(".share")).to_have_text(re.compile(pattern))


def squares_are_requests(url, _):
    with opened(url) as page:
        share(page, "blue", r"^100 %$")
        before = json.loads(tell(url, "/api/status", "GET"))["requests"]
        until(page, "() => Number(document.querySelector('.rate').textContent) >= 30")
        assert pixels(page, "#field", "--v-blue") > 4_000
        assert pixels(page, "#field", "--v-yellow") == 0
        # The other version comes, and the picture with it.
        tell(url, "/split/50")
        share(page, "yellow", r"^[3-6]\d %$")
        assert pixels(page, "#field", "--v-yellow") > 1_000
        widths = page.evaluate("[...document.querySelectorAll('#bar > span')].map((part) => part.clientWidth)")
        assert all(width > 300 for width in widths) and len(widths) == 2, widths
        assert json.loads(tell(url, "/api/status", "GET"))["requests"] > before
        page.get_by_role("button", name="Pause").click()
        expect(page.locator("#pace-now")).to_have_text("paused")


def sliders_travel_with_each_request(url, _):
    tell(url, "/split/50")
    with opened(url) as page:
        share(page, "yellow", r"[1-9]")
        share(page, "blue", r"[1-9]")
        assert pixels(page, "#field", "--ink") == 0
        page.get_by_role("slider", name="Errors of yellow").focus()
        page.keyboard.press("End")
        expect(card(page, "yellow").locator(".errors")).to_have_text("100 %")
        expect(card(page, "blue").locator(".errors")).to_have_text("0 %")
        assert pixels(page, "#field", "--ink") > 1_000
        page.keyboard.press("Home")
        expect(card(page, "yellow").locator(".errors")).to_have_text("0 %")
        # Late in steps of 50 ms, from the keyboard.
        page.get_by_role("slider", name="Added latency of blue").focus()
        for _ in range(4):
            page.keyboard.press("ArrowRight")
        expect(card(page, "blue").locator(".median")).to_have_text(re.compile(r"^2\d\d ms$"))
        slider = page.get_by_role("slider", name="Added latency of blue")
        expect(slider).to_have_attribute("aria-valuetext", "200 ms")


def chaos_reaches_the_version_it_names(url, _):
    tell(url, "/split/50")
    with opened(url) as page:
        share(page, "yellow", r"[1-9]")
        share(page, "blue", r"[1-9]")
        yellow = card(page, "yellow")
        exception = yellow.get_by_role("button", name="Exception")
        exception.click()
        expect(exception).to_have_attribute("aria-pressed", "true")
        expect(yellow.locator(".errors")).to_have_text(re.compile(r"^(1[2-9]|2\d) %$"))
        expect(card(page, "blue").locator(".errors")).to_have_text("0 %")
        silent = yellow.get_by_role("button", name="Silent failure")
        silent.click()
        expect(exception).to_have_attribute("aria-pressed", "false")
        expect(silent).to_have_attribute("aria-pressed", "true")
        expect(yellow.locator(".errors")).to_have_text("0 %")
        # Of the process: whichever pod answers, the right one is found.
        for button, scenario in [("Slow start", "slow-start"), ("Memory leak", "memory-leak"), ("Heal", "none")]:
            pressed = yellow.get_by_role("button", name=button)
            pressed.click()
            expect(pressed).to_be_enabled()
            expect(yellow.get_by_role("status")).to_contain_text("yellow")
            there = {pod["version"]: pod["scenario"] for pod in json.loads(tell(url, "/split/pods", "GET"))}
            assert there == {"blue": "none", "yellow": scenario}, there


def a_crash_is_asked_for_and_told(url, program):
    with Server(program) as server, opened(server.url) as page:
        share(page, "blue", r"^100 %$")
        card(page, "blue").get_by_role("button", name="Crash").click()
        assert server.ended() == 1
        expect(page.get_by_role("alert")).to_be_visible()


def a_reload_in_the_middle_changes_nothing(url, _):
    tell(url, "/split/50")
    with opened(url) as page:
        share(page, "yellow", r"[1-9]")
        page.get_by_role("slider", name="Errors of yellow").fill("80")
        page.get_by_role("slider", name="Requests a second").fill("60")
        card(page, "yellow").get_by_role("button", name="Latency").click()
        page.reload()
        expect(card(page, "yellow").locator(".errors")).to_have_text(re.compile(r"^[6-9]\d %$"))
        expect(page.get_by_role("slider", name="Errors of yellow")).to_have_value("80")
        expect(page.locator("#rate-said")).to_have_text("60")
        latency = card(page, "yellow").get_by_role("button", name="Latency")
        expect(latency).to_have_attribute("aria-pressed", "true")


def the_server_goes_and_comes_back(url, program):
    with Server(program) as server, opened(server.url) as page:
        share(page, "blue", r"^100 %$")
        alert = page.get_by_role("alert")
        expect(alert).to_be_hidden()
        server.stop()
        expect(alert).to_be_visible()
        expect(page.locator("#pace-now")).to_have_text("no answer")
        server.start()
        expect(alert).to_be_hidden()
        until(page, "() => Number(document.querySelector('.rate').textContent) >= 10")
        # And again.
        server.stop()
        expect(alert).to_be_visible()


def axe_finds_nothing_serious(url, _):
    tell(url, "/split/50")
    with chromium() as browser:
        for scheme in ("light", "dark"):
            for size in (PHONE, DESK):
                with page_of(browser, url, size, scheme) as page:
                    share(page, "yellow", r"[1-9]")
                    share(page, "blue", r"[1-9]")
                    card(page, "yellow").get_by_role("button", name="Exception").click()
                    axe(page)
                    page.evaluate("document.getElementById('gone').hidden = false")
                    axe(page)


def it_fits_a_phone_and_a_hall(url, _):
    tell(url, "/split/50")
    with chromium() as browser:
        for size in (PHONE, DESK, HALL):
            with page_of(browser, url, size) as page:
                share(page, "yellow", r"[1-9]")
                share(page, "blue", r"[1-9]")
                fits(page)
                box = page.locator("#field").bounding_box()
                assert box["width"] > 0.9 * size[0], (size, box)
                assert box["y"] + box["height"] < size[1], "the field is seen without scrolling"


def the_keyboard_reaches_everything(url, _):
    with opened(url) as page:
        share(page, "blue", r"^100 %$")
        reached = []
        for _ in range(40):
            page.keyboard.press("Tab")
            reached.append(
                page.evaluate(
                    """() => {
                      const at = document.activeElement;
                      const style = getComputedStyle(at);
                      if (at === document.body) return null;
                      return [at.getAttribute("aria-label") ?? (at.labels?.[0]?.textContent || at.textContent), parseFloat(style.outlineWidth)];
                    }"""
                )
            )
            if reached[-1] is None:
                break
        names = [name for name, _ in reached[:-1]]
        assert reached[-1] is None and names[:2] == ["Requests a second", "Pause"], reached
        for name in ("Errors of blue", "Added latency of blue", "Exception", "Silent failure", "Crash", "Heal"):
            assert name in names, (name, names)
        assert all(width >= 2 for _, width in reached[:-1]), reached
        # What is seen is also said.
        expect(page.locator("#spoken")).to_have_text(re.compile(r"^Last ten seconds: blue 100 %\.$"))


class Server:
    """A version of its own, which a test may end and start again."""

    def __init__(self, program):
        self.program, self.port = program, 0

    def start(self):
        command = [self.program, "serve", "--listen-addr", f"127.0.0.1:{self.port}", "--termination-delay", "0"]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={})
        for line in self.process.stdout:
            if "Started server on " in line:
                self.port = urlsplit("//" + line.split()[-1]).port
                break
        else:
            raise AssertionError("it did not start")
        self.url = f"http://127.0.0.1:{self.port}"

    def stop(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    def ended(self):
        self.process.communicate(timeout=DEADLINE_MS / 1000)
        return self.process.returncode

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stop()


if __name__ == "__main__":
    run(globals(), sys.argv[1:])
