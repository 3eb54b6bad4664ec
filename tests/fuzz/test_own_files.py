"""Results, experiment files, checkpoints, arms, archives and the store's own files, with any bytes."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
import re
import shutil
import tomllib
import zipfile
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from talan_core.arms import parse_arm
from talan_core.checkpoint import BLOCK_CONFIG, read_adapter, read_partner, read_record
from talan_core.errors import UserError
from talan_eval.cli.compare import CompareRequest
from talan_eval.intake.arm_grids import read_arms
from talan_eval.pipeline.must_pass import _wanted
from talan_eval.requests.experiment_file import read_options
from talan_eval.requests.grid import AskedArms
from talan_eval.result.reading import read_result
from talan_eval.store.journal import Journal
from talan_eval.store.ledger import EnteredLook, Ledger
from talan_eval.store.records import CorruptedError, Manifest
from talan_eval.store.store import Store
from talan_eval.tasks.datafiles import ArchiveFile, read_archive
from talan_eval.tasks.datafiles.local import DataFile, read_rows

from .harness import CHECKED, ODD, TOKENS, Count, Reader, ask, changed_bytes, changed_json, counted, fuzz

ROOT = Path(__file__).parents[2]
RESULT = (ROOT / "tests" / "data" / "result_schema_1.json").read_bytes()


def numbers_in(document, made):
    """Return the places of a document whose value a result, written again, does not have."""
    if isinstance(document, dict):
        assert isinstance(made, dict)
        return [one for name, value in document.items() for one in numbers_in(value, made[name])]
    if isinstance(document, list):
        assert len(document) == len(made)
        return [one for value, other in zip(document, made, strict=True) for one in numbers_in(value, other)]
    same = document == made and isinstance(document, bool) == isinstance(made, bool)
    return [] if same else [(document, made)]


def result_as_written(path):
    return json.loads(read_result(path).to_json())


def unique(pairs):
    assert len(dict(pairs)) == len(pairs)
    return dict(pairs)


@pytest.fixture(scope="module")
def second_schema():
    made = read_result(ROOT / "tests" / "data" / "result_schema_1.json")
    return made.to_json().encode()


def test_any_bytes_in_a_result(tmp_path, second_schema):
    def plain(data):
        document = json.loads(data, object_pairs_hook=unique)
        (tmp_path / "again.json").write_bytes(data)
        made = result_as_written(tmp_path / "again.json")
        assert numbers_in(document, made) == []
        return made

    reader = Reader("result.json", "result.json", second_schema, result_as_written, plain)
    count = fuzz(reader, tmp_path, st.one_of(changed_bytes(second_schema), changed_json(second_schema)))
    assert count.refused > count.inputs // 2


def test_any_bytes_in_a_result_of_the_first_schema(tmp_path):
    def plain(data):
        document = json.loads(data, object_pairs_hook=unique)
        (tmp_path / "again.json").write_bytes(data)
        made = result_as_written(tmp_path / "again.json")
        assert [cell["deltas"] for cell in document["cells"]] == [
            cell["deltas"] for cell in made["contrasts"][0]["cells"]
        ]
        return made

    reader = Reader("result.json, schema 1", "result.json", RESULT, result_as_written, plain)
    fuzz(reader, tmp_path, st.one_of(changed_bytes(RESULT), changed_json(RESULT)))


OPTIONS = {"treat": ["talan+lora", "dora"], "seeds": 7, "tasks": ["gsm8k", "mbpp"], "margin": 1.5, "yes": True}
TOML = b'treat = ["talan+lora", "dora"]\nseeds = 7\ntasks = ["gsm8k", "mbpp"]\nmargin = 1.5\nyes = true\n'


def options(path):
    return {name: str(value) for name, value in read_options(path, CompareRequest).items()}


def plain_options(loads, sound):
    """Return a reader that takes a value as it is: text, number, or texts joined by commas."""

    def read(data):
        found = loads(data.decode())
        texts = {}
        for name, value in (found or {}).items():
            default = {field.name: field for field in dataclasses.fields(CompareRequest)}[name]
            joined = isinstance(value, list) and "tuple" not in str(default.type)
            text = ",".join(map(str, value)) if joined else value
            if isinstance(text, list):
                text = tuple(text)
            elif isinstance(text, str) and "tuple" in str(default.type):
                text = (text,)
            elif joined and len(value) == 1:
                text += ","
            if "float" in str(default.type) and type(text) is int:
                text = float(text)
            texts[name] = str(text)
        return texts

    assert read(sound) is not None
    return read


def plain_yaml(text):
    """Read YAML in which a number that its versions read differently (010, 1_0, 1:30) is a text."""

    def strict(value, written):
        if isinstance(value, list):
            return [strict(*both) for both in zip(value, written, strict=True)]
        if isinstance(value, dict):
            return {name: strict(one, written[str(name)]) for name, one in value.items()}
        if isinstance(value, str) and re.fullmatch(r"[-+]\.\d+", written):
            return float(written)  # a number in every version of YAML, and a text for PyYAML
        number = isinstance(value, int | float) and not isinstance(value, bool)
        return (
            written
            if number and not re.fullmatch(r"[-+]?(0|[1-9]\d*|\d*\.\d*([eE][-+]?\d+)?|\.\w+)", written)
            else value
        )

    return strict(yaml.safe_load(text), yaml.load(text, yaml.BaseLoader))  # noqa: S506 - texts alone


@pytest.mark.parametrize(
    ("name", "seed", "loads"),
    [
        ("e.toml", TOML, tomllib.loads),
        ("e.json", json.dumps(OPTIONS).encode(), lambda text: json.loads(text, object_pairs_hook=unique)),
        ("e.yaml", yaml.safe_dump(OPTIONS).encode(), plain_yaml),
    ],
)
def test_any_bytes_in_an_experiment_file(tmp_path, name, seed, loads):
    reader = Reader(f"experiment file {name}", name, seed, options, plain_options(loads, seed))
    strategy = changed_bytes(seed)
    if name == "e.json":
        strategy = st.one_of(strategy, changed_json(seed))
    fuzz(reader, tmp_path, strategy)


def test_any_bytes_in_a_list_of_items(tmp_path):
    seed = b"# must\ngsm8k gsm8k-1\nmbpp 7 # seven\n"

    def plain(data):
        lines = [line.split("#")[0].split(maxsplit=1) for line in data.decode().splitlines()]
        assert all(len(words) != 1 for words in lines)
        return [(words[0], words[1].strip()) for words in lines if words]

    reader = Reader("must-pass items", "items.txt", seed, lambda path: list(_wanted(path)), plain)
    fuzz(reader, tmp_path, changed_bytes(seed))


ARMS = [
    "lora", "talan+lora", "talan[slots=2,layer=4]+dora[r=16]", "noise[gate=0.02]+lora[r=8]", "vera[r=16]",
    "talan[lr_scale=1e-1]+lora", "oft[block=8]",
]  # fmt: skip


@CHECKED
@given(st.sampled_from(ARMS).flatmap(lambda arm: changed_bytes(arm.encode())))
def test_any_text_as_an_arm(content):
    text, arm = content.decode("utf-8", "replace"), None
    with counted("arm"):
        arm = parse_arm(text)
    if arm is None:
        return
    assert parse_arm(arm.name) == arm
    bare = "".join(text.split())
    assert parse_arm(bare) == arm
    digits = [one for one in text if one.isdigit()]
    assert all(one in "0123456789" for one in digits)
    assert "_" not in text.replace("lr_scale", "").replace("grad_scale", "").replace("d_mem", "")


@CHECKED
@given(
    st.sampled_from(["talan[slots=1|2,layer=1|3]+lora", "lora[r=4|8]", "a|b"]).flatmap(
        lambda arm: changed_bytes(arm.encode())
    )
)
def test_any_text_as_a_grid_of_arms(content):
    with counted("grid of arms"):
        found = read_arms(AskedArms("lora", (content.decode("utf-8", "replace"),)))
        assert 2 <= len(found.names) <= 201


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    from transformers import Qwen2Config, Qwen2ForCausalLM  # noqa: PLC0415 - heavy

    from talan_core.arms import build  # noqa: PLC0415 - as above
    from talan_core.quiet import library_warnings_silenced  # noqa: PLC0415 - as above

    small = Qwen2Config(
        vocab_size=32, hidden_size=16, intermediate_size=16, num_hidden_layers=2, num_attention_heads=2,
        num_key_value_heads=2, max_position_embeddings=32,
    )  # fmt: skip
    directory = tmp_path_factory.mktemp("checkpoint")
    with library_warnings_silenced():
        build(Qwen2ForCausalLM(small), parse_arm("talan[layer=1,slots=2,d_mem=4]+lora[r=2]"), seed=0).save_pretrained(
            str(directory)
        )
    return directory


def partner(directory):
    return {name: str(value) for name, value in sorted(read_partner(directory).to_dict().items())}


def tensors(directory):
    return {name: (tuple(one.shape), one.flatten().tolist()) for name, one in read_adapter(directory).items()}


@pytest.mark.filterwarnings("ignore::UserWarning")  # what PEFT says of options that it does not use
@pytest.mark.parametrize(
    ("name", "read"),
    [
        (BLOCK_CONFIG, lambda path: dataclasses.asdict(read_record(path.parent))),
        (
            "adapter_config.json",
            lambda path: partner(path.parent),
        ),
        ("adapter_model.safetensors", lambda path: tensors(path.parent)),
    ],
)
def test_any_bytes_in_a_checkpoint(checkpoint, tmp_path, name, read):
    directory = tmp_path / "saved"
    shutil.copytree(checkpoint, directory)
    seed = (directory / name).read_bytes()

    def plain(data):
        if name.endswith(".safetensors"):
            from safetensors.torch import load  # noqa: PLC0415 - heavy

            return {key: (tuple(one.shape), one.flatten().tolist()) for key, one in load(data).items()}
        json.loads(data, object_pairs_hook=unique)
        return read(directory / name)  # what it says otherwise is the library's to say; that it is JSON is ours

    reader = Reader(f"checkpoint {name}", f"saved/{name}", seed, read, plain)
    strategy = changed_bytes(seed)
    fuzz(reader, tmp_path, strategy if name.endswith(".safetensors") else st.one_of(strategy, changed_json(seed)))


CSV = 'Record ID,Question,Correct Answer\nrec1,"Why, and\nhow?",Because\nrec2,Where?,Here\n'


def archive(text=CSV):
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("dataset/items.csv", text)
    return target.getvalue()


def items(path):
    return read_archive(
        ArchiveFile(
            path=path,
            member="dataset/items.csv",
            password_base64="b3Blbg==",
            rows=2,
            fields=("Question", "Correct Answer"),
            id_field="Record ID",
            ids_sha256=hashlib.sha256(b"rec1\nrec2").hexdigest(),
        )
    )


def test_any_bytes_in_an_archive_of_items(tmp_path):
    reader = Reader("archive", "dataset.zip", archive(), items)
    fuzz(reader, tmp_path, changed_bytes(archive()))


def test_any_bytes_in_a_file_of_items(tmp_path):
    seed = b'{"question": "a", "answer": "1"}\n{"question": "b", "answer": "2"}\n'
    known = hashlib.sha256(seed).hexdigest()
    for digest in (known, None):
        reader = Reader(
            "data file",
            "items.jsonl",
            seed,
            lambda path, digest=digest: read_rows(DataFile(path, 2, ("question", "answer"), digest)),
            None if digest else lambda data: [json.loads(line) for line in data.decode().split("\n") if line.strip()],
        )
        fuzz(reader, tmp_path, changed_bytes(seed))


def sealed(call):
    """Take what the store says of a damaged file for an error of the user's, which it becomes where it is shown."""

    def read(path):
        try:
            return call(path)
        except CorruptedError as error:
            raise UserError(f"{path}: {error}", "") from error

    return read


@pytest.fixture
def store(tmp_path):
    made = Store.open(tmp_path / "one", Manifest({"arms": ["lora"]}, "2026-01-01T00:00:00+00:00"))
    made.seal("eval_a", {"kind": "evaluation", "seed": 1}, {"a/x.jsonl": b'{"score": 1}\n'})
    return made


def test_any_bytes_in_the_records_of_the_store(tmp_path, store):
    record = store.directory / "cells" / "eval_a.json"
    manifest = store.directory / "manifest.json"
    for name, path, read in (
        ("record", record, lambda path: dataclasses.asdict(Store.load(path.parents[1])._checked(path))),
        ("manifest", manifest, lambda path: dataclasses.asdict(Store.load(path.parent).manifest)),
        (
            "payload",
            store.directory / "samples" / "a" / "x.jsonl",
            lambda _: dataclasses.asdict(store._checked(record)),
        ),
    ):
        seed = path.read_bytes()
        strategy = changed_bytes(seed)
        reader = Reader(f"store: {name}", str(path.relative_to(tmp_path)), seed, sealed(read))
        fuzz(reader, tmp_path, strategy if name == "payload" else st.one_of(strategy, changed_json(seed)))
        path.write_bytes(seed)


def test_any_bytes_in_a_journal_leave_a_beginning_of_it(tmp_path):
    path = tmp_path / "j.jsonl"
    journal = Journal.open(path, {"of": 1})
    for number in range(3):
        journal.append({"batch": number})
    seed = path.read_bytes()
    entries = Journal.open(path, {"of": 1}).entries
    beginnings = [entries[:count] for count in range(4)]
    reader = Reader("journal", "j.jsonl", seed, lambda path: Journal.open(path, {"of": 1}).entries in beginnings)
    count = fuzz(reader, tmp_path, changed_bytes(seed))
    assert count.accepted == count.inputs


def test_any_bytes_in_the_ledger_leave_a_part_of_it(tmp_path):
    ledger = Ledger(tmp_path)
    looks = [EnteredLook("t", "e", "r", "f", "p", "b", (0, 1, number)) for number in range(3)]
    for look in looks:
        ledger.enter(dataclasses.replace(look, experiment=str(look.seeds)))
    seed = ledger.path.read_bytes()
    known = set(ledger.read()[0])
    reader = Reader("ledger", ledger.path.name, seed, lambda path: set(Ledger(path.parent).read()[0]) <= known)
    fuzz(reader, tmp_path, changed_bytes(seed))


def test_odd_values_are_odd():
    assert len(ODD) > 20
    assert len(TOKENS) > 30


def test_the_fuzzer_catches_a_result_reader_that_takes_the_last_of_two(tmp_path, second_schema):
    """A control: two values under one name, of which a careless reader takes the last."""
    reader = Reader(
        "careless", "r.json", second_schema, lambda path: json.loads(path.read_bytes()),
        lambda data: json.loads(data, object_pairs_hook=unique),
    )  # fmt: skip
    path = tmp_path / "r.json"
    twice = second_schema.replace(b'"signature"', b'"schema": 2, "signature"', 1)
    path.write_bytes(twice)
    with pytest.raises(AssertionError):
        ask(reader, path, twice, None, Count())
