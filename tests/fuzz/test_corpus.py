"""Hostile files made by hand: each is one error that names the file, in bounded time and memory."""

from __future__ import annotations

import io
import json
import struct
import zipfile
import zlib
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from talan_core.bounded import BoundsError, check_archive, parse_json, read_bounded, read_stream
from talan_core.checkpoint import read_adapter, read_partner, read_record
from talan_core.errors import UserError
from talan_eval.cli.compare import CompareRequest
from talan_eval.importers import table_rows
from talan_eval.importers.table_rows import read_parquet
from talan_eval.pipeline.must_pass import _wanted
from talan_eval.records.listing import Unlisted, look_at
from talan_eval.requests.experiment_file import read_options
from talan_eval.result.reading import read_result

from .harness import within_bounds
from .logs import inspect_members, meaning, zipped
from .test_own_files import items

RESULT = json.loads((Path(__file__).parents[1] / "data" / "result_schema_1.json").read_text())
MEGABYTE = 2**20
DEEP = 300_000


def scored_beside(path):
    """Write the samples that a results file of lm-eval speaks of, and return their directory."""
    name = f"samples_t_{path.stem.removeprefix('results_')}.jsonl"
    (path.parent / name).write_text(SAMPLE % ("{}", 1))
    return path.parent


PLACES = {
    "result": ("r/result.json", read_result),
    "lm-eval": ("run/samples_t.jsonl", meaning),
    "results": ("run/results_2026-01-02T03-04-05.json", lambda path: meaning(scored_beside(path))),
    "table": ("t.jsonl", meaning),
    "csv": ("t.csv", meaning),
    "inspect": ("log.json", meaning),
    "options.json": ("e.json", lambda path: read_options(path, CompareRequest)),
    "options.yaml": ("e.yaml", lambda path: read_options(path, CompareRequest)),
    "options.toml": ("e.toml", lambda path: read_options(path, CompareRequest)),
    "block": ("c/talan_config.json", lambda path: read_record(path.parent)),
    "adapter": ("c/adapter_config.json", lambda path: read_partner(path.parent)),
    "tensors": ("c/adapter_model.safetensors", lambda path: read_adapter(path.parent)),
    "items": ("must.txt", lambda path: list(_wanted(path))),
    "archive": ("dataset.zip", items),
}
LOG = b'{"version": 2, "status": "success", "eval": '
ROW = '{"arm": "a", "seed": %s, "task": "t", "item": "i", "score": %s}\n'
SAMPLE = '{"doc_id": 0, "doc": %s, "filter": "none", "metrics": ["acc"], "prompt_hash": "p", "acc": %s}\n'
TENSOR = b'{"a":{"dtype":"F32","shape":[4611686018427387904],"data_offsets":[0,4]}}'
TWICE = b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}'
LAUGHS = b"a: &a [x,x,x,x]\n" + b"".join(
    b"b%d: &b%d [*%s,*%s,*%s,*%s]\n" % (number, number, *[b"a" if number == 0 else b"b%d" % (number - 1)] * 4)
    for number in range(30)
)


def replaced(old, new):
    return json.dumps(RESULT).replace(old, new, 1).encode()


def headed(header):
    return struct.pack("<Q", len(header)) + header


HOSTILE = {
    "brackets in a result": ("result", b"[" * DEEP),
    "objects in a result": ("result", b'{"a":' * DEEP),
    "a deep provenance": ("result", replaced('"provenance": {', '"provenance": {"x": ' + "[" * 150 + "]" * 150 + ", ")),
    "a schema of 5,000 digits": ("result", b'{"schema": ' + b"9" * 5000 + b"}"),
    "a schema of 4,000 digits": ("result", b'{"schema": ' + b"9" * 4000 + b"}"),
    "a delta of 400 digits": ("result", replaced('"delta": ', '"delta": 1' + "0" * 400 + ', "x": ')),
    "a count of 400 digits": ("result", replaced('"lost": ', '"lost": 1' + "0" * 400)),
    "infinite provenance": ("result", replaced('"provenance": {', '"provenance": {"x": 1e999, ')),
    "provenance that is no number": ("result", replaced('"provenance": {', '"provenance": {"x": NaN, ')),
    "two schemas": ("result", replaced('"schema": 1', '"schema": 1, "schema": 1')),
    "a mark of byte order alone": ("result", b"\xef\xbb\xbf"),
    "UTF-16": ("result", json.dumps(RESULT).encode("utf-16")),
    "a name of 5,000 letters": ("result", json.dumps({"schema": 1, "n" * 5000: 1}).encode()),
    "65 MiB of blanks": ("result", b" " * (65 * MEGABYTE)),
    "brackets after the filter": ("lm-eval", (SAMPLE % ("{}", "[" * DEEP)).encode()),
    "a score of 400 digits": ("lm-eval", (SAMPLE % ("{}", "1" + "0" * 400)).encode()),
    "a score of 5,000 digits": ("lm-eval", (SAMPLE % ("{}", "9" * 5000)).encode()),
    "a lone surrogate": ("lm-eval", (SAMPLE % ("{}", '"\\ud800"')).encode()),
    "brackets in a row": ("table", b"[" * DEEP),
    "a seed in another script": ("table", (ROW % ('"\u0663"', 1)).encode()),
    "a seed with a line below": ("table", (ROW % ('"1_0"', 1)).encode()),
    "a seed of 5,000 digits": ("table", (ROW % ('"' + "9" * 5000 + '"', 1)).encode()),
    "a score of many digits": ("table", (ROW % (0, "1" + "0" * 400)).encode()),
    "a score in another script": ("table", (ROW % (0, '"\u0661"')).encode()),
    "an arm that is a list": ("table", b'{"arm": ["a"], "seed": 0, "task": "t", "item": "i", "score": 1}\n'),
    "100,000 columns": ("csv", ",".join(f"c{n}" for n in range(100_000)).encode() + b"\n" + b"," * 99_999),
    "a field of 1 MiB": ("csv", b"arm,seed,task,item,score\na,0,t," + b"x" * MEGABYTE + b",1\n"),
    "an open quotation": ("csv", b'arm,seed,task,item,score\n"a,0,t,i,1\n'),
    "bytes of no text": ("csv", b"arm,seed,task,item,score\n\xff\xfe,0,t,i,1\n"),
    "600 KB of brackets": ("inspect", LOG + b"[" * 600_000),
    "600 KB of objects": ("inspect", LOG + b'{"a":' * 120_000),
    "600 KB of closed brackets": ("inspect", LOG + b"[" * 300_000 + b"]" * 300_000 + b"}"),
    "a seed that is true": ("table", (ROW % ("true", 1)).encode()),
    "a benchmark that is false": ("table", (ROW % (0, 1)).replace('"t"', "false").encode()),
    "a return in the first line": ("csv", b"arm\rx,seed,task,item,score\na,0,t,i,1\n"),
    "one status twice": ("inspect", b'{"version": 2, "status": "error", "status": "success", "eval": {}}'),
    "a list of results": ("results", b"[]"),
    "results of nothing": ("results", b"{}"),
    "one column twice in a row": ("table", (ROW % ('1, "seed": 0', 1)).encode()),
    "one metric twice in a sample": ("lm-eval", (SAMPLE % ("{}", '0, "acc": 1')).encode()),
    "brackets in an option": ("options.json", b'{"treat": ' + b"[" * 60_000),
    "a seed number of 5,000 digits": ("options.json", b'{"seeds": ' + b"9" * 5000 + b"}"),
    "one option twice": ("options.json", b'{"seeds": 3, "seeds": 30}'),
    "a margin of 400 digits in JSON": ("options.json", b'{"margin": 1' + b"0" * 400 + b"}"),
    "a margin of 400 digits in TOML": ("options.toml", b"margin = 1" + b"0" * 400),
    "a margin of 400 digits in YAML": ("options.yaml", b"margin: 1" + b"0" * 400),
    "a margin beyond all numbers in YAML": ("options.yaml", b"margin: 1.51e999"),
    "a margin beyond all numbers in TOML": ("options.toml", b"margin = 1.51e999"),
    "a margin beyond all numbers in JSON": ("options.json", b'{"margin": 1.51e999}'),
    "a margin without end": ("options.yaml", b"margin: .inf"),
    "a margin of 309 digits": ("options.toml", b"margin = 2" + b"0" * 308),
    "laughs": ("options.yaml", LAUGHS),
    "a yes that is none": ("options.yaml", b"seeds: !!bool q\n"),
    "a day that is none": ("options.yaml", b"seeds: !!timestamp q\n"),
    "a number that is none": ("options.yaml", b"seeds: !!int ''\n"),
    "a letter that is none": ("options.yaml", b'seeds: "\\Uffffffff"\n'),
    "a set": ("options.yaml", b"!!set {seeds}\n"),
    "an object of Python": ("options.yaml", b"seeds: !!python/object/apply:os.system [true]\n"),
    "one name twice": ("options.yaml", b"seeds: 3\nseeds: 30\n"),
    "lists in lists": ("options.yaml", b"- " * 20_000),
    "indented names": ("options.yaml", b"\n".join(b" " * n + b"a:" for n in range(400))),
    "a large file": ("options.yaml", b"a: 1\n" * 200_000),
    "tables in tables": ("options.toml", b"a = " + b"[" * 60_000),
    "dotted names": ("options.toml", b"a" + b".a" * 60_000 + b" = 1"),
    "brackets in a block": ("block", b'{"layer": ' + b"[" * DEEP),
    "an infinite layer": ("block", b'{"layer": Infinity}'),
    "brackets in an adapter": ("adapter", b'{"peft_type": ' + b"[" * DEEP),
    "a rank below 0": ("adapter", b'{"peft_type": "LORA", "r": -2}'),
    "a rank of 10^9": ("adapter", b'{"peft_type": "LORA", "r": 1000000000}'),
    "one key twice": ("adapter", b'{"peft_type": "LORA", "peft_type": "IA3"}'),
    "a header of 2^60 bytes": ("tensors", struct.pack("<Q", 2**60) + b"{}"),
    "a tensor of 2^62 numbers": ("tensors", headed(TENSOR) + b"\0\0\0\0"),
    "one tensor twice": ("tensors", headed(TWICE) + b"\0\0\0\0"),
    "brackets in a header": ("tensors", headed(b'{"a":' + b"[" * 100_000)),
    "a word alone": ("items", b"gsm8k\n"),
    "17 MiB of items": ("items", b"gsm8k item\n" * (17 * MEGABYTE // 11)),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_is_one_error_that_names_it(name, tmp_path):
    if HOSTILE[name][0] == "inspect":
        pytest.importorskip("inspect_ai.log", reason="needs the extra: pip install 'talan-eval[inspect]'")
    place, read = PLACES[HOSTILE[name][0]]
    path = tmp_path / place
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(HOSTILE[name][1])
    with within_bounds(), pytest.raises(UserError) as caught:
        read(path)
    said = str(caught.value)
    assert path.name in said or path.parent.name in said
    assert len(said) < 20_000


def bomb(size, declared=None, name="samples/s0_epoch_1.json", **others):
    """Write an archive whose member unpacks to many blanks, and says of itself what is wanted."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    block = packer.compress(b" " * MEGABYTE) + packer.flush(zlib.Z_FULL_FLUSH)  # stands alone, and can come again
    last = packer.compress(b" " * MEGABYTE) + packer.flush(zlib.Z_FULL_FLUSH)
    packed = block + last * (size // MEGABYTE - 1) + packer.flush()
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for member, content in others.items():
            archive.writestr(member, content)
        archive.writestr(name, b"")
    data = bytearray(target.getvalue())
    # put the packed blanks in place of the empty member, and make both headers say so
    local, central = data.rindex(b"PK\x03\x04"), data.rindex(b"PK\x01\x02")
    named = size if declared is None else declared
    check = 0 if declared is None else zlib.crc32(b" " * declared)
    for start, at in ((local, 14), (central, 16)):
        data[start + at : start + at + 12] = struct.pack("<III", check, len(packed), named)
    body = local + 30 + len(name)
    begun = data.index(b"PK\x01\x02")
    rest = data[begun:]
    whole = data[:body] + packed + rest
    end = whole.rindex(b"PK\x05\x06")
    whole[end + 16 : end + 20] = struct.pack("<I", body + len(packed))
    return bytes(whole)


@pytest.mark.parametrize("declared", [None, 4096])
def test_a_log_of_half_a_kilobyte_that_unpacks_to_600_megabytes_is_refused(tmp_path, declared):
    pytest.importorskip("inspect_ai.log", reason="needs the extra: pip install 'talan-eval[inspect]'")
    data = bomb(600 * MEGABYTE, declared, **{"header.json": inspect_members()["header.json"]})
    assert len(data) < 2 * MEGABYTE
    path = tmp_path / "bomb.eval"
    path.write_bytes(data)
    with within_bounds(), pytest.raises(UserError, match=r"bomb\.eval") as caught:
        meaning(path)
    assert ("629,145,600 bytes" in caught.value.problem) == (declared is None)


@pytest.mark.parametrize("declared", [None, 4096])
def test_an_archive_of_items_that_unpacks_to_2_gigabytes_is_refused(tmp_path, declared):
    path = tmp_path / "dataset.zip"
    path.write_bytes(bomb(2**31, declared, name="dataset/items.csv"))
    with within_bounds(), pytest.raises(UserError, match=r"dataset\.zip"):
        items(path)


def test_reading_stops_at_the_limit_whatever_was_declared():
    data = bomb(50 * MEGABYTE, 4096, name="x")
    with zipfile.ZipFile(io.BytesIO(data)) as archive, within_bounds(megabytes=50):
        with pytest.raises(BoundsError, match="unpacks to more than 4,096 bytes"):
            list(check_archive(io.BytesIO(data), archive.infolist(), of_one=MEGABYTE, of_all=MEGABYTE))
        (member,) = archive.infolist()
        assert member.file_size == 4096


def test_a_sound_log_is_read_within_the_same_limits(tmp_path):
    pytest.importorskip("inspect_ai.log", reason="needs the extra: pip install 'talan-eval[inspect]'")
    path = tmp_path / "sums.eval"
    path.write_bytes(zipped(inspect_members()))
    assert meaning(path)


def test_a_damaged_member_in_zstandard_is_named(tmp_path):
    pytest.importorskip("inspect_ai.log", reason="needs the extra: pip install 'talan-eval[inspect]'")
    pytest.importorskip("zipfile_zstd")
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", 93) as archive:
        for name, content in inspect_members().items():
            archive.writestr(name, content)
    sound = target.getvalue()
    path = tmp_path / "sums.eval"
    path.write_bytes(sound)
    assert meaning(path)
    start = sound.index(b"\x28\xb5\x2f\xfd")
    path.write_bytes(sound[: start + 20] + bytes([sound[start + 20] ^ 255]) + sound[start + 21 :])
    with pytest.raises(UserError, match=r"sums\.eval is not a readable inspect_ai log"):
        meaning(path)


def test_a_table_of_few_bytes_and_many_rows_is_refused(tmp_path):
    path = tmp_path / "t.parquet"
    same = {name: pa.array(["x"]).take(pa.array([0] * 1000)) for name in ("arm", "task", "item")}
    one = pa.table({**same, "seed": pa.array([0] * 1000), "score": pa.array([1.0] * 1000)})
    whole = pa.concat_tables([one] * 5000)
    pq.write_table(whole, path, compression="zstd")
    with within_bounds(), pytest.raises(UserError, match=r"t\.parquet is not a readable Parquet file.*5,000,000 rows"):
        meaning(path)


@pytest.mark.parametrize("written", ["1:30", "1_0", "010", "0b11", "0o10"])
def test_what_versions_of_yaml_read_as_different_numbers_is_the_text_that_was_typed(tmp_path, written):
    path = tmp_path / "e.yaml"
    path.write_text(f"seeds: {written}\n")
    assert read_options(path, CompareRequest)["seeds"] == written
    path.write_text("seeds: 10\nmargin: 1.5e-1\n")
    assert read_options(path, CompareRequest) == {"seeds": "10", "margin": 0.15}


def test_two_columns_of_one_name_are_refused(tmp_path):
    path = tmp_path / "t.parquet"
    columns = {"arm": ["a"], "seed": [0], "task": ["t"], "item": ["i"], "score": [1.0]}
    arrays = [*map(pa.array, columns.values()), pa.array([0.0])]
    pq.write_table(pa.Table.from_arrays(arrays, names=[*columns, "score"]), path)
    with pytest.raises(UserError, match=r"t\.parquet: two columns are called 'score'"):
        meaning(path)


def test_a_manifest_of_brackets_is_damaged_and_no_end(tmp_path):
    (tmp_path / "manifest.json").write_bytes(b'{"sha256": ' + b"[" * DEEP)
    with within_bounds():
        found = look_at(tmp_path)
    assert isinstance(found, Unlisted)
    assert found.state == "damaged"


def test_a_file_larger_than_its_limit_is_not_read(tmp_path):
    path = tmp_path / "large"
    with path.open("wb") as file:
        file.truncate(8 << 30)  # a hole
    with within_bounds(megabytes=50), pytest.raises(BoundsError, match="larger than 1 MiB"):
        read_bounded(path, MEGABYTE)
    with (
        Path("/dev/zero").open("rb") as endless,
        within_bounds(megabytes=50),
        pytest.raises(BoundsError, match="larger than 1 MiB"),
    ):
        read_stream(endless, MEGABYTE)


def test_the_bounds_catch_a_reader_without_any():
    with pytest.raises(AssertionError, match="MiB"), within_bounds(megabytes=50):
        bytes(200 * MEGABYTE).replace(b"\0", b"\1")
    with pytest.raises(AssertionError, match="processor time"), within_bounds(seconds=0.05):
        sum(range(10_000_000))


@pytest.mark.parametrize("depth", [10, 99, 101, 5000])
def test_json_is_read_down_to_a_depth(depth):
    text = "[" * depth + '"[[{\\"[{["' + "]" * depth
    if depth < 100:
        assert parse_json(text) == json.loads(text)
        assert parse_json(text.encode()) == json.loads(text)
    else:
        with pytest.raises(ValueError, match="more than 100 levels"):
            parse_json(text)


def test_texts_that_are_stored_once_and_stand_there_often_are_counted_before_they_are_written_out(tmp_path):
    path = tmp_path / "t.parquet"
    long = pa.DictionaryArray.from_arrays(pa.array([0] * 20_000, pa.int32()), pa.array(["x" * MEGABYTE]))
    rows = {"item": [f"i{number}" for number in range(20_000)], "score": [1.0] * 20_000}
    pq.write_table(pa.table({**rows, "prompt": long}), path, dictionary_pagesize_limit=2**26)
    assert path.stat().st_size < 2 * MEGABYTE
    with within_bounds(), pytest.raises(UserError, match=r"t\.parquet.*unpacks to more than 1,024 MiB"):
        meaning(path)
    nested = pa.StructArray.from_arrays([long], ["query"])
    pq.write_table(pa.table({**rows, "prompt": nested}), path, dictionary_pagesize_limit=2**26)
    with within_bounds(), pytest.raises(UserError, match=r"t\.parquet.*unpacks to more than 1,024 MiB"):
        meaning(path)


def test_the_values_of_a_table_are_counted_whatever_it_says(tmp_path, monkeypatch):
    path = tmp_path / "t.parquet"
    rows = pa.table({"item": [f"i{number}" for number in range(9000)], "score": [1.0] * 9000})
    pq.write_table(rows, path, row_group_size=700)
    assert [row for _, row in read_parquet(path, path.read_bytes())] == rows.to_pylist()
    monkeypatch.setattr(table_rows, "_MOST_CELLS", 2 * 9000)
    assert len(list(read_parquet(path, path.read_bytes()))) == 9000
    monkeypatch.setattr(table_rows, "_MOST_CELLS", 2 * 9000 - 1)
    with pytest.raises(UserError, match="said to hold 9,000 rows"):
        list(read_parquet(path, path.read_bytes()))
    monkeypatch.setattr(table_rows, "_check_declared", lambda *_: None)
    with pytest.raises(UserError, match="more than 17,999 values"):
        list(read_parquet(path, path.read_bytes()))


@pytest.mark.parametrize(
    ("member", "old", "new"),
    [
        ("header.json", b'"status":', b'"status": "error", "status":'),
        ("samples/", b'"epoch":', b'"epoch": 1, "epoch":'),
        ("samples/", b'"value":', b'"value": "I", "value":'),
        ("summaries.json", b'"epoch":', b'"epoch": 1, "epoch":'),
    ],
)
def test_a_log_that_says_something_twice_is_refused(tmp_path, member, old, new):
    pytest.importorskip("inspect_ai.log", reason="needs the extra: pip install 'talan-eval[inspect]'")
    members = inspect_members()
    name = next(one for one in members if one.startswith(member))
    assert old in members[name]
    path = tmp_path / "twice.eval"
    path.write_bytes(zipped({**members, name: members[name].replace(old, new, 1)}))
    with pytest.raises(UserError, match=r"twice\.eval is not a readable inspect_ai log .*stands twice in one object"):
        meaning(path)
