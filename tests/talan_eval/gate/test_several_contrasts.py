"""Several contrasts in one gate: each must pass, the worst decides, and each number stands under its contrast."""

from __future__ import annotations

import json

import numpy as np
import pytest
from lxml import etree

from talan_core.errors import UserError
from talan_eval.comparison import ContrastSpec, Origin, compare
from talan_eval.gate import CheckOutcome, GateSettings, decide
from talan_eval.gate.difference import difference_tables, sentences
from talan_eval.gate.document import to_json
from talan_eval.gate.facts import MustPassItem
from talan_eval.gate.github import annotate
from talan_eval.gate.junit import render
from talan_eval.gate.table import check_table, markdown
from talan_eval.gate.wording import headline
from talan_eval.report import format as fmt
from talan_eval.result.choosing import chosen_contrasts
from talan_eval.stats.guard import tail_p
from talan_eval.stats.multiplicity import holm

ITEMS = 2000


def gate(result, margin=1.0, contrasts=(), **options):
    return decide(
        result, GateSettings(margin, **options), contrasts=chosen_contrasts(result, contrasts) if contrasts else ()
    )


def named(report, name):
    (check,) = [check for check in report.checks if check.name == name]
    return check


@pytest.mark.parametrize(
    ("losses", "spread", "outcome"),
    [
        ({"a": 0.0, "b": 0.0}, 0.0, CheckOutcome.PASS),
        ({"a": 0.0, "b": 0.2}, 0.0, CheckOutcome.FAIL),
        ({"a": 0.2, "b": 0.0}, 0.0, CheckOutcome.FAIL),
        ({"a": 0.0, "b": 0.0}, 0.1, CheckOutcome.INCONCLUSIVE),
        ({"a": 0.3, "b": 0.0}, 0.1, CheckOutcome.FAIL),
    ],
)
def test_the_worst_contrast_decides(many, losses, spread, outcome):
    report = gate(many(losses, items=ITEMS, spread=spread))
    assert report.outcome is outcome
    assert report.subject == "2 contrasts (a against lora, b against lora)"


def test_incomplete_is_worse_than_a_loss(many):
    declared = {"experiment": {"seeds": list(range(8)), "tasks": [{"name": "gsm8k_micro", "n_items": ITEMS}]}}
    report = gate(many({"a": 0.2, "b": 0.0}, items=ITEMS, provenance=declared))
    assert report.outcome is CheckOutcome.INCOMPLETE
    assert "a against lora: gsm8k_micro: no complete pair for seed 7" in headline(report)


def test_one_chosen_contrast_says_what_it_would_say_alone(many):
    both, alone = many({"a": 0.0, "b": 0.2}, items=ITEMS), many({"a": 0.0}, items=ITEMS)
    report, expected = gate(both, contrasts=("a:lora",)), gate(alone)
    assert report.outcome is CheckOutcome.PASS
    assert (report.checks, report.subject, report.worst_flips) == (
        expected.checks, expected.subject, expected.worst_flips,
    )  # fmt: skip
    assert gate(both, contrasts=("b:lora",)).outcome is CheckOutcome.FAIL
    assert gate(both, contrasts=("b:lora", "a:lora")) == gate(both)


def test_each_mean_stands_under_its_contrast(many):
    found = many({"a": 0.05, "b": -0.1}, items=ITEMS)
    report = gate(found)
    for contrast in found.contrasts:
        check = named(report, f"{contrast.name}: mean")
        assert check.delta == pytest.approx(contrast.aggregate.delta)
        assert check.text.startswith(f"{contrast.name}: ")
        assert fmt.gain(contrast.aggregate.delta) in check.text
    assert named(report, "a against lora: mean").delta == pytest.approx(-5)
    assert named(report, "b against lora: mean").delta == pytest.approx(10)


def test_losses_are_judged_after_holm_over_the_contrasts(many):
    arms = dict.fromkeys("abcdefgh", 0.0) | {"z": 0.0035}
    found = many(arms, items=300, seeds=7, spread=0.004, rng=3)
    raw = []
    for contrast in found.contrasts:
        mean = contrast.aggregate
        p = max(
            tail_p(abs(mean.delta) / t.se, np.inf if t.df is None else t.df) if t.se else 0.0 for t in mean.e1.terms
        )
        raw.append(p / 2 if mean.delta < 0 else 0.5 if mean.delta == 0 else 1 - p / 2)
    report = gate(found, margin=0.1)
    got = [named(report, f"{contrast.name}: mean").p_fail for contrast in found.contrasts]
    assert got == pytest.approx(list(holm(np.array(raw))))
    shown = named(report, "z against lora: mean")
    assert f"p of a loss {fmt.p_value(shown.p_fail, 0.05)} after Holm over 9 contrasts." in shown.text


def test_a_loss_that_holds_alone_and_not_after_holm_does_not_fail(many):
    arms = dict.fromkeys("abcdefgh", 0.0) | {"z": 0.02}
    for items in range(60, 400, 10):
        found = many(arms, items=items, spread=0.02)
        alone, among = gate(found, contrasts=("z:lora",)), gate(found)
        if alone.outcome is CheckOutcome.FAIL and named(among, "z against lora: mean").outcome is not CheckOutcome.FAIL:
            break
    else:
        pytest.fail("no size shows the difference")
    check = named(among, "z against lora: mean")
    assert named(alone, "mean").upper < 0
    assert check.upper >= 0  # the bound is adjusted as the p beside it is
    assert check.outcome is CheckOutcome.INCONCLUSIVE
    assert check.p_fail >= 0.05
    assert check.seeds_to_decide > 7
    assert "no loss was shown" in check.text


def test_single_benchmarks_are_one_family_over_all_contrasts(many):
    tasks = ("x", "y")
    found = many({"a": 0.02, "b": 0.0, "c": 0.0}, tasks=tasks, items=400, spread=0.01)
    report, alone = gate(found, per_cell=True), gate(found, contrasts=("a:lora",), per_cell=True)
    benchmarks = [check for check in report.checks if check.kind == "benchmark"]
    assert [check.name for check in benchmarks] == [f"{arm} against lora: {task}" for arm in "abc" for task in tasks]
    smallest = min(check.p_fail for check in alone.checks if check.kind == "benchmark")
    assert min(check.p_fail for check in benchmarks) == pytest.approx(3 * smallest)


def test_items_that_must_pass_count_for_the_arms_that_are_gated(many):
    found = many({"a": 0.0, "b": 0.0}, items=ITEMS)
    items = (MustPassItem("x", "i1", (), (0, 1), "a"), MustPassItem("x", "i1", (1,), (0, 1), "b"))
    both = decide(found, GateSettings(1.0), must_pass=items)
    assert both.outcome is CheckOutcome.FAIL
    assert named(both, "b: x i1").text == "b: x i1: declared as must-pass, and wrong at seed 1."
    first = decide(found, GateSettings(1.0), contrasts=found.contrasts[:1], must_pass=items)
    assert first.outcome is CheckOutcome.PASS
    assert [check.name for check in first.checks if check.kind == "must pass"] == ["a: x i1"]


def test_every_face_shows_every_check_of_every_contrast(many):
    report = gate(many({"a": 0.05, "b": -0.1}, tasks=("x", "y"), items=400), per_cell=True)
    assert len(report.checks) == 6
    cases = {case.get("name"): case for case in etree.fromstring(render(report).encode()).iter("testcase")}
    assert set(cases) == {
        "a against lora: mean", "b against lora: mean",
        *(f"benchmark {arm} against lora: {task}" for arm in "ab" for task in "xy"),
    }  # fmt: skip
    for check in report.checks:
        case = cases[check.title]
        assert (case.find("failure") is not None) == (check.outcome is CheckOutcome.FAIL)
        assert check.text in "".join(case.itertext())
    document = json.loads(to_json(report))
    assert [one["name"] for one in document["checks"]] == [check.name for check in report.checks]
    rows = check_table(report).rows
    summary = markdown(report)
    for check, row in zip(report.checks, rows, strict=True):
        assert row == (
            check.name, fmt.gain(check.delta), fmt.bound(check.lower, -1.0, 0.0), fmt.bound(check.upper, -1.0, 0.0),
            fmt.p_value(check.p_fail, 0.05), "yes" if check.decides else "no", check.says,
        )  # fmt: skip
        assert f"| {check.name} |" in summary
    assert {check.says for check in report.checks if check.name.startswith("b")} == {"pass", "no worse than 1"}
    assert any("title=benchmark a against lora%3A x::" in line for line in annotate(report))
    assert {flip.benchmark for flip in report.worst_flips} <= {f"a against lora: {task}" for task in "xy"}
    assert report.worst_flips


def experiment(contrasts, backbones=("micro",), tasks=("gsm8k_micro",)):
    return {
        "experiment": {
            "backbones": [{"identity": {"name": name}, "training": {}} for name in backbones],
            "arms": ["lora", "a", "b"],
            "contrasts": [{"base": base, "treatment": arm, "pairing": "paired"} for base, arm in contrasts],
            "seeds": list(range(7)),
            "tasks": [{"name": name, "n_items": 200} for name in tasks],
        }
    }


def test_a_declared_contrast_without_scores_is_incomplete_unless_another_is_chosen(many):
    where = experiment([("lora", "a"), ("lora", "b")])
    found = many({"a": 0.0}, provenance=where)
    assert gate(found, margin=50).outcome is CheckOutcome.INCOMPLETE
    assert "b against lora: not in the result" in headline(gate(found, margin=50))
    assert gate(found, margin=50, contrasts=("a:lora",)).outcome is CheckOutcome.PASS
    assert gate(many({"a": 0.0, "b": 0.0}, provenance=where), margin=50).outcome is CheckOutcome.PASS


@pytest.mark.parametrize(
    ("where", "said"),
    [
        (experiment([("lora", "a")], backbones=("micro", "other")), "other/gsm8k_micro: not in the result"),
        (experiment([("lora", "a")], tasks=("gsm8k_micro", "mbpp_micro")), "mbpp_micro: not in the result"),
    ],
)
def test_a_declared_backbone_or_benchmark_that_is_missing_is_incomplete(many, where, said):
    report = gate(many({"a": 0.0}, provenance=where), margin=50)
    assert report.outcome is CheckOutcome.INCOMPLETE
    assert said in headline(report)


def test_an_arm_without_seeds_lacks_none(cell):
    where = {"experiment": {"seeds": list(range(7)), "tasks": [{"name": "gsm8k_micro", "n_items": 200}]}}
    one = cell(seeds=7)
    matrices = [one.matrix("untrained", one.base[:1], (0,)), one.matrix("lora", one.treatment)]
    found = compare(matrices, [ContrastSpec("untrained", "lora", "fixed")], Origin(where))
    assert gate(found, margin=80).outcome is CheckOutcome.PASS
    lacking = {"experiment": {**where["experiment"], "seeds": list(range(9))}}
    found = compare(matrices, [ContrastSpec("untrained", "lora", "fixed")], Origin(lacking))
    assert gate(found, margin=80).outcome is CheckOutcome.INCOMPLETE


def test_against_a_baseline_contrasts_are_matched_by_name(many):
    old = many({"a": 0.0, "b": -0.1}, items=ITEMS)
    new = many({"b": 0.0, "a": 0.0}, items=ITEMS, contrasts=[ContrastSpec("lora", "a"), ContrastSpec("lora", "b")])
    report = decide(new, GateSettings(1.0), baseline=old)
    assert named(report, "a against lora: mean").delta == 0
    assert named(report, "b against lora: mean").delta == pytest.approx(-10)
    assert report.outcome is CheckOutcome.FAIL
    a, b = difference_tables(new, old)
    assert (a.title, b.title) == (
        "Change of the gain of a over lora, points", "Change of the gain of b over lora, points",
    )  # fmt: skip
    assert [row[-1] for row in (a.rows[-1], b.rows[-1])] == ["identical", "smaller gain"]
    assert [row[3] for row in b.rows] == ["-10.00", "-10.00"]


def test_a_baseline_of_two_arms_gates_the_same_contrast_of_many(many):
    old, new = many({"a": 0.0}, items=ITEMS), many({"a": 0.1, "b": 0.0}, items=ITEMS)
    assert old.primary.family_hash != new.primary.family_hash
    with pytest.raises(UserError, match="older result has no contrast b against lora; it has a against lora") as caught:
        decide(new, GateSettings(1.0), baseline=old)
    assert "Choose what both have: --contrast 'a:lora'" in caught.value.fix
    report = decide(new, GateSettings(1.0), contrasts=new.contrasts[:1], baseline=old)
    assert report.outcome is CheckOutcome.FAIL
    assert report.checks[0].delta == pytest.approx(-10)
    with pytest.raises(UserError, match="newer result has no contrast b against lora"):
        decide(old, GateSettings(1.0), baseline=new)
    said = " ".join(sentences(new, old, new.contrasts[:1]))
    assert "paired by training seed" in said
    assert f"family {old.primary.family_hash} and {new.primary.family_hash}" in said


def test_the_same_arms_on_other_benchmarks_or_paired_otherwise_are_another_family(many):
    new = many({"a": 0.0, "b": 0.0}, tasks=("x",))
    other = many({"a": 0.0}, tasks=("y",))
    with pytest.raises(UserError, match=r"different families.*benchmarks \(micro/y/exact_match there, micro/x/"):
        decide(new, GateSettings(1.0), contrasts=new.contrasts[:1], baseline=other)
    independent = many({"a": 0.0}, tasks=("x",), contrasts=[ContrastSpec("lora", "a", "independent")])
    with pytest.raises(UserError, match=r"pairing of seeds \(independent there, paired here\)"):
        decide(new, GateSettings(1.0), contrasts=new.contrasts[:1], baseline=independent)


def test_another_primary_contrast_is_another_declared_family(many):
    specs = [ContrastSpec("lora", "a"), ContrastSpec("lora", "b")]
    one, other = many({"a": 0.0, "b": 0.0}, contrasts=specs), many({"a": 0.0, "b": 0.0}, contrasts=specs[::-1])
    with pytest.raises(UserError, match=r"primary contrast \(b against lora there, a against lora here\)"):
        decide(one, GateSettings(1.0), baseline=other)


def test_independent_arms_are_gated_by_the_smaller_number_of_their_seeds(cell):
    one = cell(seeds=6, items=2000)
    contrast = [ContrastSpec("lora", "a", "independent")]

    def compared(n_base, shift=0.0):
        treatment = one.treatment.copy()
        treatment[:, : round(2000 * shift)] = 0
        few = one.matrix("lora", one.base[:n_base], one.seeds[:n_base])
        return compare([few, one.matrix("a", treatment)], contrast, Origin({}))

    two = gate(compared(2))
    assert two.outcome is CheckOutcome.INCONCLUSIVE
    assert "cannot be told from 2 training seeds; train at least 3" in headline(two)
    assert gate(compared(4), margin=6).outcome is CheckOutcome.PASS
    assert gate(compared(4, shift=0.4)).outcome is CheckOutcome.FAIL
    assert named(gate(compared(4)), "gsm8k_micro").says == "no worse than 1"  # the one benchmark is its mean
    old, new = compared(4), compared(4, shift=0.4)
    report = decide(new, GateSettings(1.0), baseline=old)
    assert report.outcome is CheckOutcome.FAIL
    change = new.contrasts[0].aggregate.delta - old.contrasts[0].aggregate.delta
    assert report.checks[0].delta == pytest.approx(change)
    variances = [result.contrasts[0].aggregate.e1.terms[0].se ** 2 for result in (new, old)]
    shown = (report.checks[0].upper - report.checks[0].delta) / np.sqrt(sum(variances))
    assert 1.6 < shown < 2.4  # a t quantile: the variances of independent results add
    assert "the seeds of their arms are independent" in sentences(new, old)[0]
    assert difference_tables(old, old)[0].rows[-1][-1] == "identical"
