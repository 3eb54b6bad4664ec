"""The model card says what the model is, how it scored and how it was made, and the Hub can read its metadata."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from talan_eval.report.hub_card import render
from talan_eval.result.reading import read_result

from .readers import agrees, read_markdown

ROOT = Path(__file__).parents[3]


@pytest.fixture(params=["micro_lora_vs_talan+lora", "smollm2-135m_lora_vs_talan+lora"])
def committed(request):
    return read_result(ROOT / "results" / request.param)


def test_scores_stand_with_intervals_and_recipe(committed):
    text = render(committed)
    _, metadata, body = text.split("---\n", 2)
    (table, *_) = read_markdown(body)
    contrast = committed.contrasts[0]
    for row, cell in zip(table.rows, contrast.cells, strict=False):
        assert cell.task in row[0]
        assert agrees(row[table.header.index("treat mean")], cell.treat_mean)
        assert agrees(row[table.header.index("E1 95 % CI")], cell.e1.ci)
    for words in ("# talan+lora on ", "Compared with `lora`", "Estimand: E1", "Each training took ", "We compared "):
        assert words in body
    (entry,) = yaml.safe_load(metadata)["model-index"]
    assert entry["name"] == "talan+lora"
    values = {one["dataset"]["name"]: one["metrics"][0]["value"] for one in entry["results"]}
    assert values == {cell.task: pytest.approx(cell.treat_mean, abs=1e-3) for cell in contrast.cells}


def test_names_cannot_leave_the_metadata(result, cell):
    made = result([cell("gsm8k_micro")], treat="talan+lora")
    contrast = made.contrasts[0].model_copy(update={"treatment": "x\n---\n# owned: [y]"})
    text = render(made.model_copy(update={"contrasts": (contrast,)}))
    _, metadata, body = text.split("\n---\n", 1)[0], *text.removeprefix("---\n").split("\n---\n", 1)
    assert yaml.safe_load(metadata)["model-index"][0]["name"] == "x\n---\n# owned: [y]"
    assert not body.startswith("# owned")
