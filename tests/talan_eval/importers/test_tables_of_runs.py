"""Tables that hold one run each: id and score, and a file per seed."""

from __future__ import annotations

import json
import re

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from talan_core.errors import UserError

SCORES = {"base": ("0011", "0110", "1100"), "treat": ("0111", "1110", "1101")}


def write(path, header, text, more=""):
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = [(f"q{number}", int(letter)) for number, letter in enumerate(text)]
    names = header.split(",")
    if path.suffix == ".jsonl":
        lines = [json.dumps(dict(zip(names, row, strict=True))) for row in rows]
    elif path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist([dict(zip(names, row, strict=True)) for row in rows]), path)
        return path
    else:
        lines = [header, *(f"{item}{chr(9) if path.suffix == '.tsv' else ','}{score}" for item, score in rows)]
        lines[0] = header.replace(",", "\t") if path.suffix == ".tsv" else header
    path.write_text("\n".join(lines) + "\n" + more, encoding="utf-8")
    return path


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".jsonl", ".parquet"])
@pytest.mark.parametrize("header", ["id,score", "item,score"])
def test_a_directory_of_files_is_a_run_per_file(compared, tmp_path, suffix, header):
    for arm, texts in SCORES.items():
        for seed, text in enumerate(texts, 3):
            write(tmp_path / arm / f"seed{seed}{suffix}", header, text)
    got = compared(f"lora={tmp_path / 'base'}", f"dora={tmp_path / 'treat'}").result
    (cell,) = got.contrasts[0].cells
    assert (cell.task, cell.seeds, cell.deltas, cell.metric) == ("scores", (3, 4, 5), (25, 25, 25), "score")
    assert (got.contrasts[0].base, got.contrasts[0].treatment) == ("lora", "dora")


def test_a_seed_that_rows_state_is_named_with_the_file_that_it_is_in(compared, tmp_path):
    for arm, texts in SCORES.items():
        for seed, text in enumerate(texts, 3):
            rows = [{"seed": seed, "task": "t", "id": f"q{n}", "score": int(letter)} for n, letter in enumerate(text)]
            (tmp_path / arm).mkdir(exist_ok=True)
            (tmp_path / arm / f"part{seed}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    found = compared(f"lora={tmp_path / 'base'}", f"dora={tmp_path / 'treat'}")
    assert found.result.contrasts[0].cells[0].seeds == (3, 4, 5)
    assert re.search(r"seed 3 \S*base/part3.jsonl with \S*treat/part3.jsonl", found.notes[0])
    assert re.search(r"seed 5 \S*base/part5.jsonl with \S*treat/part5.jsonl", found.notes[0])


def test_one_file_of_each_arm_is_one_run(compared, tmp_path):
    files = [write(tmp_path / f"{arm}.csv", "id,score", texts[0]) for arm, texts in SCORES.items()]
    got = compared(*files).result
    assert (got.contrasts[0].cells[0].n_seeds, got.contrasts[0].cells[0].delta) == (1, 25)
    assert (got.contrasts[0].base, got.contrasts[0].treatment) == ("base.csv", "treat.csv")


def test_files_that_are_named_one_by_one_pair_in_that_order(compare_words, tmp_path):
    words = [
        f"{arm}={write(tmp_path / f'{arm}-{name}.csv', 'id,score', text)}"
        for arm, texts in SCORES.items()
        for name, text in zip("zyx", texts, strict=True)
    ]
    got = compare_words(*words).result.contrasts[0].cells[0]
    assert (got.seeds, got.deltas) == ((0, 1, 2), (25, 25, 25))


def test_copies_of_a_file_are_no_seeds(compared, tmp_path):
    for arm, texts in SCORES.items():
        for seed in (0, 1):
            write(tmp_path / arm / f"seed{seed}.csv", "id,score", texts[0])
    with pytest.raises(UserError, match="a copy is no new seed"):
        compared(tmp_path / "base", tmp_path / "treat")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("id,points\nq0,1\n", "row 2: no value for score"),
        ("name,score\nq0,1\n", "row 2: no value for item"),
        ("id,score\nq0,1\nq0,1\n", "'q0' at rows 2, 3"),
        ("id,score\nq0,1.5\n", "score is 1.5, not a score from 0 to 1"),
        ("id,seed,score\nq0,0,1\nq1,,1\n", "row 3: no value for seed"),
        ("id,arm,score\nq0,x,1\nq1,,1\n", "row 3: no value for arm"),
        ("id,score\nq0,1\nq1,\n", r"item 'q1' \(row 3: score is None\): no score"),
        ("id,score\n", "has no rows"),
    ],
)
def test_what_such_a_table_may_not_hold(compared, tmp_path, content, says):
    (tmp_path / "x.csv").write_text(content, encoding="utf-8")
    with pytest.raises(UserError, match=says):
        compared(tmp_path / "x.csv", write(tmp_path / "y.csv", "id,score", "01"))


def test_a_row_without_a_score_can_be_dropped(compared, tmp_path):
    files = [
        write(tmp_path / f"{arm}.csv", "id,score", "0110", f"q9,{last}\n") for arm, last in (("a", ""), ("b", "1"))
    ]
    got = compared(*files, allow_unpaired="drop").result.contrasts[0].cells[0]
    assert (got.n_items, got.dropped_items) == (4, ("q9",))


def test_an_arm_of_a_file_without_arms_is_refused(compare_words, tmp_path):
    files = [write(tmp_path / f"{arm}.csv", "id,score", texts[0]) for arm, texts in SCORES.items()]
    with pytest.raises(UserError) as caught:
        compare_words(f"{files[0]}:lora", f"dora={files[1]}")
    assert "has no column arm" in str(caught.value)
    word = str(caught.value).rsplit(": ", 1)[1]
    assert compare_words(word, f"dora={files[1]}").result.contrasts[0].base == "lora"


def test_other_files_beside_such_tables_are_left_alone(compared, tmp_path):
    for arm, texts in SCORES.items():
        write(tmp_path / arm / "seed0.csv", "id,score", texts[0])
        (tmp_path / arm / "loss.csv").write_text("step,grid_score,idle\n1,2,3\n", encoding="utf-8")
        (tmp_path / arm / "log.jsonl").write_text('{"id": 1, "scores": 3}\n', encoding="utf-8")
        (tmp_path / arm / "x.parquet").write_bytes(b"item score")
    assert compared(tmp_path / "base", tmp_path / "treat").result.contrasts[0].cells[0].delta == 25
