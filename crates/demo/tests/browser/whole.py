"""Whole releases, from the button to the outcome, in a real Chromium.

usage: whole.py TEST ADDRESS
"""

import re
import sys

from browser import axe, expect, fits, opened, pixels, run, until

# A release takes some ten seconds on an idle machine.
RELEASE_MS = 240_000


def headline(page, pattern):
    expect(page.locator("#headline")).to_have_text(re.compile(pattern), timeout=RELEASE_MS)


def weights_seen(page):
    """Keeps the weights and the phases that the page goes through."""
    page.evaluate(
        """() => {
          window.seen = [];
          const note = () => {
            const now = document.getElementById("headline").textContent;
            if (window.seen.at(-1) !== now) window.seen.push(now);
          };
          new MutationObserver(note).observe(document.getElementById("headline"), { childList: true, characterData: true, subtree: true });
          note();
        }"""
    )


def a_good_release_is_promoted_before_our_eyes(url):
    with opened(url) as page:
        headline(page, "serves everybody$")
        stable = page.locator("#stable .name").inner_text()
        weights_seen(page)
        page.get_by_role("button", name="Release a good version").click()
        headline(page, "^Trying ")
        # Why it waits, before it knows.
        expect(page.locator("#measurements")).to_contain_text("more requests", timeout=RELEASE_MS)
        headline(page, "^Promoted: ")
        version = page.locator("#stable .name").inner_text()
        assert version != stable, version
        expect(page.locator("#outcome")).to_have_attribute("data-phase", "promoted")
        expect(page.locator("#measurements li[data-phase=Successful]").first).to_be_visible()
        expect(page.locator("#measurements li[data-phase=Failed]")).to_have_count(0)
        assert page.locator("#steps li").evaluate_all("all => all.every((step) => step.dataset.is === 'done')")
        seen = page.evaluate("window.seen")
        weights = [int(re.search(r"(\d+)\u00a0%", text)[1]) for text in seen if text.startswith("Trying")]
        assert weights == sorted(weights) and {20, 40, 60, 80} <= set(weights), seen
        until(page, "() => Number(document.querySelector('#stable .requests').textContent.replaceAll(/\\D/g, '')) > 300")
        axe(page)


def a_bad_release_is_rolled_back_before_our_eyes(url):
    with opened(url) as page:
        headline(page, "serves everybody$")
        stable = page.locator("#stable .name").inner_text()
        weights_seen(page)
        page.get_by_role("button", name="Release a bad one").click()
        headline(page, "^Trying bad-")
        # A reload in the middle loses nothing.
        page.reload()
        weights_seen(page)
        headline(page, "^Rolled back: ")
        expect(page.locator("#outcome")).to_have_attribute("data-phase", "aborted")
        expect(page.locator("#why")).to_contain_text("canary aborted")
        expect(page.locator("#why")).to_contain_text("NullPointerException")
        expect(page.locator("#measurements li[data-phase=Failed]").first).to_be_visible()
        expect(page.locator("#findings")).to_contain_text("NullPointerException")
        assert page.locator("#findings pre").first.inner_text().strip()
        assert pixels(page, "#field", "--ink") > 300, "errors are seen among the squares"
        expect(page.locator("#stable .name")).to_have_text(stable)
        seen = page.evaluate("window.seen")
        weights = [int(re.search(r"(\d+)\u00a0%", text)[1]) for text in seen if text.startswith("Trying")]
        assert not weights or max(weights) <= 40, seen
        fits(page)
        axe(page)
        # The next release starts from here.
        expect(page.get_by_role("button", name="Release a good version")).to_be_enabled()


def the_plugin_is_killed_in_the_middle_and_the_release_goes_on(url):
    with opened(url) as page:
        headline(page, "serves everybody$")
        page.get_by_role("button", name="Release a good version").click()
        headline(page, "^Trying ")
        page.get_by_role("button", name="Kill the plugin").click()
        expect(page.locator("#told")).to_contain_text("killed")
        headline(page, "^Promoted: ")
        expect(page.locator("#parts")).to_contain_text(re.compile(r"started [2-9] times"))


def sliders_in_the_middle_break_a_good_release(url):
    with opened(url) as page:
        headline(page, "serves everybody$")
        page.get_by_role("button", name="Release a good version").click()
        headline(page, "^Trying .* 20\u00a0%")
        slider = page.get_by_role("slider", name="Errors of canary")
        expect(slider).to_be_enabled()
        slider.fill("60")
        headline(page, "^Rolled back: ")
        expect(page.locator("#why")).to_contain_text("5xx")


if __name__ == "__main__":
    run(globals(), sys.argv[1:])
