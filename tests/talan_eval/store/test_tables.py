"""Payload as Parquet, and the JSON Lines of older versions."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from talan_eval.store.records import CorruptedError
from talan_eval.store.sealed_rows import count_rows, read_columns, read_rows, to_parquet

KINDS = {"item": str, "score": float, "sample": int, "extracted": str}
ROW = st.fixed_dictionaries(
    {
        "item": st.text(),
        "score": st.floats(allow_nan=False),
        "sample": st.integers(-(2**63), 2**63 - 1),
        "extracted": st.none() | st.text(),
    }
)


@settings(derandomize=True, deadline=None, max_examples=60)
@given(rows=st.lists(ROW, max_size=6))
def test_rows_read_back_and_equal_rows_have_equal_bytes(tmp_path_factory, rows):
    path = tmp_path_factory.mktemp("rows") / "x.parquet"
    path.write_bytes(to_parquet(rows, KINDS))
    assert read_rows(path) == rows
    assert count_rows(path) == len(rows)
    assert to_parquet(rows, KINDS) == path.read_bytes()


def test_text_that_is_no_unicode_stays_readable(tmp_path):
    path = tmp_path / "x.parquet"
    path.write_bytes(to_parquet([{"item": "a\ud800b"}], {"item": str}))
    assert read_rows(path) == [{"item": "a\\ud800b"}]


def test_a_column_without_values_keeps_its_type(tmp_path):
    path = tmp_path / "x.parquet"
    path.write_bytes(to_parquet([{"item": "a", "extracted": None}], {"item": str, "extracted": str}))
    assert str(parquet.read_schema(path).field("extracted").type) == "string"


def test_json_lines_of_older_versions_are_read(tmp_path):
    path = tmp_path / "x.jsonl"
    path.write_text("".join(json.dumps({"item": text}) + "\n" for text in ("a\n", "\ud800")))
    assert read_rows(path) == [{"item": "a\n"}, {"item": "\ud800"}]
    assert count_rows(path) == 2


@pytest.mark.parametrize("name", ["x.parquet", "x.jsonl"])
def test_some_columns_are_read_alone_and_one_of_later_versions_is_empty(tmp_path, name):
    path, rows = tmp_path / name, [{"item": "a", "score": 0.5}, {"item": "b", "score": 1.0}]
    lines = "".join(json.dumps(row) + "\n" for row in rows).encode()
    path.write_bytes(lines if name.endswith("jsonl") else to_parquet(rows, {"item": str, "score": float}))
    assert read_columns(path, ("score", "level")).to_pylist() == [
        {"score": 0.5, "level": None},
        {"score": 1.0, "level": None},
    ]


@pytest.mark.parametrize("read", [read_rows, lambda path: read_columns(path, ("item",))])
@pytest.mark.parametrize("name", ["x.parquet", "x.jsonl"])
def test_something_else_under_the_name_is_called_damaged(tmp_path, name, read):
    path = tmp_path / name
    path.write_bytes(b"PAR1 nothing of the kind")
    with pytest.raises(CorruptedError, match=name):
        read(path)
