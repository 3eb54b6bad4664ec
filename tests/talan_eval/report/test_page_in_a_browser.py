"""The page in a real headless Chromium, from file://: console, keyboard, sorting, answers, accessibility."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from talan_eval.comparison import CellScores, compare
from talan_eval.planning.advice import advise, power_curves
from talan_eval.report.context import Answer, Context, Flip, Flips
from talan_eval.report.page import render

pytestmark = pytest.mark.browser
HOSTILE = "<script>document.title='broken'</script>\x1b[31m\ud800<img src=x onerror=\"document.title='broken'\">"
NAMES = ("chromium", "chromium-browser", "google-chrome")
AXE = Path(__file__).parents[3] / "build" / "axe" / "node_modules" / "axe-core" / "axe.min.js"


class Browser:
    """Chromium spoken to over its debugging pipe (file descriptors 3 and 4, messages ended by NUL)."""

    def __init__(self, program, profile):
        to_read, self._write = os.pipe()
        self._read, to_write = os.pipe()
        # the program expects its ends as descriptors 3 and 4
        words = [
            "bash", "-c", f'exec "$0" "$@" 3<&{to_read} 4>&{to_write}', program, "--headless", "--no-sandbox",
            "--disable-gpu", "--remote-debugging-pipe", f"--user-data-dir={profile}", "--window-size=1280,900",
            "about:blank",
        ]  # fmt: skip
        self._process = subprocess.Popen(words, pass_fds=(to_read, to_write), stderr=subprocess.DEVNULL)
        os.close(to_read)
        os.close(to_write)
        self._number, self._rest, self.events = 0, b"", []
        target = self.send("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.send("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.tell(f"{domain}.enable")

    def send(self, method, session=None, **params):
        self._number += 1
        message = {"id": self._number, "method": method, "params": params} | ({"sessionId": session} if session else {})
        os.write(self._write, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next()
            if answer.get("id") == self._number:
                assert "error" not in answer, answer
                return answer["result"]
            self.events.append(answer)

    def tell(self, method, **params):
        return self.send(method, self._session, **params)

    def run(self, script):
        found = self.tell("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def press(self, key, code):
        for kind in ("keyDown", "keyUp"):
            text = {"text": "\r"} if key == "Enter" and kind == "keyDown" else {}
            self.tell("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code, **text)

    def open(self, path):
        self.tell("Page.navigate", url=path.as_uri())
        self.run("new Promise(done => document.readyState === 'complete' ? done() : addEventListener('load', done))")

    def close(self):
        self.send("Browser.close")
        self._process.wait(timeout=20)
        os.close(self._write)
        os.close(self._read)

    def _next(self):
        while b"\0" not in self._rest:
            part = os.read(self._read, 1 << 16)
            assert part, "the browser closed its end"
            self._rest += part
        message, self._rest = self._rest.split(b"\0", 1)
        return json.loads(message)


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    draw = np.random.default_rng(0)
    cells = [
        CellScores(
            backbone="micro", task=task, metric="acc", seeds=tuple(range(7)),
            item_ids=tuple(f"i{n}" for n in range(80)),
            base=(draw.random((7, 80)) < 0.5).astype(float), treat=(draw.random((7, 80)) < share).astype(float),
        )
        for task, share in (("gsm8k_micro", 0.5), ("mbpp_micro", 0.8), ("math500_micro", 0.2))
    ]  # fmt: skip
    result = compare(cells, base="lora", treat="talan+lora", provenance={"note": HOSTILE[:20]}, sandbox={})
    right, wrong = Answer(1.0, "match", "4", "equal", HOSTILE), Answer(0.0, "mismatch", None, HOSTILE, HOSTILE)
    places = [(cell, seed, item) for cell in range(3) for seed in range(7) for item in range(20)]
    answers = [(right, wrong) if item % 3 else (wrong, right) for _, _, item in places]
    entries = tuple(
        Flip(cell, seed, f"i{item}", base.score, treat.score)
        for (cell, seed, item), (base, treat) in zip(places, answers, strict=True)
    )
    file = tmp_path_factory.mktemp("page") / "report.html"
    context = Context(flips=Flips(entries, answers), power=power_curves(result), advice=advise(result))
    file.write_text(render(result, context), encoding="utf-8")
    return file


@pytest.fixture
def browser(page, tmp_path):
    program = next((name for name in NAMES if shutil.which(name)), None)
    if program is None:
        pytest.skip("needs Chromium: apt-get install chromium")
    opened = Browser(program, tmp_path / "profile")
    opened.open(page)
    yield opened
    opened.close()


def test_it_opens_without_a_console_message_and_without_any_request(browser, page):
    browser.run("1")
    said = [
        event
        for event in browser.events
        if event["method"] in {"Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Log.entryAdded"}
    ]
    assert said == []
    asked = {
        event["params"]["request"]["url"] for event in browser.events if event["method"] == "Network.requestWillBeSent"
    }
    assert not [url for url in asked if not url.startswith(("data:", "about:")) and url != page.as_uri()]


def test_a_console_error_would_be_seen(browser):
    browser.run("setTimeout(() => { throw new Error('control') }, 0); new Promise(done => setTimeout(done, 100))")
    assert any(event["method"] == "Runtime.exceptionThrown" for event in browser.events)


def test_columns_sort_by_number_and_say_so(browser):
    delta = "[...document.querySelectorAll('#main thead th')].findIndex(h => h.textContent.trim() === 'delta')"
    browser.run(f"document.querySelectorAll('#main thead button')[{delta}].click()")
    column = f"[...document.querySelectorAll('#main tbody tr')].map(r => parseFloat(r.cells[{delta}].textContent))"
    values = browser.run(column)
    assert values == sorted(values)
    assert browser.run(f"document.querySelectorAll('#main thead th')[{delta}].getAttribute('aria-sort')") == "ascending"
    assert "mean" in browser.run("document.querySelector('#main tfoot').textContent")


def test_a_flip_opens_with_the_keyboard_and_shows_hostile_text_as_text(browser):
    browser.run("document.querySelector('#flips summary').focus()")
    browser.press("Enter", 13)
    shown = browser.run(
        "new Promise(d => setTimeout(() => d(document.querySelector('#flips details[open] pre')?.textContent), 200))"
    )
    assert shown.startswith("<script>document.title=")
    assert browser.run("document.querySelectorAll('#flips img, #flips script').length") == 0
    assert "broken" not in browser.run("document.title")


def test_every_control_is_reached_with_the_tab_key(browser):
    browser.run("document.activeElement.blur()")
    reached = set()
    for _ in range(90):
        browser.press("Tab", 9)
        reached.add(browser.run("document.activeElement.id || document.activeElement.tagName"))
    assert {"by-cell", "by-seed", "by-kind", "by-item", "more", "BUTTON", "SUMMARY", "DIV"} <= reached


def test_filters_choose_and_more_continues(browser):
    assert browser.run("document.getElementById('count').textContent") == "50 of 420 shown"
    browser.run("document.getElementById('more').click()")
    assert browser.run("document.querySelectorAll('#flips details').length") == 100
    browser.run("const k = document.getElementById('by-kind'); k.value = 'lost'; k.dispatchEvent(new Event('input'))")
    kinds = browser.run("[...new Set([...document.querySelectorAll('#flips .tag')].map(t => t.textContent))]")
    assert kinds == ["lost"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_accessibility_has_no_serious_finding(browser, scheme):
    if not AXE.is_file():
        pytest.skip("needs axe-core: npm install --prefix build/axe axe-core")
    browser.tell("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
    browser.run("document.querySelector('#flips details').open = true")
    browser.run(AXE.read_text())
    found = browser.run(
        "axe.run().then(r => r.violations.map(v => [v.id, v.impact, v.nodes.map(n => n.html + n.failureSummary)]))"
    )
    assert [finding for finding in found if finding[1] in {"serious", "critical"}] == []
