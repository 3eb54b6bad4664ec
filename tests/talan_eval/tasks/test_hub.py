"""The Hub: read from a local copy in its layout, counted, and what is said when it cannot be reached."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from talan_core.errors import UserError
from talan_eval.tasks.datafiles import HubSource, read_hub


@pytest.fixture
def repo(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))
    root = tmp_path / "hub" / "owner"
    root.mkdir(parents=True)
    for split, count in (("train", 3), ("test", 2)):
        rows = [{"question": f"{split} {n}", "answer": str(n)} for n in range(count)]
        (root / f"{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(root)


def source(repo, *parts):
    return HubSource(repo, "0" * 40, tuple(parts))


def test_parts_are_read_one_after_the_other(repo):
    rows = read_hub(source(repo, (None, "train", 3), (None, "test", 2)), fields=("question",), local_path="x/y.jsonl")
    assert [row["question"] for row in rows] == ["train 0", "train 1", "train 2", "test 0", "test 1"]


@pytest.mark.parametrize(
    ("parts", "fields", "says"),
    [
        ([(None, "test", 3)], ("question",), "2 rows, expected 3"),
        ([(None, "test", 2)], ("problem",), "no field 'problem'"),
        ([(None, "validation", 2)], ("question",), "cannot be fetched"),
    ],
)
def test_other_rows_are_refused(repo, parts, fields, says):
    with pytest.raises(UserError, match=says) as caught:
        read_hub(source(repo, *parts), fields=fields, local_path="x/y.jsonl")
    assert "--data-dir DIR with DIR/x/y.jsonl" in caught.value.fix


def test_a_data_set_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(UserError, match="cannot be"):
        read_hub(source(str(tmp_path / "none"), (None, "test", 1)), fields=(), local_path="x/y.jsonl")


EACH = """
from talan_core.errors import UserError
from talan_eval.tasks.benchmark import load_benchmark
for task in ("gsm8k", "math500", "mbpp", "gpqa_diamond"):
    try:
        load_benchmark(task, data_dir=None, limit=None)
    except UserError as error:
        print(" ".join(str(error).split()))
"""


def test_offline_each_benchmark_names_revision_count_and_what_to_type(tmp_path):
    environment = {k: v for k, v in os.environ.items() if k != "TALAN_EVAL_DATA_DIR"}
    done = subprocess.run(
        [sys.executable, "-c", EACH],
        capture_output=True,
        text=True,
        check=True,
        env=environment | {"HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path)},
    )
    gsm8k, math500, mbpp, gpqa = done.stdout.splitlines()
    assert "'openai/gsm8k' at revision 740312add88f (7473 rows)" in gsm8k
    assert "'EleutherAI/hendrycks_math' at revision 21a5633873b6 (5000 rows)" in math500
    assert "'google-research-datasets/mbpp' at revision 4bb6404fdc6c (974 rows)" in mbpp
    assert "accept the terms at hf.co/datasets/Idavidrein/gpqa" in gpqa
    for said, path in (
        (gsm8k, "gsm8k/train.jsonl"),
        (math500, "math/train.jsonl"),
        (mbpp, "mbpp/mbpp.jsonl"),
        (gpqa, "gpqa/dataset.zip"),
    ):
        assert f"--data-dir DIR with DIR/{path}" in said
