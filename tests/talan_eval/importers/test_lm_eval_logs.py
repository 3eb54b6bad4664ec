"""Logs of lm-eval: found, read, and compared."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from talan_core.errors import UserError
from talan_eval.importers.lm_eval_lines import LineReader

HERE = Path(__file__).parent
LOGS = HERE / "data" / "lm_eval"


def test_two_directories_are_enough(compared):
    got = compared(LOGS / "base", LOGS / "treat", filter=("strict-match",)).result
    assert [(cell.task, cell.metric, cell.n_items) for cell in got.contrasts[0].cells] == [
        ("sums_chosen", "acc", 6),
        ("sums_written", "exact_match,strict-match", 6),
    ]
    assert got.contrasts[0].cells[0].e0[0].gained == 1  # no item right against the first one
    assert got.contrasts[0].cells[0].e1 is None  # one pair: E0 only
    assert "sums_chosen@1" in got.signature
    assert "sums_written@3" in got.signature


def test_the_installed_lm_eval_writes_what_is_read(compared, tmp_path):
    subprocess.run([sys.executable, str(HERE / "make_lm_eval_logs.py"), str(tmp_path)], check=True, capture_output=True)
    got = compared(tmp_path / "base", tmp_path / "treat", filter=("flexible-extract",)).result
    chosen, written = got.contrasts[0].cells
    assert chosen.deltas == pytest.approx([100 / 6, 100 / 6])  # 0 to 1 and 2 to 3 of six items right
    assert written.deltas == pytest.approx([100 / 6, 100 / 6])
    assert got.provenance["harness"].startswith("lm-eval 0.")
    assert [run["model"] for run in got.provenance["arms"][got.contrasts[0].base]["runs"]] == [
        "adapters/base-seed0",
        "adapters/base-seed1",
    ]
    assert got.contrasts[0].cells[0].backbone == "org/tiny"


def test_every_metric_is_listed_and_one_is_chosen(compared):
    got = compared(LOGS / "base", LOGS / "treat", filter=("strict-match",), metric=("sums_chosen=acc_norm",))
    assert got.result.contrasts[0].cells[0].metric == "acc_norm"
    assert got.result.provenance["metrics"]["sums_chosen"]["found"] == ["acc", "acc_norm"]
    assert "metric acc_norm of sums_chosen; also logged: acc (--metric)" in got.notes[0]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({}, "2 filters: strict-match, flexible-extract.*--filter strict-match"),
        ({"filter": ("strict",)}, "Unknown filter 'strict'.*Did you mean 'strict-match'"),
        ({"filter": ("strict-match",), "metric": ("accuracy",)}, "Unknown metric of task 'sums_chosen'.*acc, acc_norm"),
        (
            {"filter": ("strict-match",), "metric": ("acc",)},
            "(?s)'sums_written' 'acc'.*has it.*sums_written=exact_match",
        ),
        ({"filter": ("strict-match",), "metric": ("a", "b")}, "several metrics"),
        ({"filter": ("strict-match",), "metric": ("sums=acc",)}, "Unknown task 'sums'"),
        ({"tasks": "sums"}, "Unknown task 'sums'"),
    ],
)
def test_what_is_not_clear_is_refused_with_the_list(compared, options, says):
    with pytest.raises(UserError, match=f"(?s){says}"):
        compared(LOGS / "base", LOGS / "treat", **options)


def test_the_two_filters_are_two_results(compared):
    strict, flexible = (
        compared(LOGS / "base", LOGS / "treat", tasks="sums_written", filter=(name,)).result.contrasts[0].cells[0]
        for name in ("strict-match", "flexible-extract")
    )
    assert (strict.treat_mean, flexible.treat_mean) == (0, pytest.approx(100 / 6))
    assert strict.n_items == 6  # not 12


def test_the_newest_run_of_a_directory_counts_and_is_announced(compared, run):
    run("base", task="0000", time="2026-01-01T00-00-00.000001")
    run("base", task="0011", time="2026-01-02T00-00-00.000001")
    run("treat", task="0111")
    got = compared(run("base", task="0001", time="2025-12-31T23-59-59.999999"), run("treat", task="0111"))
    assert got.result.contrasts[0].cells[0].base_mean == 50
    assert "2 older logs left aside" in got.result.warnings[0]


def test_tasks_of_one_run_may_carry_different_times(compared, run):
    run("base", task_a="01", time="2026-01-01T00-00-00.000001")
    run("base", task_b="01", time="2026-01-02T00-00-00.000001")
    got = compared(run("base", tasks={}), run("treat", task_a="11", task_b="11")).result
    assert [cell.task for cell in got.contrasts[0].cells] == ["task_a", "task_b"]
    assert not any("older" in warning for warning in got.warnings)


def test_logs_without_a_results_file_or_hashes_can_be_read(compared, run):
    for path in (run("base", task="01"), run("treat", task="11")):
        next(path.glob("results*")).unlink()
        file = next(path.glob("samples*"))
        rows = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
        for row in rows:
            del row["prompt_hash"], row["doc_hash"], row["target_hash"], row["metrics"]
        file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        shutil.move(file, path / "samples_task.jsonl")
    got = compared(run("base", tasks={}).parent / "base", run("treat", tasks={}))
    assert got.result.contrasts[0].cells[0].delta == 50


def test_a_metric_of_which_less_is_better_is_never_the_default_and_read_in_its_direction(compared, run):
    items = [{"err": 1.0, "acc": 0.0}, {"err": 0.0, "acc": 1.0}]
    base, treat = run("base", {"task": items}, lower=("err",)), run("treat", {"task": items}, lower=("err",))
    assert compared(base, treat).result.contrasts[0].cells[0].metric == "acc"
    got = compared(base, treat, metric=("err",)).result
    assert not got.measure.higher_is_better
    assert (got.measure.unit, got.contrasts[0].cells[0].base_mean) == ("points", 50)


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)


@settings(deadline=None, derandomize=True, max_examples=60)
@given(st.lists(st.tuples(st.booleans(), texts), min_size=1, max_size=6))
def test_reading_at_both_ends_equals_reading_whole_lines(items):
    def row(number, right, text):
        metrics = {"acc": float(right), "acc_norm": number / 8}
        doc = {"q": text, "doc_id": 3, text: '", "filter": "'}
        hashes = {"doc_hash": "d", "prompt_hash": f"p{text}", "target_hash": "t"}
        filtered = {"arguments": {"filter": text}, "filter": "none", "metrics": list(metrics)}
        return {"doc_id": number, "doc": doc, **filtered, **hashes, **metrics}

    rows = [row(number, *item) for number, item in enumerate(items)]
    usual = "".join(json.dumps(one, ensure_ascii=False) + "\n" for one in rows).encode()
    other = "".join(json.dumps(dict(reversed(one.items()))) + "\n" for one in rows).encode()
    quick, whole = LineReader().read(usual, Path("x")), LineReader().read(other, Path("x"))
    again = LineReader()
    assert [again.read(usual, Path("x"))["none"].items for _ in range(2)] == [[str(n) for n in range(len(items))]] * 2
    for name in ("items", "prompts", "lines"):
        assert list(getattr(quick["none"], name)) == list(getattr(whole["none"], name))
    assert [dict(v) for v in quick["none"].values] == [dict(v) for v in whole["none"].values]


def test_a_line_that_swallowed_the_next_is_not_read_as_one(line):
    first, second = (line(number, "t", {"acc": 1.0}) for number in (0, 1))
    data = f"{first[:90]}{second}\n".encode()
    with pytest.raises(UserError, match="x, line 1: the line was cut off"):
        LineReader().read(data, Path("x"))


def test_an_answer_that_lacks_a_metric_does_not_choose_another_one_for_all(run, compare_words):
    whole = [{"acc": 1.0, "f1": 0.5}, {"acc": 0.0, "f1": 0.5}, {"acc": 1.0, "f1": 0.5}]
    lacking = [{"f1": 0.5}, *whole[1:]]
    with pytest.raises(UserError, match="acc"):
        compare_words(run("lora", {"t": lacking}), run("dora", {"t": whole}))
    done = compare_words(run("one", {"t": whole}), run("two", {"t": whole}))
    assert done.result.contrasts[0].cells[0].metric == "acc"
