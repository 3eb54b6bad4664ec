"""Options from a file and from the environment: the same options, checked alike, and one list of them."""

from __future__ import annotations

import dataclasses
import json
import tomllib
from pathlib import Path

import jsonschema
import pytest
import typer
import yaml
from typer.testing import CliRunner

from talan_core.errors import UserError
from talan_eval.requests.commands import command_of
from talan_eval.requests.compare import CompareRequest
from talan_eval.requests.compare_logs import CompareLogsRequest
from talan_eval.requests.evaluate import EvaluateRequest
from talan_eval.requests.experiment_file import json_schema, read_options, to_document, variable_of
from talan_eval.requests.fields import declared

ROOT = Path(__file__).parents[3]
SCHEMA = json_schema(CompareRequest, "An experiment file of talan-eval compare")
FILE = """
treat = "talan[slots=4]+dora"
seeds = [0, 3, 5]
tasks = ["gsm8k_micro", "mbpp_micro"]
learning_rate = 1
limit = 12
out = "results/mine"
"""
READ = {
    "treat": ("talan[slots=4]+dora",),
    "seeds": "0,3,5",
    "tasks": "gsm8k_micro,mbpp_micro",
    "learning_rate": 1.0,
    "limit": 12,
    "out": Path("results/mine"),
}


def written(tmp_path, text, name="experiment.toml"):
    path = tmp_path / name
    path.write_text(text)
    return path


def test_toml_yaml_and_json_say_the_same(tmp_path):
    content = tomllib.loads(FILE)
    jsonschema.validate(content, SCHEMA)
    for name, text in {"e.toml": FILE, "e.yaml": yaml.safe_dump(content), "e.json": json.dumps(content)}.items():
        assert read_options(written(tmp_path, text, name), CompareRequest) == READ


@pytest.mark.parametrize(("seeds", "read"), [("7", "7"), ('"0,3"', "0,3"), ("[4]", "4,"), ("[0, 1]", "0,1")])
def test_seeds_are_a_count_or_a_list_in_a_file_too(tmp_path, seeds, read):
    assert read_options(written(tmp_path, f"seeds = {seeds}"), CompareRequest)["seeds"] == read


@pytest.mark.parametrize(
    ("name", "text"), [("a.toml", 'base = "dora"'), ("a.yaml", "base: dora"), ("a.json", '{"base": "dora"}')]
)
def test_a_mark_of_byte_order_before_the_text_is_passed_over(tmp_path, name, text):
    (tmp_path / name).write_text("\N{BYTE ORDER MARK}" + text, encoding="utf-8")
    assert read_options(tmp_path / name, CompareRequest) == {"base": "dora"}


def test_an_empty_file_sets_nothing(tmp_path):
    assert read_options(written(tmp_path, "", "e.yaml"), CompareRequest) == {}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("sedes = 7", "Did you mean 'seeds'?"),
        ('limit = "12"', "limit is '12', not a whole number"),
        ("limit = true", "limit is True, not a whole number"),
        ("seeds = [true]", "a text, a whole number, or a list"),
        ("seeds = []", "a text, a whole number, or a list"),
        ("device = 3", "device is 3, not a text"),
        ("dry_run = 1", "true or false"),
        ("limit = = 3", "is no valid TOML"),
    ],
)
def test_mistakes_name_the_file_and_the_key(tmp_path, text, says):
    path = written(tmp_path, text)
    with pytest.raises(UserError) as caught:
        read_options(path, CompareRequest)
    assert says in str(caught.value)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("name", ["none.toml", "notes.txt"])
def test_a_file_that_is_none_is_refused(tmp_path, name):
    if name == "notes.txt":
        (tmp_path / name).write_text("")
    with pytest.raises(UserError, match=name):
        read_options(tmp_path / name, CompareRequest)


def test_the_committed_schema_is_that_of_the_options():
    assert json.loads((ROOT / "docs" / "schema" / "experiment-1.json").read_text()) == SCHEMA
    logs = json_schema(CompareLogsRequest, "An experiment file of talan-eval compare-logs")
    assert json.loads((ROOT / "docs" / "schema" / "experiment-logs-1.json").read_text()) == logs
    alone = json_schema(EvaluateRequest, "An experiment file of talan-eval evaluate")
    assert json.loads((ROOT / "docs" / "schema" / "experiment-evaluate-1.json").read_text()) == alone
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    assert set(SCHEMA["properties"]) == {field.name for field in dataclasses.fields(CompareRequest)}
    for broken in ({"sedes": 7}, {"limit": "12"}, {"seeds": []}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(broken, SCHEMA)


def test_what_is_stored_reads_back(tmp_path):
    asked = CompareRequest(seeds="0,3", limit=5, data_dir=Path("data"))
    path = written(tmp_path, json.dumps(to_document(asked, frozenset({"out"}))), "request.json")
    assert CompareRequest(**read_options(path, CompareRequest)) == asked


@pytest.fixture
def ask():
    heard = []
    app = typer.Typer(pretty_exceptions_enable=False)
    app.command()(
        command_of(CompareRequest, lambda request, file: heard.append((request, file)), "Say it.", from_file=True)
    )

    def call(*words, **environment):
        done = CliRunner().invoke(app, [str(word) for word in words], env=environment, catch_exceptions=False)
        assert done.exit_code == 0, done.output
        return heard.pop()

    return call


def test_the_command_line_comes_before_the_environment_and_that_before_the_file(ask, tmp_path):
    path = written(tmp_path, "seeds = 3\nlimit = 4\nsteps = 5")
    request, file = ask(path, "--seeds", "9", TALAN_EVAL_SEEDS="8", TALAN_EVAL_LIMIT="7")
    assert (request.seeds, request.limit, request.steps, file) == ("9", 7, 5, path)


def test_a_typed_default_comes_before_the_file(ask, tmp_path):
    assert ask(written(tmp_path, "seeds = 3"), "--seeds", "7")[0].seeds == "7"


def test_options_are_shown_before_those_that_commands_share():
    names = [field.name for field in declared(CompareLogsRequest)]
    assert names[0] == "logs"
    assert names.index("allow_unpaired") < names.index("pairing") < names.index("out") < names.index("alpha")
    assert set(names) == {field.name for field in dataclasses.fields(CompareLogsRequest)}


def test_every_option_has_a_variable(ask):
    values = {str: "x", int: "3", float: "0.5", bool: "1", Path: "p"}
    for field in dataclasses.fields(CompareRequest):
        kind = next(kind for kind in values if kind.__name__ in str(field.type))
        asked = "0" if field.default is True else values[kind]
        request, _ = ask(**{variable_of(field.name): asked})
        assert getattr(request, field.name) != field.default, field.name
