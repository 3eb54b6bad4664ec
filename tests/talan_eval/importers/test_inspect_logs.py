"""Logs of inspect_ai, which were written by make_inspect_logs.py; its package is an extra."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pytest

from talan_core.errors import UserError

LOGS = Path(__file__).parent / "data" / "inspect"


def test_without_the_package_the_extra_is_named(compared, monkeypatch):
    monkeypatch.setitem(sys.modules, "inspect_ai.log", None)
    with pytest.raises(UserError, match=r"(?s)inspect_ai is not installed.*pip install 'talan-eval\[inspect\]'"):
        compared(LOGS / "base", LOGS / "treat")


@pytest.fixture
def package():
    return pytest.importorskip("inspect_ai.log", reason="needs the extra: pip install 'talan-eval[inspect]'")


@pytest.mark.usefixtures("package")
def test_eval_and_json_logs_of_two_seeds(compared):
    got = compared(LOGS / "base", LOGS / "treat").result
    assert got.contrasts[0].cells[0].seeds == (0, 1)
    assert [(cell.task, cell.metric, cell.n_items, cell.delta) for cell in got.contrasts[0].cells] == [
        ("sums", "match", 4, 25)
    ]
    assert got.provenance["metrics"]["sums"]["found"] == ["match", "includes"]
    assert got.provenance["harness"].startswith("inspect_ai 0.3")
    assert "sums@2" in got.signature


@pytest.mark.usefixtures("package")
def test_epochs_are_samples_and_a_warning_says_so(compared, tmp_path):
    shutil.copy(LOGS / "epochs" / "sums.eval", tmp_path)
    got = compared(LOGS / "epochs", f"again={tmp_path}").result
    assert (got.contrasts[0].cells[0].k, got.contrasts[0].cells[0].n_seeds, got.contrasts[0].cells[0].delta) == (
        2,
        1,
        0,
    )
    assert any("2 answers per item were averaged" in warning for warning in got.warnings)
    with pytest.raises(UserError, match="unequal numbers of samples per item: 1 in "):
        compared(LOGS / "base" / "seed0", LOGS / "epochs")


@pytest.mark.usefixtures("package")
def test_an_unfinished_or_damaged_log_is_refused(compared, tmp_path):
    with pytest.raises(UserError, match=r"(?s)did not finish.*'error'.*inspect eval-retry"):
        compared(LOGS / "base" / "seed0", LOGS / "broken")
    whole = (LOGS / "base" / "seed0" / "sums.eval").read_bytes()
    (tmp_path / "cut.eval").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UserError, match="not a readable inspect_ai log"):
        compared(LOGS / "base" / "seed0", tmp_path / "cut.eval")


@pytest.mark.usefixtures("package")
def test_the_newest_log_of_a_flat_directory_counts(compared, tmp_path):
    old, new = LOGS / "base" / "seed0" / "sums.eval", LOGS / "treat" / "seed1" / "sums.eval"
    for number, log in enumerate((new, old)):
        (tmp_path / f"{number}.eval").write_bytes(log.read_bytes())
    got = compared(LOGS / "base" / "seed0", tmp_path).result
    assert got.contrasts[0].cells[0].treat_mean == 75  # what is in the newer one, whatever the names of the files
    assert "1 older left aside" in got.warnings[0]


@pytest.mark.usefixtures("package")
def test_logs_of_several_models_in_one_directory_are_refused(compared, tmp_path):
    log = LOGS / "treat" / "seed0" / "sums.json"
    (tmp_path / "one.json").write_bytes(log.read_bytes())
    (tmp_path / "two.json").write_bytes(log.read_bytes().replace(b"mockllm/model", b"mockllm/other"))
    with pytest.raises(UserError, match=r"(?s)logs of 2 models.*mockllm/model \(one.json\); mockllm/other"):
        compared(LOGS / "base" / "seed0", tmp_path)
    arms = [LOGS / "base" / "seed0", LOGS / "base" / "seed1"], [tmp_path / "one.json", tmp_path / "two.json"]
    with pytest.raises(UserError, match="seeds 0 and 1 have the same score on every item"):
        compared(*arms)
    two = (tmp_path / "two.json").read_bytes()
    (tmp_path / "two.json").write_bytes(two.replace(b'"value": "C"', b'"value": "I"', 1))
    assert compared(*arms).result.contrasts[0].cells[0].n_seeds == 2


@pytest.mark.usefixtures("package")
def test_a_reported_mean_beyond_all_floats_is_another_than_that_of_the_answers(compared, tmp_path):
    text = (LOGS / "treat" / "seed0" / "sums.json").read_text()
    document = json.loads(text)
    document["results"]["scores"][0]["metrics"]["accuracy"]["value"] = 10**400
    (tmp_path / "sums.json").write_text(json.dumps(document))
    got = compared(LOGS / "base" / "seed0", tmp_path / "sums.json").result
    assert any("reports inf; compared is the mean of the answers" in warning for warning in got.warnings)
