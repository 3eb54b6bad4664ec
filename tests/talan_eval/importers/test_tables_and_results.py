"""Plain tables in every encoding, and results directories of our own."""

from __future__ import annotations

import csv
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from talan_core.errors import UserError
from talan_eval.store.records import Manifest
from talan_eval.store.store import Store

SCORES = {"lora": ("0011", "0111"), "dora": ("0111", "1111")}


def rows(**extra):
    return [
        {"arm": arm, "seed": seed, "task": "gsm8k", "item": f"i{n}", "score": int(letter), **extra}
        for arm, texts in SCORES.items()
        for seed, text in enumerate(texts)
        for n, letter in enumerate(text)
    ]


def write(path, table):
    if path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(table), path)
    elif path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in table), encoding="utf-8")
    else:
        with path.open("w", encoding="utf-8-sig", newline="") as file:
            writer = csv.DictWriter(file, table[0], delimiter="\t" if path.suffix == ".tsv" else ",")
            writer.writeheader()
            writer.writerows(table)
    return path


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".jsonl", ".parquet"])
def test_a_table_says_arm_and_seed_itself(compared, tmp_path, suffix):
    path = write(tmp_path / f"scores{suffix}", rows(prompt="p", note="x"))
    got = compared(f"lora={path}", f"dora={path}").result
    assert (got.contrasts[0].base, got.contrasts[0].treatment, got.contrasts[0].cells[0].seeds) == (
        "lora",
        "dora",
        (0, 1),
    )
    assert got.contrasts[0].cells[0].deltas == (25, 25)
    assert got.contrasts[0].cells[0].backbone == "table of scores"
    assert any("columns ignored: note" in warning for warning in got.warnings)


def test_one_arm_per_file_needs_no_name(compared, tmp_path):
    files = [write(tmp_path / f"{arm}.csv", [row for row in rows() if row["arm"] == arm]) for arm in SCORES]
    got = compared(*files).result
    assert (got.contrasts[0].base, got.contrasts[0].treatment, got.contrasts[0].cells[0].delta) == ("lora", "dora", 25)


def test_samples_are_averaged_and_metrics_chosen(compared, tmp_path):
    table = [
        {**row, "metric": metric, "sample": sample, "score": row["score"] * factor}
        for row in rows()
        for metric, factor in (("acc", 1), ("half", 0.5))
        for sample in (0, 1)
    ]
    path = write(tmp_path / "scores.csv", table)
    got = compared(f"lora={path}", f"dora={path}", metric=("half",)).result
    assert (got.contrasts[0].cells[0].metric, got.contrasts[0].cells[0].k, got.contrasts[0].cells[0].delta) == (
        "half",
        2,
        12.5,
    )
    assert any("samples of a checkpoint, not training seeds" in warning for warning in got.warnings)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda t: [{k: v for k, v in row.items() if k != "item"} for row in t], "row 2: no value for item"),
        (lambda t: [{**t[0], "seed": "first"}, *t[1:]], "row 2: seed is 'first', not a whole number"),
        (lambda t: [{**t[0], "score": "good"}, *t[1:]], "row 2: score is 'good', not a score from 0 to 1"),
        (lambda t: [{**t[0], "score": "nan"}, *t[1:]], r"row 2: score is nan\): no score"),
        (lambda t: [*t, t[0]], "'i0' at rows 2, 18"),
        (lambda t: t[1:], "0 only in the first, 1 only in the second"),
        (lambda t: [{**row, "cluster": "a"} for row in t], "all 4 items are in one cluster"),
        (lambda t: [{**row, "cluster": "a" if n else ""} for n, row in enumerate(t)], "1 of 4 items have no cluster"),
    ],
)  # fmt: skip
def test_what_a_table_may_not_hold(compared, tmp_path, change, says):
    path = write(tmp_path / "scores.csv", change(rows()))
    with pytest.raises(UserError, match=says):
        compared(f"lora={path}", f"dora={path}")


def test_an_arm_that_is_not_there_or_not_named(compared, tmp_path):
    path = write(tmp_path / "scores.csv", rows())
    with pytest.raises(UserError, match=r"(?s)holds several arms: 'dora', 'lora'.*compare-logs dora="):
        compared(path, f"dora={path}")
    with pytest.raises(UserError, match=r"there is no arm 'vera' in .*; it has 'dora', 'lora'"):
        compared(f"vera={path}", f"dora={path}")


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("x.csv", "arm,seed,task,item,score\nlora,0,t,i\n", "line 2: fewer fields"),
        ("x.csv", "arm,seed,task,item,score\nlora,0,t,i,1,2\n", "line 2: more fields"),
        ("x.csv", "arm,seed,task,item,score\n", "has no rows"),
        ("x.csv", "arm,seed,task,item,score,score\nlora,0,t,i,1,1\n", "line 1: two columns are called 'score'"),
        (
            "x.jsonl",
            '{"arm": "lora", "seed": 1e400, "task": "t", "item": "i", "score": 1}',
            "row 1: seed is inf, not a",
        ),
        ("x.jsonl", '{"arm": "lora", "seed"', "line 1: the line is not JSON or was cut off"),
        ("x.jsonl", "[1, 2]\n", "line 1: not a JSON object"),
        ("x.parquet", "PAR1", "not a readable Parquet file"),
    ],
)
def test_an_unreadable_table(compared, tmp_path, name, content, says):
    (tmp_path / name).write_text(content, encoding="utf-8")
    with pytest.raises(UserError, match=says):
        compared(tmp_path / name, tmp_path / name)


def test_a_copied_seed_shows_in_the_scores_of_a_table(compared, tmp_path):
    table = [
        {"arm": arm, "seed": seed, "task": "t", "item": n, "score": int(n % 3 == (arm == "b"))}
        for arm in "ab"
        for seed in (0, 1)
        for n in range(120)
    ]
    table[120:240] = table[239:119:-1]  # in another order
    path = write(tmp_path / "scores.csv", table)
    with pytest.raises(UserError, match="seeds 0 and 1 have the same score on every item"):
        compared(f"a={path}", f"b={path}")


def results_directory(path, base="lora", treat="talan+lora", seeds=(0, 4)):
    task = {"name": "gsm8k_micro", "metric": "exact_match", "version": "1", "items_hash": "ab"}
    experiment = {"base": base, "treat": treat, "tasks": [task], "backbone": {"name": "micro"}, "versions": {}}
    store = Store.open(path, Manifest(experiment, "2026-01-01T00:00:00+00:00", {}))
    for arm in (base, treat):
        for seed in seeds:
            lines = "".join(
                json.dumps({"item_id": f"i{n}", "prompt_hash": f"p{n}", "verdict": "match" if good else "unparsed",
                            "score": float(good)}) + "\n"
                for n, good in enumerate((arm == treat, seed == 0, True))
            )  # fmt: skip
            data = {"kind": "evaluation", "arm": arm, "seed": seed, "task": "gsm8k_micro"}
            store.seal(f"{arm}-{seed}", data, {f"{arm}-{seed}.jsonl": lines.encode()})
    return path


def test_a_results_directory_of_ours_gives_the_arm_that_is_named(compared, tmp_path):
    path = results_directory(tmp_path / "one")
    with pytest.raises(UserError, match=r"(?s)holds several arms: 'lora', 'talan\+lora'.*compare-logs lora="):
        compared(path, path)
    got = compared(f"lora={path}", f"talan+lora={path}").result
    assert (got.contrasts[0].base, got.contrasts[0].treatment, got.contrasts[0].cells[0].seeds) == (
        "lora",
        "talan+lora",
        (0, 4),
    )
    assert got.contrasts[0].cells[0].delta == pytest.approx(100 / 3)
    assert got.contrasts[0].cells[0].backbone == "micro"
    assert got.contrasts[0].cells[0].treat_unparsed == pytest.approx(1 / 6)
    assert "gsm8k_micro@1:ab" in got.signature


def test_our_own_seeds_are_known_to_be_trained_apart(compared, tmp_path):
    path = results_directory(tmp_path / "one", seeds=(4, 5))  # of which all scores are equal
    got = compared(f"lora={path}", f"talan+lora={path}").result
    assert got.contrasts[0].cells[0].seeds == (4, 5)
    assert any("lora on micro: seeds 4 and 5 have the same score" in warning for warning in got.warnings)


def test_arms_of_two_results_directories_are_named(compared, tmp_path):
    one, two = results_directory(tmp_path / "one"), results_directory(tmp_path / "two", treat="talan+dora")
    got = compared(f"talan+lora={one}", f"talan+dora={two}").result
    assert (got.contrasts[0].base, got.contrasts[0].treatment, got.contrasts[0].cells[0].delta) == (
        "talan+lora",
        "talan+dora",
        0,
    )
    with pytest.raises(UserError, match=r"there is no arm 'dora' in .*; it has 'lora', 'talan\+lora'"):
        compared(f"dora={one}", two)


def test_one_name_is_one_arm(compared, tmp_path):
    one, two = results_directory(tmp_path / "one"), results_directory(tmp_path / "two")
    with pytest.raises(UserError, match="One arm is named"):  # the same name adds seeds
        compared(f"lora={one}", f"lora={two}")
    got = compared(f"old={one}:lora", f"new={two}:lora").result
    assert (got.contrasts[0].base, got.contrasts[0].treatment) == ("old", "new")
    assert got.contrasts[0].cells[0].delta == 0


def test_a_changed_results_directory_is_refused(compared, tmp_path):
    path = results_directory(tmp_path / "one")
    (path / "samples" / "lora-0.jsonl").write_text("{}\n", encoding="utf-8")
    with pytest.raises(UserError, match="was changed"):
        compared(f"lora={path}", f"talan+lora={path}")


def test_half_a_surrogate_pair_in_a_prompt_is_hashed_like_any_other(tmp_path, compare_words):
    for arm, right in (("lora", "01"), ("dora", "11")):
        rows = [{"task": "t", "item": n, "score": int(bit), "prompt": "\ud800 why?"} for n, bit in enumerate(right)]
        (tmp_path / f"{arm}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    done = compare_words(f"lora={tmp_path / 'lora.jsonl'}", f"dora={tmp_path / 'dora.jsonl'}")
    assert done.result.contrasts[0].cells[0].n_items == 2
