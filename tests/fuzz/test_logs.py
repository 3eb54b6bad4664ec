"""Logs and tables with any bytes: one error that names the file, or what the bytes say."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import strategies as st

from .harness import ODD, Count, Reader, SilentlyAcceptedError, ask, changed_bytes, changed_json, fuzz
from .logs import INSPECT, OTHER_READERS, READERS, ROWS, inspect_members, meaning, parquet, plain_lines, zipped

BY_NAME = {reader.name: reader for reader in (*READERS, *OTHER_READERS)}


@pytest.mark.parametrize("name", BY_NAME)
def test_any_bytes(name, tmp_path):
    count = fuzz(BY_NAME[name], tmp_path, changed_bytes(BY_NAME[name].seed))
    assert count.refused > 10


def test_odd_values_in_json_lines(tmp_path):
    write = lambda rows: "\n".join(json.dumps(row) for row in rows).encode()  # noqa: E731 - as short as its use
    fuzz(BY_NAME["JSON lines"], tmp_path, changed_json(json.dumps(ROWS).encode(), write))


def test_odd_values_in_lm_eval_samples(tmp_path):
    reader = BY_NAME["lm-eval samples"]
    rows = json.dumps([json.loads(line) for line in reader.seed.splitlines()]).encode()
    write = lambda rows: "\n".join(json.dumps(row) for row in rows).encode()  # noqa: E731 - as short as its use
    fuzz(reader, tmp_path, changed_json(rows, write))


@pytest.mark.parametrize("name", ["HELM", "promptfoo", "W&B table"])
def test_odd_values_in_documents(name, tmp_path):
    reader = BY_NAME[name]
    fuzz(reader, tmp_path, changed_json(reader.seed))


HUGE = "1" + "0" * 400


@pytest.mark.parametrize(
    ("name", "found", "written"),
    [
        ("HELM", r'"sum": [0-9.]+', f'"sum": {HUGE}'),
        ("promptfoo", r'"score": [0-9.]+', f'"score": {HUGE}'),
        ("promptfoo", "\\{\\{question", "{{ques" + "9" * 30_000),
    ],
)
def test_numbers_and_names_that_no_message_can_hold(name, found, written, tmp_path):
    reader = BY_NAME[name]
    content = re.sub(found, written, reader.seed.decode(), count=1).encode()
    assert content != reader.seed
    path = tmp_path / reader.file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(reader.seed)
    ask(reader, path, content, reader.read(path), count := Count())
    assert count.refused == 1


def test_odd_values_in_logs_of_openai_evals(tmp_path):
    reader = BY_NAME["OpenAI evals"]
    rows = json.dumps([json.loads(line) for line in reader.seed.splitlines()]).encode()
    write = lambda rows: "\n".join(json.dumps(row) for row in rows).encode()  # noqa: E731 - as short as its use
    fuzz(reader, tmp_path, changed_json(rows, write))


def test_odd_columns_in_parquet(tmp_path):
    def write(column, values):
        rows = [{**row, column: value} for row, value in zip(ROWS, values, strict=True)]
        try:
            return parquet(rows)
        except Exception:  # noqa: BLE001 - values that make no column
            return parquet()

    kinds = st.sampled_from([one for one in ODD if not isinstance(one, float) or one == one])  # noqa: PLR0124 - no NaN
    columns = st.tuples(st.sampled_from([*ROWS[0], "sample", "cluster", "label_x"]), kinds)
    fuzz(BY_NAME["Parquet"], tmp_path, columns.map(lambda one: write(one[0], [one[1]] * len(ROWS))))


@pytest.fixture(scope="module")
def inspect_ai():
    return pytest.importorskip("inspect_ai.log", reason="needs the extra: pip install 'talan-eval[inspect]'")


@pytest.mark.usefixtures("inspect_ai")
def test_any_bytes_in_an_inspect_log(tmp_path):
    seed = (INSPECT / "base" / "seed0" / "sums.eval").read_bytes()
    fuzz(Reader("inspect .eval", "sums.eval", seed, meaning), tmp_path, changed_bytes(seed))


def plain_inspect(document):
    """Return the scores of an inspect log, strictly."""
    letters = {"C": 1.0, "P": 0.5, "I": 0.0, "N": 0.0}
    found = {}
    for sample in document["samples"]:
        for scorer, score in sample["scores"].items():
            value = score["value"]
            number = letters[value] if isinstance(value, str) and value in letters else float(value)
            name = sample["id"]
            name = int(name) if isinstance(name, bool) else name  # as the package reads it
            found.setdefault(scorer, []).append((str(name), number))
    return {scorer: sorted(rows) for scorer, rows in found.items()}


def scores_alone(path):
    """Leave the prompts out, which are hashed after the package has read them."""
    return {
        key.rpartition(", ")[2].strip("')"): sorted((item, score) for item, _, score in rows)
        for key, rows in meaning(path).items()
    }


@pytest.mark.usefixtures("inspect_ai")
def test_any_bytes_in_an_inspect_log_in_json(tmp_path):
    seed = (INSPECT / "treat" / "seed0" / "sums.json").read_bytes()
    default = scores_alone(INSPECT / "treat" / "seed0" / "sums.json")

    def plain(data):
        found = plain_inspect(json.loads(data))
        return {scorer: rows for scorer, rows in found.items() if scorer in default}

    reader = Reader("inspect JSON", "sums.json", seed, scores_alone, plain)
    fuzz(reader, tmp_path, st.one_of(changed_bytes(seed), changed_json(seed)))


@pytest.mark.usefixtures("inspect_ai")
def test_odd_values_in_members_of_an_inspect_log(tmp_path):
    members = inspect_members()
    names = [name for name in members if name.startswith("samples/") or name == "header.json"]
    seed = zipped(members)
    default = zipped(members)

    def strategy(name):
        return changed_json(members[name]).map(lambda content: zipped({**members, name: content}))

    def plain(data):
        import io  # noqa: PLC0415 - here alone
        import zipfile  # noqa: PLC0415 - as above

        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            samples = [json.loads(archive.read(one)) for one in archive.namelist() if one.startswith("samples/")]
        return {"match": plain_inspect({"samples": samples})["match"]}

    assert default == seed
    reader = Reader("inspect .eval members", "sums.eval", seed, scores_alone, plain)
    fuzz(reader, tmp_path, st.sampled_from(names).flatmap(strategy))


def skipping_lines(path):
    """Read what can be read of a table, as a careless reader does."""
    rows = []
    for line in path.read_text(errors="ignore").split("\n"):
        try:
            row = json.loads(line)
            rows.append({"seed": int(row["seed"]), "task": row["task"], "item": row["item"],
                         "score": float(row["score"]), "prompt": row["prompt"]})  # fmt: skip
        except (ValueError, KeyError, TypeError):
            continue
    return rows


def test_the_fuzzer_catches_a_reader_that_skips_what_it_cannot_read(tmp_path):
    reader = Reader("careless", "t.jsonl", BY_NAME["JSON lines"].seed, skipping_lines, plain_lines)
    with pytest.raises((SilentlyAcceptedError, OverflowError, ExceptionGroup)):
        fuzz(reader, tmp_path, changed_bytes(reader.seed))


def test_the_fuzzer_catches_a_reader_that_lets_errors_through(tmp_path):
    reader = Reader("naive", "t.jsonl", BY_NAME["JSON lines"].seed, lambda path: plain_lines(path.read_bytes()))
    with pytest.raises((ValueError, KeyError, TypeError, AssertionError, ExceptionGroup)):
        fuzz(reader, tmp_path, changed_bytes(reader.seed))
