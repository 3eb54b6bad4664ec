"""The version comes from the last tag, and also where there is no tag, no git, or only an sdist."""

from __future__ import annotations

import re
import subprocess
import sys
import tarfile
import tomllib
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pytest

import talan_eval

ROOT = Path(__file__).parents[2]
REQUIRES = tomllib.loads((ROOT / "pyproject.toml").read_text())["build-system"]["requires"]


def done(*words, cwd):
    ran = subprocess.run([str(word) for word in words], cwd=cwd, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout[-2000:] + ran.stderr[-2000:]
    return ran.stdout.strip()


def test_the_package_says_the_version_that_is_installed(monkeypatch):
    assert talan_eval.__version__ == version("talan-eval")

    def missing(name):
        raise PackageNotFoundError(name)

    monkeypatch.setattr("importlib.metadata.version", missing)
    assert talan_eval.__version__ == "unversioned"
    with pytest.raises(AttributeError, match="no attribute 'version'"):
        _ = talan_eval.version


@pytest.fixture(scope="module")
def hatchling(tmp_path_factory):
    """Hatchling in an environment with what a build needs, and nothing else."""
    place = tmp_path_factory.mktemp("build")
    done(sys.executable, "-m", "venv", place / "env", cwd=place)
    python = place / "env" / "bin" / "python"
    done(python, "-m", "pip", "install", "--quiet", "--constraint", ROOT / "constraints.txt", *REQUIRES, cwd=place)
    return lambda cwd, *words: done(python, "-m", "hatchling", *words, cwd=cwd)


@pytest.fixture
def clone(tmp_path):
    """The sources as they are here, in a checkout of one commit without a tag."""
    place = tmp_path / "clone"
    place.mkdir()
    names = ("pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md", "constraints.txt", "Makefile", ".gitattributes")
    for name in (*names, ".git_archival.txt", ".gitignore"):
        (place / name).write_bytes((ROOT / name).read_bytes())
    for package in ("talan_core", "talan_eval", "tasks", "tests", "docs"):
        (place / package).mkdir()
        (place / package / "__init__.py").touch()
    done("git", "init", "--quiet", cwd=place)
    commit(place)
    return place


def commit(place):
    author = ("-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false")
    done("git", "add", "--all", cwd=place)
    done("git", *author, "commit", "--quiet", "--allow-empty", "--message", "One", cwd=place)


@pytest.mark.wheel
def test_a_tag_is_the_version_and_a_commit_after_it_is_the_next_one_in_the_making(hatchling, clone):
    done("git", "tag", "v9.8.7", cwd=clone)
    assert hatchling(clone, "version") == "9.8.7"
    commit(clone)
    head = done("git", "rev-parse", "--short=7", "HEAD", cwd=clone)
    assert re.fullmatch(rf"9\.8\.8\.dev1\+g{head}[0-9a-f]*", hatchling(clone, "version"))


@pytest.mark.wheel
def test_a_clone_without_tags_has_a_version_below_every_release(hatchling, clone):
    assert re.fullmatch(r"0\.1\.dev1\+g[0-9a-f]+", hatchling(clone, "version"))


@pytest.mark.wheel
def test_an_sdist_and_the_wheel_that_is_built_from_it_keep_the_version(hatchling, clone, tmp_path):
    done("git", "tag", "v9.8.7", cwd=clone)
    hatchling(clone, "build", "--target", "sdist", "--directory", str(tmp_path / "dist"))
    with tarfile.open(tmp_path / "dist" / "talan_eval-9.8.7.tar.gz") as archive:
        archive.extractall(tmp_path / "unpacked", filter="data")
    sources = tmp_path / "unpacked" / "talan_eval-9.8.7"
    hatchling(sources, "build", "--target", "wheel", "--directory", str(tmp_path / "dist"))
    assert (tmp_path / "dist" / "talan_eval-9.8.7-py3-none-any.whl").is_file()


@pytest.mark.wheel
def test_an_archive_of_a_tag_keeps_its_version_and_a_mere_copy_falls_back(hatchling, clone, tmp_path):
    done("git", "tag", "v9.8.7", cwd=clone)
    done("git", "archive", "--output", tmp_path / "sources.tar", "v9.8.7", cwd=clone)
    with tarfile.open(tmp_path / "sources.tar") as archive:
        archive.extractall(tmp_path / "archive", filter="data")
    assert hatchling(tmp_path / "archive", "version") == "9.8.7"
    (tmp_path / "archive" / ".git_archival.txt").unlink()
    assert hatchling(tmp_path / "archive", "version") == "0.1.dev0"
