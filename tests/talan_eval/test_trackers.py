"""Trackers get numbers and names, and only when asked for."""

from __future__ import annotations

import contextlib
import json
import sqlite3
import subprocess
import sys
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

from talan_core.errors import UserError
from talan_eval.cli import report
from talan_eval.comparison import ItemTable, Origin, ScoreMatrix, StatisticsSettings
from talan_eval.comparison.scoring import score_arm
from talan_eval.records.curves import read_curves
from talan_eval.store.records import Manifest
from talan_eval.store.store import Store
from talan_eval.trackers import TRACKERS, numbers, reporter_named, send, send_published

ROOT = Path(__file__).parents[2]
ALIKE = tuple(name for name in TRACKERS if name != "mlflow")


@pytest.mark.parametrize("name", ALIKE)
def test_a_tracker_gets_one_run_with_finite_numbers(name, result, monkeypatch):
    calls = []
    module = ModuleType(name)
    module.__spec__ = ModuleSpec(name, None, origin="a stand-in")
    module.Settings = dict
    module.init = lambda **fields: calls.append(fields)
    module.log = calls.append
    module.finish = lambda: calls.append("finish")
    monkeypatch.setitem(sys.modules, name, module)
    one = result()
    send(one, reporter_named(name))
    started, logged, finished = calls
    assert started["project"] == "talan-eval"
    assert started["config"]["signature"] == one.signature
    (contrast,) = one.contrasts
    assert started["name"] == f"talan+lora against lora {one.primary.family_hash}"
    assert (started["config"]["base"], started["config"]["treatment"]) == ("lora", "talan+lora")
    assert started["config"]["verdict"] == contrast.aggregate.verdict
    assert logged == numbers(contrast)
    mean, cell = contrast.aggregate, contrast.cells[0]
    assert {path: logged[f"mean/{path}"] for path in ("delta", "mde80", "adjusted_p", "family_p")} == {
        path: getattr(mean, path) for path in ("delta", "mde80", "adjusted_p", "family_p")
    }
    assert [logged[f"mean/{path}"] for path in ("e1_low", "e1_high", "e1_p")] == [*mean.e1.ci, mean.e1.p]
    where = f"{cell.backbone}/{cell.task}"
    assert [logged[f"{where}/{path}"] for path in ("base", "treatment", "delta", "adjusted_p")] == [
        cell.base_mean, cell.treat_mean, cell.delta, cell.adjusted_p,
    ]  # fmt: skip
    assert [logged[f"{where}/{path}"] for path in ("e1_low", "e1_high", "e1_p")] == [*cell.e1.ci, cell.e1.p]
    assert finished == "finish"


@pytest.fixture
def mlflow(monkeypatch):
    """A stand-in for MLflow that keeps what it is told."""
    runs = []

    class Client:
        def get_experiment_by_name(self, name):
            assert name == "talan-eval"
            return SimpleNamespace(experiment_id="7") if runs else None

        def create_experiment(self, name):
            assert name == "talan-eval"
            return "7"

        def create_run(self, experiment, *, run_name, tags):
            assert experiment == "7"
            runs.append({"name": run_name, "tags": tags, "metrics": [], "ended": False})
            return SimpleNamespace(info=SimpleNamespace(run_id=len(runs) - 1))

        def log_batch(self, run, *, metrics):
            runs[run]["metrics"] += metrics

        def set_terminated(self, run):
            runs[run]["ended"] = True

    module = ModuleType("mlflow")
    module.__spec__ = ModuleSpec("mlflow", None, origin="a stand-in")
    module.MlflowClient = Client
    module.entities = SimpleNamespace(Metric=lambda *parts: parts)
    monkeypatch.setitem(sys.modules, "mlflow", module)
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    return runs


def test_mlflow_gets_one_run_for_each_contrast_with_names_that_it_takes(result, mlflow):
    one = result()
    send(one, reporter_named("mlflow"))
    send(one, reporter_named("mlflow"))
    run, again = mlflow
    assert run["name"] == again["name"] == f"talan+lora against lora {one.primary.family_hash}"
    assert run["tags"]["signature"] == one.signature
    assert run["ended"]
    sent = {name: value for name, value, _, step in run["metrics"] if step == 0}
    assert sent == {name.replace("+", "_"): value for name, value in numbers(one.contrasts[0]).items()}


def test_each_contrast_is_a_run_of_its_own_with_its_own_numbers(many):
    sent = []

    class Kept:
        def record(self, run, settings, numbers):
            sent.append((run, settings, numbers))

    one = many()
    send(one, Kept())
    assert [run for run, _, _ in sent] == [f"{arm} against lora {one.primary.family_hash}" for arm in
                                           ("talan+lora", "noise+lora", "dora")]  # fmt: skip
    for contrast, (_, settings, logged) in zip(one.contrasts, sent, strict=True):
        assert settings["treatment"] == contrast.treatment
        assert logged["mean/delta"] == contrast.aggregate.delta
    assert len({logged["mean/delta"] for _, _, logged in sent}) == 3


LOG = {
    "losses": [0.9, 0.7],
    "signs": {
        "adapter_gradients": [1.0, 1.25],
        "block_gradients": [0.5, 0.25],
        "gates": [0.01, 0.02],
        "held_out": [{"step": 0, "loss": 1.5}, {"step": 2, "loss": 0.75}],
    },
}


@pytest.fixture
def trained(tmp_path):
    """A results directory with three trainings and an evaluation."""
    store = Store.open(tmp_path / "grid", Manifest({"arms": []}, "2026-01-01T00:00:00+00:00"))
    for cell, arm, log in (
        ("a", "talan+lora", LOG),
        ("b", "lora", {"losses": [0.8]}),  # as the first version wrote it
        ("c", "actadd", {"losses": [], "signs": {}}),
    ):
        store.seal(cell, {"kind": "training", "arm": arm, "backbone": "micro", "seed": 0, "log": log})
    store.seal("d", {"kind": "evaluation", "arm": "lora", "backbone": "micro", "seed": 0, "task": "t"})
    return store.directory


def test_the_curves_of_trainings_are_read_by_step(trained, tmp_path):
    lora, block = read_curves(trained)
    assert (lora.arm, lora.backbone, lora.seed, lora.steps) == ("lora", "micro", 0, {1: {"loss": 0.8}})
    assert block.arm == "talan+lora"
    assert block.steps == {
        0: {"held_out_loss": 1.5},
        1: {"loss": 0.9, "gradient/adapter": 1.0, "gradient/block": 0.5, "gate_rms": 0.01},
        2: {"loss": 0.7, "gradient/adapter": 1.25, "gradient/block": 0.25, "gate_rms": 0.02, "held_out_loss": 0.75},
    }
    assert read_curves(tmp_path) == ()  # a result alone


@pytest.mark.parametrize("name", ALIKE)
def test_a_tracker_gets_the_curves_of_each_training_step_by_step(name, result, trained, monkeypatch):
    calls = []
    module = ModuleType(name)
    module.__spec__ = ModuleSpec(name, None, origin="a stand-in")
    module.Settings = dict
    module.init = lambda **fields: calls.append((fields["name"], fields["config"]))
    module.log = lambda numbers, **place: calls.append((numbers, place))
    module.finish = lambda: None
    monkeypatch.setitem(sys.modules, name, module)
    one = result()
    (trained / "result.json").write_text(one.to_json())
    report.command(trained, formats="csv", track=name, margin=None, gain=1.0, out=None)
    contrast, logged, lora, first, block, *steps = calls
    assert contrast[0].startswith("talan+lora against lora")
    assert logged == (numbers(one.contrasts[0]), {})
    assert lora[0] == "training of lora micro seed 0"
    assert first == ({"loss": 0.8}, {"step": 1})
    settings = {"arm": "talan+lora", "backbone": "micro", "seed": "0", "signature": one.signature}
    assert block == ("training of talan+lora micro seed 0", settings)
    assert [place["step"] for _, place in steps] == [0, 1, 2]
    assert steps[-1][0]["held_out_loss"] == 0.75


@pytest.mark.parametrize("name", TRACKERS)
def test_a_directory_that_a_tracker_left_behind_is_no_tracker(name, tmp_path, monkeypatch):
    (tmp_path / name).mkdir()
    monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    with pytest.raises(UserError, match="not installed"):
        reporter_named(name)


def run(name, result, place, **environment):
    """Track a result with the real package in a process of its own, in an empty home."""
    if find_spec(name) is None:
        pytest.skip(f"needs the extra: pip install 'talan-eval[{name}]'")
    (place / "result.json").write_text(result.to_json())
    words = ["report", str(place / "result.json"), "--track", name, "--format", "json"]
    variables = {"HOME": str(place), "PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin", **environment}
    done = subprocess.run(
        [sys.executable, "-m", "talan_eval.cli.main", *words],
        cwd=place, env=variables, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout == result.to_json()  # what a tracker says must not get between
    return done


def test_trackio_itself_takes_the_numbers(result, tmp_path):
    one = result()
    run("trackio", one, tmp_path, TRACKIO_DIR=str(tmp_path / "data"))
    (file,) = (tmp_path / "data").glob("*.db")
    with contextlib.closing(sqlite3.connect(file)) as database:
        ((logged,),) = database.execute("select metrics from metrics").fetchall()
        ((config,),) = database.execute("select config from configs").fetchall()
        assert database.execute("select * from system_metrics").fetchall() == []
    assert json.loads(logged) == numbers(one.contrasts[0])
    assert json.loads(config)["signature"] == one.signature
    assert str(tmp_path) not in config.decode()


def test_wandb_itself_takes_the_numbers_and_nothing_of_the_machine(result, tmp_path):
    one = result()
    run("wandb", one, tmp_path, WANDB_MODE="offline")
    (file,) = (tmp_path / "wandb").glob("offline-run-*/run-*.wandb")
    sent = file.read_bytes()
    for path, value in numbers(one.contrasts[0]).items():
        assert path.encode() in sent
        assert f"{value:.6g}"[:6].encode() in sent
    for unwanted in (str(tmp_path), str(ROOT), sys.executable, "result.json", "requirements.txt", "memory_percent"):
        assert unwanted.encode() not in sent, unwanted
    assert not list(file.parent.glob("files/*"))


def test_what_cannot_be_estimated_is_left_out(cell, result):
    assert "mean/e1_p" not in numbers(result([cell(seeds=1)]).contrasts[0])


def test_unknown_trackers_are_refused_by_name():
    with pytest.raises(UserError, match="wandb"):
        reporter_named("wandbb")


def test_the_scores_of_one_arm_are_a_run_for_each_backbone(mlflow):
    items = ItemTable("gsm8k", "exact_match", ("a", "b", "c"), "0" * 12)
    scores = np.array([[1.0, 0.0, 1.0], [1.0, 1.0, 1.0], [0.0, 1.0, 1.0]])
    matrices = [ScoreMatrix(backbone, "mine", items, (0, 1, 2), scores) for backbone in ("micro", "small")]
    found = score_arm(matrices, Origin({}), StatisticsSettings())
    send_published(found, reporter_named("mlflow"))
    assert [run["name"] for run in mlflow] == ["mine on micro", "mine on small"]
    sent = {name: value for name, value, _, _ in mlflow[0]["metrics"]}
    score = found.backbones[0].scores[0]
    assert sent["micro/gsm8k/score"] == score.mean
    assert (sent["micro/gsm8k/e1_low"], sent["micro/gsm8k/e1_high"]) == score.e1.ci
