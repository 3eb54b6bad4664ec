"""The page on internals shows what the committed measurement found, and its figures are drawn from it."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path

import pytest

from talan_eval.internals import faces
from talan_eval.internals.findings import Internals
from talan_eval.internals.sentences import gain, number, with_interval
from talan_eval.report.markdown import escape

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def page():
    spec = importlib.util.spec_from_file_location("internals_page", ROOT / "benchmarks" / "internals_page.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


@pytest.fixture(scope="module")
def found(page):
    return Internals.from_json(page.RESULT.read_text())


@pytest.fixture(scope="module")
def whole(page):
    return Internals.from_json(page.WHOLE.read_text())


@pytest.fixture(scope="module")
def larger(page):
    return Internals.from_json(page.LARGER.read_text())


def test_the_measured_part_is_what_the_script_writes(page, found, whole, larger):
    shown = page.PAGE.read_text()
    assert page.updated(shown, found, whole, larger) == shown
    changed = shown.replace("| exactly 0 |", "| about 0 |", 1)
    assert changed != shown
    assert page.updated(changed, found, whole, larger) == shown
    with pytest.raises(ValueError, match="no block"):
        page.updated("# Inside\n", found, whole, larger)


def test_numbers_of_the_page_are_those_of_the_measurement(page, found, larger):
    shown = page.PAGE.read_text()
    arms = [arm for arm in (*found.arms, *larger.arms) if arm.arm in page.DETAILED]
    assert len(arms) == len(page.DETAILED) + 1
    for arm in arms:
        assert len(arm.seeds) >= 5
        for name in ("ratio_of_effects", "end_cosine", "amplification", "amplification_bf16", "block_kl"):
            assert f"| {with_interval(arm.tasks[0].values[name])} |" in shown


def test_each_configuration_stands_with_its_gain_and_what_is_inside(page, found):
    shown = page.PAGE.read_text()
    one, both = found.configurations
    assert len(one.others) == len(both.others) == 5
    gains = {one.best: gain(one.best_gain, one.best_ci)}
    gains |= {other.arm: gain(other.gain, other.ci) for other in one.others}
    assert all(" to " in text for text in gains.values())
    for arm in (arm for arm in found.arms if arm.arm in gains):
        row = next(line for line in shown.splitlines() if line.startswith(f"| {escape(arm.arm)} | {gains[arm.arm]} |"))
        assert with_interval(arm.tasks[0].values["kl_over_random"]) in row
        assert page.farthest(arm) in row
    for kind in found.configurations:
        assert f"rank correlation {number(kind.spearman)}, permutation p {number(kind.p)}" in shown


def test_each_figure_of_the_page_is_committed(page):
    named = re.findall(r"!\[[^]]*\]\(figures/(internals-[^)]+)\)", page.PAGE.read_text())
    assert len(named) >= 5
    assert all((page.FIGURES / name).read_bytes().startswith(b"\x89PNG") for name in named)


@pytest.mark.parametrize("which", ["RESULT", "LARGER"])
def test_the_committed_write_up_is_that_of_its_document(page, which):
    pytest.importorskip("matplotlib")
    place = getattr(page, which)
    found = Internals.from_json(place.read_text())
    assert faces.render(found)["internals.md"].decode() == (place.parent / "internals.md").read_text()


def test_what_was_measured_once_before_by_other_code_comes_out_again(page, whole):
    """On seed 0 alone; over which positions is not known, and over all of them it is nearest."""
    assert whole.measurement.positions == "all"
    arms = {one.arm: one for one in whole.arms}
    for pilot in page.PILOTS[:4]:
        write = arms[pilot.arm].tasks[0].values["relative_write"].by_seed[0]
        assert write == pytest.approx(pilot.relative_write, rel=page.WITHIN)
        assert f"| {write / pilot.relative_write:.2f} |" in page.earlier(whole)
    direct = arms["talan[writeback=direct]+lora"].tasks[0].values["block_kl"]
    assert direct.by_seed[0] == pytest.approx(page.PILOTS[3].block_kl, rel=page.WITHIN)


def test_a_figure_that_is_not_reproduced_is_marked_and_an_arm_that_is_not_there_is_named(page, whole):
    text = page.earlier(whole)
    kl = next(line for line in text.splitlines() if line.startswith("| talan+lora | KL of the block |"))
    assert kl.endswith("not within a fifth |")
    assert "not within" not in next(line for line in text.splitlines() if line.startswith("| talan+lora | \\|p"))
    fewer = page.earlier(whole.model_copy(update={"arms": whole.arms[:-1]}))
    assert "| talan\\[lr_scale=10.0\\]+lora | all three | | not measured | |" in fewer
