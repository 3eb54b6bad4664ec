"""Inside the arms: curves and probes of all seeds, with bands that are t intervals, shown in every face."""

from __future__ import annotations

import re

import numpy as np
import pytest
from scipy import stats

from talan_eval.comparison import ContrastSpec, ItemTable, Origin, ScoreMatrix, StatisticsSettings, compare
from talan_eval.pipeline.inside import POINTS_OF_A_CURVE, inside_of
from talan_eval.report import latex, markdown, page, plots
from talan_eval.report.inside_words import blocks_beside_adapters, inside_table
from talan_eval.result.schema import Result

STEPS = 150


def log(seed, steps=STEPS, **signs):
    rng = np.random.default_rng(seed)
    curve = (2 / np.arange(1, steps + 1) + 0.01 * rng.random(steps)).tolist()
    held = [{"step": step, "loss": 1 / (step + 1) + 0.01 * seed} for step in (0, 75, 150)]
    return {
        "losses": curve,
        "signs": {"adapter_gradients": curve, "block_gradients": [], "gates": [], "held_out": held, **signs},
    }


def probe(seed, kl=0.3, block=None):
    found = {"adapter_kl": kl + 0.01 * seed, "block_kl": block}
    return (
        found if block is None else found | {"relative_write": 0.1, "bf16_survival": 0.5, "block_max_logit_change": 2}
    )


def arms(seeds=(0, 1, 2, 3)):
    gates = {seed: [0.001 * step for step in range(1, STEPS + 1)] for seed in seeds}
    plain = inside_of("lora", "micro", {s: log(s) for s in seeds}, {s: [probe(s), probe(s, 0.5)] for s in seeds}, 0.05)
    block = inside_of(
        "talan+lora",
        "micro",
        {s: log(s + 9, gates=gates[s], block_gradients=gates[s]) for s in seeds},
        {s: [probe(s, block=0.0003), probe(s, 0.5, block=0.0005)] for s in seeds},
        0.05,
    )
    return plain, block


def test_means_over_benchmarks_then_seeds_have_a_t_interval():
    plain, _ = arms()
    each = np.array([0.4 + 0.01 * seed for seed in range(4)])
    low, high = stats.t.interval(0.95, 3, each.mean(), stats.sem(each))
    assert plain.adapter_kl.mean == pytest.approx(each.mean())
    assert plain.adapter_kl.ci == (pytest.approx(low), pytest.approx(high))
    assert (plain.block_kl, plain.gate, plain.block_gradient, plain.relative_write) == (None,) * 4


def test_a_curve_is_thinned_by_means_of_stretches_and_ends_at_the_last_step():
    plain, block = arms()
    rows = np.array([log(seed)["losses"] for seed in range(4)])
    assert len(plain.loss.steps) == 50 <= POINTS_OF_A_CURVE
    assert plain.loss.steps[:2] == (3, 6)
    assert plain.loss.steps[-1] == STEPS
    assert plain.loss.mean[0] == pytest.approx(rows[:, :3].mean())
    last = rows[:, -3:].mean(axis=1)
    half = stats.t.ppf(0.975, 3) * last.std(ddof=1) / 2
    assert plain.loss.upper[-1] == pytest.approx(last.mean() + half)
    assert plain.held_out_loss.steps == (0, 75, 150)
    assert block.gate.mean[-1] == pytest.approx(0.149)


def test_two_seeds_have_no_band_and_unlike_logs_no_curves():
    plain, _ = arms((0, 1))
    assert plain.loss.lower is None
    assert plain.adapter_kl.ci is None
    assert inside_of("lora", "micro", {0: log(0), 1: log(1, steps=9)}, {}, 0.05) is None
    assert inside_of("lora", "micro", {}, {}, 0.05) is None
    uneven = inside_of("lora", "micro", {0: log(0), 1: log(1, held_out=[])}, {0: [probe(0)]}, 0.05)
    assert (uneven.held_out_loss, uneven.adapter_kl) == (None, None)


@pytest.fixture(scope="module")
def result():
    rng = np.random.default_rng(1)
    items = ItemTable("gsm", "exact_match", tuple(f"i{n}" for n in range(30)), "0" * 12)
    names = ("lora", "talan+lora")
    matrices = [
        ScoreMatrix("micro", arm, items, (0, 1, 2, 3), (rng.random((4, 30)) < 0.5).astype(float)) for arm in names
    ]
    spec = ContrastSpec(*names)
    found = compare(matrices, [spec], Origin({"made": "here"}), StatisticsSettings(resamples=60))
    return found.model_copy(update={"inside": arms()})


def test_the_sentence_says_how_much_less_the_block_does(result):
    (said,) = blocks_beside_adapters(result)
    assert re.fullmatch(
        r"The block of talan\+lora changes next-token distributions 1\.04e\+03 times less than its adapter "
        r"\(KL 0\.0004 \(\S+ to \S+\) against 0\.415 \(0\.39\d* to 0\.43\d*\) nats, 4 seeds\)\.",
        said,
    )
    more = result.inside[1].model_copy(
        update={"block_kl": result.inside[1].adapter_kl, "adapter_kl": result.inside[1].block_kl}
    )
    assert "times more" in blocks_beside_adapters(result.model_copy(update={"inside": (more,)}))[0]
    none = result.inside[1].block_kl.model_copy(update={"mean": 0.0})
    dead = result.inside[1].model_copy(update={"block_kl": none})
    assert "changes no next-token" in blocks_beside_adapters(result.model_copy(update={"inside": (dead,)}))[0]


def test_every_face_shows_the_numbers_with_their_intervals(result):
    table = inside_table(result)
    assert [column.name for column in table.columns][:4] == ["arm", "training loss", "held-out loss", "adapter KL"]
    cell = next(row for row in table.texts() if row[0] == "talan+lora")[3]
    assert re.fullmatch(r"0\.415 \(0\.39\d* to 0\.43\d*\)", cell)
    for text in (markdown.render(result), page.render(result), latex.render(result)):
        assert "Inside the arms" in text
        assert "0.415 (" in text
    assert Result.from_json(result.to_json()) == result


def test_the_curves_are_drawn_where_there_are_any(result):
    named = {one.name: one for one in plots.draw(result)}
    assert "held-out loss" in named["training"].svg
    assert "talan+lora" in named["training"].svg
    assert "training" not in {one.name for one in plots.draw(result.model_copy(update={"inside": ()}))}
