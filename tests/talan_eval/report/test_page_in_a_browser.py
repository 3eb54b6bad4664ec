"""The page in a real headless Chromium, from file://: console, keyboard, sorting, answers, accessibility."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest

from talan_eval.comparison import ContrastSpec, ItemTable, Origin, ScoreMatrix, compare
from talan_eval.planning.advice import advise, power_curves
from talan_eval.report import plots
from talan_eval.report.context import Context, Flip, Flips, GradedAnswer, Question
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


COUNT = "document.getElementById('count').textContent"
TASKS = ("gsm8k_micro", "mbpp_micro", "math500_micro")
ARMS = {"lora": (0.5, 0.5, 0.5), "talan+lora": (0.5, 0.8, 0.2), "dora": (0.4, 0.5, 0.6)}


def written(file, treatments, items=20):
    """Write the page of some treatments against lora, with hostile answers."""
    draw = np.random.default_rng(0)
    matrices = [
        ScoreMatrix(
            "micro", arm, ItemTable(task, "acc", tuple(f"i{n}" for n in range(80)), "0" * 12), tuple(range(7)),
            (draw.random((7, 80)) < ARMS[arm][place]).astype(float),
        )
        for place, task in enumerate(TASKS) for arm in ("lora", *treatments)
    ]  # fmt: skip
    contrasts = [ContrastSpec("lora", arm) for arm in treatments]
    result = compare(matrices, contrasts, Origin(provenance={"note": HOSTILE[:20]}))
    right, wrong = (
        GradedAnswer(1.0, "match", "4", "equal", f"{HOSTILE} two plus two is 4"),
        GradedAnswer(0.0, "mismatch", None, HOSTILE, f"{HOSTILE} two plus two is five"),
    )
    questions = {
        (task, f"i{n}"): Question(f"{HOSTILE} What is 2 + 2? ({task} {n})", "4") for task in TASKS for n in range(20)
    }
    places = [(n, cell, seed, item) for n in range(len(contrasts)) for cell in range(3) for seed in range(7)
              for item in range(items)]  # fmt: skip
    answers = [(right, wrong) if item % 3 else (wrong, right) for *_, item in places]
    entries = tuple(
        Flip(number, cell, seed, f"i{item}", base.score, treatment.score)
        for (number, cell, seed, item), (base, treatment) in zip(places, answers, strict=True)
    )
    advice = tuple(advise(result) for _ in contrasts)
    flips = Flips(entries, answers, questions=questions, notes=("mbpp_micro: the answers of seed 6 are not here.",))
    context = Context(flips=flips, power=power_curves(result), advice=advice)
    narrow = plots.draw(result, context, column=True)
    file.write_text(render(result, context, narrow=narrow), encoding="utf-8")
    return file


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    return written(tmp_path_factory.mktemp("page") / "report.html", ("talan+lora",))


@pytest.fixture(scope="module")
def several(tmp_path_factory):
    return written(tmp_path_factory.mktemp("page") / "several.html", ("talan+lora", "dora"))


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
    assert "What is 2 + 2?" in shown
    assert browser.run("document.querySelectorAll('#flips img, #flips script').length") == 0
    assert "broken" not in browser.run("document.title")


def test_every_control_is_reached_with_the_tab_key(browser):
    browser.run("document.activeElement.blur()")
    reached = set()
    for _ in range(140):
        browser.press("Tab", 9)
        reached.add(browser.run("document.activeElement.id || document.activeElement.tagName"))
    assert {"by-cell", "by-seed", "by-kind", "by-item", "more", "BUTTON", "SUMMARY", "DIV"} <= reached


def test_filters_choose_and_more_continues(browser):
    assert browser.run(COUNT) == "50 of 60 items shown"
    browser.run("document.getElementById('more').click()")
    assert browser.run("document.querySelectorAll('#flips details').length") == 60
    browser.run("const k = document.getElementById('by-kind'); k.value = 'lost'; k.dispatchEvent(new Event('input'))")
    kinds = browser.run("[...new Set([...document.querySelectorAll('#flips .tag')].map(t => t.textContent))]")
    assert kinds == ["lost at 7"]


def test_an_item_has_question_target_and_both_answers_of_every_seed_under_the_arms_names(browser):
    browser.run("document.querySelector('#flips details').open = true; new Promise(done => setTimeout(done, 100))")
    titles = browser.run("[...document.querySelectorAll('#flips h3')].map(h => h.textContent)")
    assert titles == ["Question", "Target", *(f"lost seed {seed}" for seed in range(7))]
    arms = browser.run("[...new Set([...document.querySelectorAll('#flips h4')].map(h => h.textContent))]")
    assert arms == ["lora", "talan+lora"]
    assert browser.run("document.querySelectorAll('#flips .question pre')[1].textContent") == "4"
    marked = browser.run("[...new Set([...document.querySelectorAll('#flips mark')].map(m => m.textContent))]")
    assert sorted(marked) == ["4", "five"]  # and nothing of what both say
    pair = browser.run(
        "[...document.querySelectorAll('#flips .arms')[0].querySelectorAll('pre')].map(p => p.textContent)"
    )
    assert pair[0].endswith("two plus two is 4")
    assert pair[1].endswith("two plus two is five")


def test_items_are_found_by_words_of_question_and_answer(browser):
    search = (
        "new Promise(done => {{ const field = document.getElementById('by-item'); field.value = {!r}; "
        "field.dispatchEvent(new Event('input')); setTimeout(() => done(" + COUNT + "), 400) }})"
    )
    assert browser.run(search.format("(math500_micro 7)")) == "1 of 1 items shown"
    assert browser.run(search.format("IS FIVE")) == "50 of 60 items shown"
    assert browser.run(search.format("no such words")) == "0 of 0 items shown"


def test_what_is_missing_is_declared(browser):
    assert "seed 6 are not here" in browser.run("document.querySelector('.lacking').textContent")


def test_the_verdict_is_a_badge_with_its_estimand_above_the_contents(browser):
    assert browser.run("document.querySelector('header .badge').textContent") == "inconclusive"
    assert "E1" in browser.run("document.querySelector('header .about').textContent")
    links = browser.run("[...document.querySelectorAll('.contents a')].map(a => a.hash.slice(1))")
    assert {"h-main-1", "h-figures", "h-flips", "h-read", "d-provenance"} <= set(links)
    assert browser.run(f"{links}.filter(id => !document.getElementById(id))") == []
    browser.run("document.querySelector('.contents a[href=\"#d-provenance\"]').click()")
    assert browser.run("document.getElementById('d-provenance').open") is True


def test_columns_look_as_if_they_could_be_sorted(browser):
    sign = "getComputedStyle(document.querySelector('#main thead button'), '::after').content"
    assert browser.run(sign) == '"\u2195"'
    browser.run("document.querySelector('#main thead button').click()")
    assert browser.run(sign) == '"\u2191"'


def test_print_shows_details_and_no_controls(browser):
    browser.run("dispatchEvent(new Event('beforeprint'))")
    browser.tell("Emulation.setEmulatedMedia", media="print")
    assert browser.run("[...document.querySelectorAll('details.block')].every(part => part.open)") is True
    assert browser.run("getComputedStyle(document.getElementById('controls')).display") == "none"
    assert browser.run("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"


def test_a_page_of_a_hundred_thousand_answers_opens_at_once_and_stays_small(browser, tmp_path):
    file = written(tmp_path / "large.html", ("talan+lora",), items=2400)
    assert file.stat().st_size < 15_000_000
    began = time.monotonic()
    browser.open(file)
    assert "items shown" in browser.run(COUNT)
    assert time.monotonic() - began < 10, "2 s on an idle machine"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("contrasts", [1, 2])
def test_accessibility_has_no_serious_finding(browser, several, contrasts, scheme):
    if not AXE.is_file():
        pytest.skip("needs axe-core: npm install --prefix build/axe axe-core")
    if contrasts > 1:
        browser.open(several)
    browser.tell("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
    browser.run("document.querySelector('#flips details').open = true")
    browser.run(AXE.read_text())
    found = browser.run(
        "axe.run().then(r => r.violations.map(v => [v.id, v.impact, v.nodes.map(n => n.html + n.failureSummary)]))"
    )
    assert [finding for finding in found if finding[1] in {"serious", "critical"}] == []


SEEN = "[...document.querySelectorAll('.contrast')].filter(one => !one.hidden).map(one => one.dataset.contrast)"
SHOWN_FIGURES = "[...document.querySelectorAll('figure[data-contrast]')].filter(f => !f.hidden).map(f => f.id)"


def test_the_switch_shows_one_contrast_with_its_figures_and_flips_from_the_keyboard(browser, several):
    browser.open(several)
    assert browser.run(SEEN) == ["0"]
    assert browser.run(COUNT) == "50 of 60 items shown"
    browser.run("document.getElementById('contrast').focus()")
    browser.press("ArrowDown", 40)
    assert browser.run(SEEN) == ["1"]
    assert browser.run(SHOWN_FIGURES) == ["figure-slopes-2", "figure-flips-2"]
    browser.run("document.querySelector('#flips details').open = true")
    titles = "[...new Set([...document.querySelectorAll('#flips h4')].map(h => h.textContent))]"
    assert browser.run(f"new Promise(done => setTimeout(() => done({titles}), 50))") == ["lora", "dora"]
    browser.press("ArrowDown", 40)
    assert browser.run(SEEN) == ["0", "1"]
    assert browser.run(COUNT) == "50 of 120 items shown"


def test_a_row_of_the_matrix_leads_to_its_contrast(browser, several):
    browser.open(several)
    browser.run("document.querySelectorAll('[aria-labelledby=h-matrix] tbody a')[1].focus()")
    browser.press("Enter", 13)
    browser.run("new Promise(done => setTimeout(done, 200))")
    assert browser.run(SEEN) == ["1"]
    assert browser.run("document.getElementById('contrast').value") == "1"
    assert browser.run("document.activeElement.id") == "contrast-2"


def test_the_matrix_sorts_by_the_difference(browser, several):
    browser.open(several)
    rows = "[...document.querySelectorAll('[aria-labelledby=h-matrix] tbody tr')]"
    browser.run("document.querySelectorAll('[aria-labelledby=h-matrix] thead button')[1].click()")
    values = browser.run(f"{rows}.map(row => parseFloat(row.cells[1].textContent))")
    assert values == sorted(values)


@pytest.mark.parametrize("width", [360, 1280])
def test_no_page_is_wider_than_its_window(browser, page, several, width):
    browser.tell("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=width < 500)
    for file in (page, several):
        browser.open(file)
        assert browser.run("document.documentElement.scrollWidth") <= width


def test_a_phone_is_shown_figures_that_were_drawn_for_it_with_text_that_can_be_read(browser):
    browser.tell("Emulation.setDeviceMetricsOverride", width=360, height=900, deviceScaleFactor=1, mobile=True)
    shown = "[...document.querySelectorAll('figure svg')].filter(svg => svg.getBoundingClientRect().width > 0)"
    assert browser.run(f"{shown}.every(svg => svg.closest('.narrow'))") is True
    sizes = browser.run(
        f"{shown}.flatMap(svg => [...svg.querySelectorAll('text')].map(t => t.getBoundingClientRect().height))"
    )
    assert len(sizes) > 20
    assert min(sizes) > 7
    browser.tell("Emulation.setDeviceMetricsOverride", width=1280, height=900, deviceScaleFactor=1, mobile=False)
    assert browser.run(f"{shown}.every(svg => svg.closest('.wide'))") is True


def test_without_scripts_every_contrast_is_shown(several):
    html = several.read_text(encoding="utf-8")
    assert html.count('class="contrast"') == 2
    assert not re.search(r'<div class="contrast"[^>]*hidden', html)
