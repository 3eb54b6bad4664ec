"""The built wheel, installed into a clean environment, works from elsewhere with nothing of this checkout in sight."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.wheel


def checked(*words: str, cwd: Path, clean: bool = False) -> str:
    hidden = ("PYTHONPATH", "VIRTUAL_ENV", "TALAN_EVAL_DATA_DIR") if clean else ()
    environment = {name: value for name, value in os.environ.items() if name not in hidden}
    done = subprocess.run(words, capture_output=True, text=True, check=False, cwd=cwd, env=environment)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel that a release will publish, from the directory in TALAN_EVAL_DIST, or one that is built now."""
    if "TALAN_EVAL_DIST" in os.environ:
        (built,) = (ROOT / os.environ["TALAN_EVAL_DIST"]).glob("*.whl")
        return built
    target = tmp_path_factory.mktemp("dist")
    checked(sys.executable, "-m", "build", "--wheel", "--outdir", str(target), str(ROOT), cwd=target)
    return next(target.glob("*.whl"))


def test_the_wheel_holds_tasks_weights_and_types_and_stays_small(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {
        "talan_core/backbones/micro/weights/model.safetensors",
        "talan_core/backbones/micro/weights/tokenizer.json",
        "talan_eval/_tasks/micro/gsm8k_micro.yaml",
        "talan_eval/_tasks/micro/data/mbpp_test.jsonl",
        "talan_eval/_tasks/gsm8k/talan_gsm8k.yaml",
        "talan_core/py.typed",
        "talan_eval/py.typed",
    } <= names
    assert not [name for name in names if name.startswith(("tests/", "results/", "tasks/"))]
    assert wheel.stat().st_size < 12 * 2**20


def test_the_installed_command_compares_from_elsewhere(wheel, tmp_path):
    environment = tmp_path / "env"
    checked(sys.executable, "-m", "venv", str(environment), cwd=tmp_path)
    python = str(environment / "bin" / "python")
    pip = (python, "-m", "pip", "install", "--quiet", "--constraint", str(ROOT / "constraints.txt"))
    checked(*pip, str(wheel), cwd=tmp_path, clean=True)
    command = str(environment / "bin" / "talan-eval")
    packages = {
        one["name"] for one in json.loads(checked(python, "-m", "pip", "list", "--format", "json", cwd=tmp_path))
    }
    assert not packages & {"torch", "transformers", "peft", "lm_eval", "datasets"}
    checked(command, "power", "--seeds", "7", "--items", "500", "--delta", "1.4", cwd=tmp_path, clean=True)
    checked(*pip, f"{wheel}[train]", cwd=tmp_path, clean=True)
    where = checked(python, "-c", "import talan_eval; print(talan_eval.__file__)", cwd=tmp_path, clean=True)
    assert str(environment) in where
    said = checked(python, "-c", "import talan_eval; print(talan_eval.__version__)", cwd=tmp_path, clean=True)
    assert f"talan_eval-{said.strip()}-" in wheel.name
    checked(
        command, "compare", "--seeds", "2", "--steps", "2", "--limit", "4", "--tasks", "gsm8k_micro,mbpp_micro",
        cwd=tmp_path, clean=True,
    )  # fmt: skip
    result = json.loads(next((tmp_path / "results").glob("*/result.json")).read_text())
    assert [cell["task"] for cell in result["contrasts"][0]["cells"]] == ["gsm8k_micro", "mbpp_micro"]
    assert result["provenance"]["source"] == {"commit": None, "dirty": None}
