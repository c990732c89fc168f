"""The demo's page in a real Chromium, state by state.

usage: page.py TEST
"""

import re
import sys

import fixture
from browser import DESK, HALL, PHONE, axe, chromium, expect, fits, opened, page_of, pixels, run, until
from fixture import ABORTED, ATTACKED, HOSTILE, IDLE, PAUSED, PROMOTED, WAITING, Engine

STATES = {"idle": IDLE, "waiting": WAITING, "aborted": ABORTED, "promoted": PROMOTED, "paused": PAUSED}


def headline(page, text):
    expect(page.locator("#headline")).to_have_text(text)


def every_outcome_has_its_word_and_its_frame():
    with Engine() as engine, opened(engine.url) as page:
        frames = {}
        for name, state, text in [
            ("idle", IDLE, "blue serves everybody"),
            ("progressing", WAITING, "Trying yellow with 20\u00a0% of the requests"),
            ("aborted", ABORTED, "Rolled back: blue serves everybody"),
            ("promoted", PROMOTED, "Promoted: yellow serves everybody"),
            ("paused", PAUSED, "Paused: nobody knows yet about green"),
        ]:
            engine.tell(state)
            headline(page, text)
            expect(page.locator("#outcome")).to_have_attribute("data-phase", name)
            frames[name] = page.evaluate(
                """() => {
                  const { backgroundColor, borderTopStyle, borderTopWidth } = getComputedStyle(document.getElementById("outcome"));
                  return backgroundColor + borderTopStyle + borderTopWidth + document.querySelector("#mark path").getAttribute("d");
                }"""
            )
        assert len(set(frames.values())) == len(frames), frames
        # The tab says it as well.
        expect(page).to_have_title(re.compile("^Paused: nobody knows yet about green"))


def why_it_waits_is_said_with_the_time():
    with Engine() as engine, opened(engine.url) as page:
        engine.tell(WAITING)
        expect(page.locator("#why")).to_contain_text("needs about 120 more requests")
        expect(page.locator("#waits-said")).to_have_text(re.compile(r"^looks again in [123] s$"))
        # It counts down by itself, until the next state.
        expect(page.locator("#waits-said")).to_have_text("looks again in 1 s")
        engine.tell(ABORTED)
        expect(page.locator("#waits")).to_be_hidden()


def steps_pods_measurements_and_findings_are_shown():
    with Engine() as engine, opened(engine.url) as page:
        engine.tell(PROMOTED)
        headline(page, re.compile("^Promoted"))
        assert page.locator("#steps li").evaluate_all("all => all.map((step) => step.dataset.is)") == ["done"] * 5
        said = page.locator("#measurements li")
        expect(said).to_have_count(6)
        expect(said.first).to_contain_text("at 100 %, 93 % sure")
        expect(said.last).to_contain_text("needs about 120 more requests")
        expect(page.locator("#no-findings")).to_be_visible()
        expect(page.get_by_role("article", name="Canary")).to_contain_text("no canary")

        engine.tell(ABORTED)
        headline(page, re.compile("^Rolled back"))
        steps = page.locator("#steps li").evaluate_all("all => all.map((step) => step.dataset.is)")
        assert steps == ["stopped", "later", "later", "later", "later"], steps
        expect(page.locator("#steps li").first).to_have_attribute("aria-label", "Step 1, 20 %: stopped here")
        canary = page.get_by_role("article", name="Canary")
        expect(canary.locator(".errors")).to_have_text("22 (21.4 %)")
        expect(canary.locator(".pods li")).to_have_text(
            ["pod 0 CrashLoopBackOff, 3 restarts", "pod 1 OOMKilled, 1 restart", "pod 2 ready"]
        )
        finding = page.locator("#findings li").first
        expect(finding.locator(".what")).to_have_text("NullPointerException ColorResource:39")
        expect(finding.locator("pre")).to_have_text(fixture.NULL)
        expect(page.locator("#no-findings")).to_be_hidden()


def each_request_is_a_square_of_its_version():
    with Engine() as engine, opened(engine.url) as page:
        engine.tell(WAITING)
        headline(page, re.compile("^Trying yellow"))
        assert pixels(page, "#field", "--v-yellow") == 0
        engine.squares([["canary", 200, 4], ["stable", 200, 3], ["stable", 200, 150], ["canary", 500, 4]] * 24)
        blue = wait_for_pixels(page, "--v-blue")
        yellow, ink = pixels(page, "#field", "--v-yellow"), pixels(page, "#field", "--ink")
        assert blue > yellow > ink > 300, (blue, yellow, ink)
        # Stable is the ground that the canary stands on, in whatever order
        # they answered.
        half = """([top, color]) => {
          const shown = document.getElementById("field");
          const pen = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
          Object.assign(pen.canvas, { width: shown.width, height: shown.height });
          pen.fillStyle = getComputedStyle(document.documentElement).getPropertyValue(color);
          pen.fillRect(0, 0, 1, 1);
          const [r, g, b] = pen.getImageData(0, 0, 1, 1).data;
          pen.drawImage(shown, 0, 0);
          const { data } = pen.getImageData(0, top ? 0 : shown.height / 2 + 4, shown.width, shown.height / 2 - 4);
          let found = 0;
          for (let at = 0; at < data.length; at += 4) {
            if (data[at] === r && data[at + 1] === g && data[at + 2] === b) found += 1;
          }
          return found;
        }"""
        assert page.evaluate(half, [True, "--v-blue"]) == 0
        assert page.evaluate(half, [False, "--v-yellow"]) == 0


def wait_for_pixels(page, color):
    for _ in range(600):
        found = pixels(page, "#field", color)
        if found:
            return found
        page.evaluate("() => new Promise(requestAnimationFrame)")
    raise AssertionError(f"nothing is drawn in {color}")


def controls_ask_for_what_they_say():
    with Engine() as engine, opened(engine.url) as page:
        headline(page, "blue serves everybody")
        button = lambda name: page.get_by_role("button", name=name, exact=True)
        button("Release a good version").click()
        assert engine.was_posted() == ("/api/release", {"scenario": "good"})
        button("Release a bad one").click()
        assert engine.was_posted() == ("/api/release", {"scenario": "bad"})
        page.get_by_role("combobox").select_option(label="Log injection attack (goes back)")
        button("Release").click()
        assert engine.was_posted() == ("/api/release", {"scenario": "log-injection"})
        expect(button("Roll back")).to_be_disabled()
        button("Kill the plugin").click()
        assert engine.was_posted() == ("/api/plugin/kill", {})
        expect(page.locator("#told")).to_contain_text("killed")
        button("Cut the model off").click()
        assert engine.was_posted() == ("/api/model", {"up": False})

        engine.tell(PAUSED)
        headline(page, re.compile("^Paused"))
        expect(button("Release a good version")).to_be_disabled()
        expect(button("Kill the plugin")).to_be_disabled()
        expect(button("Cut the model off")).to_have_attribute("aria-pressed", "true")
        button("Cut the model off").click()
        assert engine.was_posted() == ("/api/model", {"up": True})
        engine.refuses = "there is nothing to roll back: release a version first\n"
        button("Roll back").click()
        assert engine.was_posted() == ("/api/rollback", {})
        expect(page.locator("#told")).to_have_text("there is nothing to roll back: release a version first")


def sliders_are_sent_and_stay_where_they_were_put():
    with Engine() as engine, opened(engine.url) as page:
        engine.tell(WAITING)
        slider = page.get_by_role("slider", name="Errors of canary")
        expect(slider).to_be_enabled()
        slider.focus()
        page.keyboard.press("End")
        path, sent = engine.was_posted()
        assert path == "/api/sliders" and sent["canary"] == {"error_percent": 100, "latency_ms": 0}, sent
        assert sent["stable"] == {"error_percent": 0, "latency_ms": 0}, sent
        expect(slider).to_have_attribute("aria-valuetext", "100 %")
        # Another page's slider moves this one.
        moved = fixture.state(**{**WAITING, "sliders": {**sent, "stable": {"error_percent": 0, "latency_ms": 250}}})
        engine.tell(moved)
        expect(page.get_by_role("slider", name="Added latency of stable")).to_have_value("250")
        expect(slider).to_have_value("100")


def a_reload_in_the_middle_is_right_at_once():
    with Engine() as engine, opened(engine.url) as page:
        engine.tell(ABORTED)
        headline(page, re.compile("^Rolled back"))
        before = page.locator("main").inner_text()
        page.reload()
        headline(page, re.compile("^Rolled back"))
        expect(page.locator("#findings li")).to_have_count(2)
        assert page.locator("main").inner_text() == before


def the_server_goes_and_comes_back():
    engine = Engine()
    engine.start()
    with opened(engine.url) as page:
        alert = page.get_by_role("alert")
        headline(page, "blue serves everybody")
        expect(alert).to_be_hidden()
        engine.stop()
        expect(alert).to_be_visible()
        expect(page.locator("#link")).to_have_text("no answer")
        engine.tell(WAITING)
        engine.start()
        headline(page, re.compile("^Trying yellow"))
        expect(alert).to_be_hidden()
        expect(page.locator("#link")).to_have_text("live")
    engine.stop()


def what_strangers_wrote_is_only_shown():
    with Engine() as engine, opened(engine.url) as page:
        engine.tell(ATTACKED)
        shown = HOSTILE.replace("\u202e", "\ufffd").replace("\u001b", "\ufffd")
        expect(page.locator("#findings pre").first).to_have_text(shown)
        expect(page.locator("#why")).to_have_text(shown)
        expect(page.locator("#measurements .message").first).to_have_text(shown)
        assert page.title().startswith("Rolled back: "), page.title()
        made = page.evaluate("document.querySelectorAll('main script, main img, main iframe, main object, main a').length")
        assert made == 0, made
        assert "\u202e" not in page.content()
        fits(page)


def axe_finds_nothing_serious():
    with Engine() as engine, chromium() as browser:
        for scheme in ("light", "dark"):
            for size in (PHONE, DESK):
                with page_of(browser, engine.url, size, scheme) as page:
                    for name, state in STATES.items():
                        engine.tell(state)
                        expect(page.locator("#outcome")).to_have_attribute("data-phase", state["phase"])
                        axe(page)
                    page.evaluate("document.getElementById('gone').hidden = false")
                    axe(page)


def it_fits_a_phone_and_a_hall():
    with Engine() as engine, chromium() as browser:
        for size in (PHONE, DESK, HALL):
            with page_of(browser, engine.url, size) as page:
                for state in (*STATES.values(), ATTACKED):
                    engine.tell(state)
                    expect(page.locator("#outcome")).to_have_attribute("data-phase", state["phase"])
                    expect(page.locator("#measurements li")).to_have_count(len(state["measurements"]))
                    fits(page)
                if size != PHONE:
                    box = page.locator("#field").bounding_box()
                    assert box["y"] + box["height"] < size[1], "the field is seen without scrolling"


if __name__ == "__main__":
    run(globals(), sys.argv[1:])
