"""The published result: what is written reads back, validates, and is what the schema file says."""

from __future__ import annotations

import json
import re
from pathlib import Path

import jsonschema
import pydantic
import pytest

from talan_eval.result.reading import read_result
from talan_eval.result.schema import Result, json_schema

ROOT = Path(__file__).parents[3]
COMMITTED = re.findall(r"^!/results/([^*\n]+)/$", (ROOT / ".gitignore").read_text(), re.MULTILINE)


def test_the_committed_schema_is_that_of_the_code():
    assert json.loads((ROOT / "docs" / "schema" / "result-2.json").read_text()) == json_schema()


@pytest.mark.parametrize("seeds", [1, 2, 3, 7])
def test_results_read_back_and_validate(cell, result, seeds):
    one = result([cell(seeds=seeds), cell("mbpp_micro", seeds=seeds)])
    text = one.to_json()
    assert Result.from_json(text) == one
    jsonschema.validate(json.loads(text), json_schema())
    assert "NaN" not in text


def test_many_contrasts_read_back_and_validate(many):
    one = many(backbones=("micro", "other"))
    assert Result.from_json(one.to_json()) == one
    jsonschema.validate(json.loads(one.to_json()), json_schema())
    assert len(one.contrasts) == 3


def test_a_result_with_an_unknown_or_missing_field_is_refused(result):
    document = json.loads(result().to_json())
    for broken in ({**document, "extra": 1}, {k: v for k, v in document.items() if k != "contrasts"}):
        with pytest.raises(pydantic.ValidationError):
            Result.from_json(json.dumps(broken))
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(broken, json_schema())


def test_every_field_is_described():
    for name, model in json_schema()["$defs"].items():
        for field, content in model.get("properties", {}).items():
            assert content.get("description"), f"{name}.{field}"


def test_committed_results_validate():
    found = sorted(path for name in COMMITTED for path in (ROOT / "results").glob(f"{name}/result.json"))
    assert found
    for path in found:
        document = json.loads(path.read_text())
        published = ROOT / "docs" / "schema" / f"result-{document['schema']}.json"
        jsonschema.validate(document, json.loads(published.read_text()))
        jsonschema.validate(json.loads(read_result(path).to_json()), json_schema())
        assert (path.parent / "report.md").is_file()
        assert (
            json.loads((path.parent / "manifest.json").read_text())["experiment"]
            == document["provenance"]["experiment"]
        )
