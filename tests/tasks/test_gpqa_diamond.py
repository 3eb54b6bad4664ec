"""GPQA Diamond: the archive in memory, the order of the choices, and bad archives. No item's text appears here."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter

import pytest

from talan_core.errors import UserError
from talan_eval.grading.grade import Verdict
from talan_eval.grading.graders import grade_answers
from talan_eval.tasks.benchmark import load_benchmark


@pytest.fixture(scope="module")
def gpqa(data_dir):
    return load_benchmark("gpqa_diamond", data_dir=data_dir, limit=None)


def test_it_has_198_items_named_by_record_id_and_nothing_to_train_on(gpqa):
    ids = [item.item_id for item in gpqa.items]
    assert len(set(ids)) == 198
    assert all(item_id.startswith("rec") for item_id in ids)
    assert gpqa.spec.n_train == 0


def test_every_target_is_graded_right_and_every_other_letter_wrong(gpqa):
    docs = [item.doc for item in gpqa.items]
    for letter in "ABCD":
        grades = grade_answers("choice", docs, [f"I think so.\nAnswer: {letter}"] * len(docs))
        right = [grade.verdict is Verdict.MATCH for grade in grades]
        assert right == [doc["answer"] == letter for doc in docs]


def test_the_right_letter_is_about_evenly_spread(gpqa):
    counts = Counter(item.doc["answer"] for item in gpqa.items)
    # Chi-square with 3 degrees of freedom; 16.3 is passed once in a thousand.
    assert sum((counts[letter] - 49.5) ** 2 / 49.5 for letter in "ABCD") < 16.3


def test_the_prompt_shows_all_choices_of_its_item_and_no_column_else(gpqa):
    for item in gpqa.items:
        assert all(
            f"{letter}) {choice}" in item.prompt for letter, choice in zip("ABCD", item.doc["choices"], strict=True)
        )
    assert not any("anary" in item.prompt.casefold() for item in gpqa.items)


def test_few_shot_examples_are_our_own_and_claim_their_letter(gpqa):
    examples = [dict(doc) for doc in gpqa.task.sampler.df]
    assert len(examples) == 5
    grades = grade_answers("choice", examples, [doc["worked"] for doc in examples])
    assert {grade.verdict for grade in grades} == {Verdict.MATCH}
    assert len({doc["answer"] for doc in examples}) > 1


CODE = """
import random, sys
import numpy, torch
random.seed({seed}); numpy.random.seed({seed}); torch.manual_seed({seed})
from pathlib import Path
from talan_eval.tasks.benchmark import load_benchmark
benchmark = load_benchmark("gpqa_diamond", data_dir=Path(sys.argv[1]), limit={limit})
random.random(); torch.rand(3)
import hashlib
print([[item.item_id, hashlib.sha256(item.prompt.encode()).hexdigest()] for item in benchmark.items[:20]])
"""


def test_no_generator_limit_or_hash_seed_changes_a_prompt(data_dir):
    said = [
        subprocess.run(
            [sys.executable, "-c", CODE.format(seed=seed, limit=limit), str(data_dir)],
            capture_output=True,
            text=True,
            check=True,
            env={"PYTHONHASHSEED": str(seed), "PYTHONPATH": ":".join(path for path in sys.path if path)},
        ).stdout
        for seed, limit in ((1, 20), (2, None))
    ]
    assert said[0] == said[1]
    assert said[0].count("rec") == 20


def archive(data_dir, tmp_path, change):
    (tmp_path / "gpqa").mkdir()
    content = bytearray((data_dir / "gpqa" / "dataset.zip").read_bytes())
    (tmp_path / "gpqa" / "dataset.zip").write_bytes(change(content))
    return tmp_path


def flipped(content):
    content[len(content) // 2] ^= 1
    return bytes(content)


@pytest.mark.parametrize(
    "change", [flipped, lambda content: bytes(content[:-1000]), lambda _: b"", lambda content: bytes(content[1000:])]
)
def test_a_damaged_archive_is_named_with_the_expected_count(data_dir, tmp_path, change):
    with pytest.raises(UserError, match=r"dataset.zip is damaged .* should hold 198 items"):
        load_benchmark("gpqa_diamond", data_dir=archive(data_dir, tmp_path, change), limit=None)
