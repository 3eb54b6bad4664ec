"""What lies beside logs: damaged ones are refused or named, everything else is none of our business."""

from __future__ import annotations

import csv
import io
import json
import os
import random

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from talan_core.errors import UserError
from talan_eval.cli.main import main
from talan_eval.pipeline.compare_logs import compare_logs
from talan_eval.requests.compare_logs import CompareLogsRequest

from .harness import within_bounds
from .logs import inspect_members, meaning, zipped

SEEDS = 4
MARK = b"\xef\xbb\xbf"


def as_csv(rows):
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def as_lines(rows):
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


def as_parquet(rows):
    target = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows), target)
    return target.getvalue()


def as_openai(rows):
    spec = {"spec": {"completion_fns": ["m"], "eval_name": "t"}}
    events = [
        {"run_id": "r", "type": "match", "sample_id": row["id"], "data": {"correct": bool(row["score"])}}
        for row in rows
    ]
    return as_lines([spec, *events])


WRITERS = {
    "seed{}.csv": as_csv,
    "seed{}.tsv": lambda rows: as_csv(rows).replace(b",", b"\t"),
    "seed{}.jsonl": as_lines,
    "seed{}.parquet": as_parquet,
    "seed{}/scores.csv": as_csv,
    "seed{}/log.jsonl": as_openai,
}
DAMAGES = {
    "nothing": lambda _: b"",
    "blanks": lambda _: b" \n\n",
    "UTF-16": lambda data: b"\xff\xfe" + data,
    "zeros": lambda data: b"\0\0\0" + data[3:-3] + b"\0\0\0",
    "two marks": lambda data: MARK + MARK + data,
    "a pointer": lambda _: b"version https://git-lfs.github.com/spec/v1\noid sha256:aa\nsize 12\n",
    "half of the first line": lambda data: data[: data.index(b"\n") // 2] if b"\n" in data[:500] else data[:40],
    "half": lambda data: data[: len(data) // 2],
    "letters": lambda data: b"\xe9" + data,
}


def write_seeds(root, name, write):
    for arm in ("a", "b"):
        rng = random.Random(arm)  # noqa: S311 - scores, no secret
        for seed in range(SEEDS):
            path = root / arm / name.format(seed)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(write([{"id": f"i{item}", "score": rng.randint(0, 1)} for item in range(12)]))


def compared(root):
    return compare_logs(CompareLogsRequest(logs=(f"a={root / 'a'}", f"b={root / 'b'}"))).result


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("name", WRITERS)
def test_the_damaged_log_of_a_seed_is_never_left_out_in_silence(name, damage, tmp_path):
    write_seeds(tmp_path, name, WRITERS[name])
    assert len(compared(tmp_path).provenance["arms"]["a"]["runs"]) == SEEDS
    path = tmp_path / "a" / name.format(3)
    data = DAMAGES[damage](path.read_bytes())
    path.write_bytes(data)
    with pytest.raises(UserError) as caught:
        compared(tmp_path)
    assert str(path) in str(caught.value)


def test_other_columns_are_named_and_no_mistake(tmp_path):
    write_seeds(tmp_path, "seed{}.csv", as_csv)
    assert not any("left out" in text for text in compared(tmp_path).warnings)
    for arm in ("a", "b"):
        path = tmp_path / arm / "seed3.csv"
        path.write_bytes(path.read_bytes().replace(b"score", b"Score"))
    (tmp_path / "a" / "loss.csv").write_text("step,loss\n1,0.5\n")
    said = [text for text in compared(tmp_path).warnings if "left out" in text]
    assert len(said) == 2
    assert "loss.csv" in said[0]
    assert "seed3.csv" in said[0]
    assert "seed3.csv" in said[1]


BESIDE = {
    "README.md": b"# Runs\n",
    "notes.txt": b"",
    "config.json": b'{"lr": 1e-4}',
    "list.json": b"[1, 2]",
    "commented.json": b'// for the editor\n{"lr": 1e-4}\n',
    "image.png": b"\x89PNG\0\0",
    ".hidden.csv": b"",
    "adapter_model.safetensors": b"\0" * 16,
    "trainer_state.json": json.dumps({"log_history": [{"step": n, "loss": 0.5} for n in range(9000)]}).encode(),
}


@pytest.mark.parametrize("name", BESIDE)
def test_what_users_keep_beside_logs_is_passed_over(name, tmp_path):
    write_seeds(tmp_path, "seed{}.csv", as_csv)
    (tmp_path / "a" / name).write_bytes(BESIDE[name])
    assert not any("left out" in text for text in compared(tmp_path).warnings)


@pytest.mark.parametrize("name", ["empty.json", "empty.jsonl", "cut.json", "empty.parquet"])
def test_a_damaged_file_of_another_kind_is_named_and_no_mistake(name, tmp_path):
    write_seeds(tmp_path, "seed{}.csv", as_csv)
    (tmp_path / "a" / name).write_bytes(b'{"lr": ' if name == "cut.json" else b"")
    (said,) = [text for text in compared(tmp_path).warnings if "left out" in text]
    assert name in said
    assert "cut off" in said or "empty" in said


def test_documents_beside_documents(tmp_path):
    pytest.importorskip("inspect_ai.log", reason="needs the extra: pip install 'talan-eval[inspect]'")
    (tmp_path / "one.eval").write_bytes(zipped(inspect_members()))
    sound = meaning(tmp_path)
    (tmp_path / "settings.json").write_bytes(b"{lr: 1}\n")
    assert meaning(tmp_path) == sound
    (tmp_path / "two.eval").write_bytes(b"")
    with pytest.raises(UserError, match=r"two\.eval"):
        meaning(tmp_path)


def test_nothing_but_damage_is_said_to_be_that(tmp_path):
    (tmp_path / "seed0.csv").write_bytes(b"")
    with pytest.raises(UserError, match=r"seed0\.csv cannot be read as a log: it is empty"):
        meaning(tmp_path)


@pytest.mark.parametrize("depth", [60, 400])
def test_a_deep_tree_is_refused_at_once(depth, tmp_path):
    write_seeds(tmp_path, "seed{}.csv", as_csv)
    (tmp_path / "a").joinpath(*["aaa"] * depth).mkdir(parents=True)
    with within_bounds(seconds=5):
        if depth == 60:
            assert compared(tmp_path)
        else:
            with pytest.raises(UserError, match="more than 64 levels deep"):
                compared(tmp_path)


def test_a_link_back_up_is_no_second_run(tmp_path):
    write_seeds(tmp_path, "seed{}.csv", as_csv)
    before = compared(tmp_path)
    (tmp_path / "a" / "again").symlink_to(tmp_path / "a", target_is_directory=True)
    assert compared(tmp_path).contrasts == before.contrasts


@pytest.mark.parametrize("target", ["nowhere", "x.csv"])
def test_a_link_to_nothing_is_named(target, tmp_path):
    write_seeds(tmp_path, "seed{}.csv", as_csv)
    (tmp_path / "a" / "x.csv").symlink_to(target)
    with pytest.raises(UserError, match=r"Cannot read .*x\.csv"):
        compared(tmp_path)


def test_a_directory_that_cannot_be_listed_is_named(tmp_path, monkeypatch):
    write_seeds(tmp_path, "seed{}/scores.csv", as_csv)
    scan = os.scandir

    def refuse(path):
        if str(path).endswith("seed3"):
            raise PermissionError(13, "Permission denied", str(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(UserError, match=r"Cannot look into .*seed3: Permission denied"):
        compared(tmp_path)


def test_a_first_line_may_be_blank_or_longer_than_what_is_looked_at(tmp_path):
    write_seeds(tmp_path, "seed{}.jsonl", as_lines)
    path = tmp_path / "a" / "seed3.jsonl"
    path.write_bytes(b"\n" + path.read_bytes().replace(b'{"id"', b'{"note": "' + b"x" * 100_000 + b'", "id"', 1))
    before = compared(tmp_path)
    assert [run["seed"] for run in before.provenance["arms"]["a"]["runs"]] == [0, 1, 2, 3]


def test_the_note_of_a_comparison_is_one_line(tmp_path, monkeypatch, capfd):
    rng = random.Random(0)  # noqa: S311 - scores, no secret
    rows = [
        {"arm": arm, "seed": seed, "task": "one\n::error::two", "item": f"i{item}", "score": rng.randint(0, 1)}
        for arm in "ab"
        for seed in range(3)
        for item in range(12)
    ]
    (tmp_path / "t.jsonl").write_bytes(as_lines(rows))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["talan-eval", "compare-logs", "a=t.jsonl:a", "b=t.jsonl:b"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 0
    (line,) = [text for text in capfd.readouterr().err.splitlines() if text.startswith("Note: ")]
    assert line.endswith("two")
