"""What is published can be built again, says what it consists of, and gives away nothing of the machine."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def dependencies():
    spec = importlib.util.spec_from_file_location("dependencies", ROOT / "benchmarks" / "dependencies.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["dependencies"] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules["dependencies"]


def test_every_dependency_names_its_licence(dependencies):
    found = dependencies.parts("talan-eval", frozenset({"train"}))
    assert found[0].name == "talan-eval"
    assert {"torch", "peft", "lm-eval", "numpy", "pydantic"} <= {part.name for part in found}
    assert [part.name for part in found if not part.licence] == []


def test_an_extra_adds_what_it_needs(dependencies):
    plain, more = (set(dependencies.parts("talan-eval", frozenset(one))) for one in ((), ("dev",)))
    assert "hypothesis" in {part.name for part in more} - {part.name for part in plain}


def test_the_bill_of_materials_is_closed_and_comes_out_the_same_twice(dependencies):
    made = dependencies.bill(dependencies.parts("talan-eval", frozenset({"train"})))
    assert made["bomFormat"] == "CycloneDX"
    refs = {made["metadata"]["component"]["bom-ref"], *(one["bom-ref"] for one in made["components"])}
    assert {one["ref"] for one in made["dependencies"]} == refs
    assert {ref for one in made["dependencies"] for ref in one["dependsOn"]} <= refs
    assert made == dependencies.bill(dependencies.parts("talan-eval", frozenset({"train"})))
    json.dumps(made, allow_nan=False)


@pytest.mark.wheel
def test_wheel_and_sdist_built_twice_are_equal(tmp_path):
    def built(name, umask, zone):
        source = tmp_path / name / "sources"
        shutil.copytree(ROOT, source, ignore=shutil.ignore_patterns(".venv", ".git", "__pycache__", "results", "build"))
        for number, path in enumerate(sorted(source.rglob("*"))):
            os.utime(path, (number + len(zone), number + len(zone)))
        environment = {**os.environ, "TZ": zone, "SETUPTOOLS_SCM_PRETEND_VERSION": "9.9.9"}
        environment.pop("SOURCE_DATE_EPOCH", None)
        done = subprocess.run(
            [sys.executable, "-m", "build", "--outdir", str(tmp_path / name / "dist"), str(source)],
            capture_output=True, text=True, check=False, env=environment, umask=umask, cwd=tmp_path,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
        files = sorted((tmp_path / name / "dist").iterdir())
        return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}

    first, second = built("one", 0o022, "UTC"), built("another/place", 0o027, "Asia/Tokyo")
    assert len(first) == 2
    assert first == second
