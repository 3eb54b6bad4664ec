"""The Python that the documentation shows runs as it stands, and so does the notebook."""

from __future__ import annotations

import inspect
import re
import shutil
from pathlib import Path

import nbformat
import numpy as np
import pytest
from nbclient import NotebookClient

import talan_eval
from talan_eval.api.keywords import filled
from talan_eval.requests.compare import CompareRequest
from talan_eval.requests.evaluate import EvaluateRequest

ROOT = Path(__file__).parents[2]
BLOCKS = re.findall(
    r"^```python\n(.*?)^```", (ROOT / "docs" / "python.md").read_text("utf-8"), re.MULTILINE | re.DOTALL
)
NOTEBOOK = ROOT / "examples" / "compare.ipynb"


def test_the_page_runs_from_top_to_bottom(tmp_path, monkeypatch, capsys):
    draw = np.random.default_rng(0)
    for arm in ("lora", "dora"):
        for seed in range(3):
            place = tmp_path / "runs" / arm / f"seed{seed}.csv"
            place.parent.mkdir(parents=True, exist_ok=True)
            rows = "".join(f"gsm8k,q{item},{draw.integers(2)}\n" for item in range(30))
            place.write_text(f"task,item,score\n{rows}")
    monkeypatch.chdir(tmp_path)
    trained = []

    def taken(**options):
        """Check what would be trained; the training itself is tested elsewhere."""
        inspect.signature(compare).bind(**options)
        trained.append(filled(CompareRequest, options, "compare()"))
        return space["result"]

    compare = talan_eval.compare
    monkeypatch.setattr(talan_eval, "compare", taken, raising=False)
    alone = []
    signature = inspect.signature(talan_eval.evaluate)

    def asked(arm, **options):
        """Check what would be asked."""
        signature.bind(arm, **options)
        alone.append(filled(EvaluateRequest, {"arm": arm, **options}, "evaluate()"))

    monkeypatch.setattr(talan_eval, "evaluate", asked, raising=False)
    space = {}
    for block in BLOCKS:
        exec(compile(block, "docs/python.md", "exec"), space)  # noqa: S102 - our own page
    request, stored = trained
    assert (stored.base, stored.treat) == ("lora=runs/lora/seed{seed}", ("mine=runs/mine",))
    assert [one.arm for one in alone] == [("mine=runs/mine",)]
    assert (request.treat, request.seeds, request.out) == (("talan+lora", "noise+lora"), "7", Path("results/python"))
    assert re.fullmatch(
        r"[+-]\d+\.\d\d points, [+-]\d+\.\d\d to [+-]\d+\.\d\d: inconclusive\n", capsys.readouterr().out
    )


@pytest.fixture(scope="module")
def executed(tmp_path_factory):
    place = tmp_path_factory.mktemp("notebook")
    stored = Path("results") / "micro_lora_vs_talan+lora"
    shutil.copytree(ROOT / stored, place / stored)
    (place / "examples").mkdir()
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(place / "examples")}}).execute()
    return notebook


def outputs(notebook, kind):
    return [
        output["data"][kind]
        for cell in notebook.cells
        for output in cell.get("outputs", ())
        if kind in output.get("data", {})
    ]


def test_the_notebook_shows_tables_and_pictures(executed):
    first, frame, stored = outputs(executed, "text/html")
    assert "between dora and lora" in first
    assert "<table" in frame
    assert "talan+lora" in stored
    assert len(outputs(executed, "image/svg+xml")) == 2


def test_what_the_notebook_shows_in_the_repository_is_what_it_computes(executed):
    committed = nbformat.read(NOTEBOOK, as_version=4)

    def verdicts(notebook):
        return [re.findall(r"<strong>(.*?)</strong>", html) for html in outputs(notebook, "text/html")]

    assert verdicts(committed) == verdicts(executed), "run: python benchmarks/notebook.py"
    assert len(outputs(committed, "image/svg+xml")) == 2
