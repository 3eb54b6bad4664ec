"""All benchmarks at a glance: read from the YAML files alone, without lm-eval."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import yaml

from talan_eval.tasks.benchmark import task_files
from talan_eval.tasks.datafiles import FoundData, describe_sources

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Entry:
    """One benchmark as its YAML file describes it.

    Attributes:
        name: Short name.
        version: The task's version; with the hash of its items it makes the version in a result.
        n_items: Items that are evaluated.
        n_train: Items that adapters may be trained on.
        grader: Name of the grader.
        data: Where its data was found, or what is wrong with it.
    """

    name: str
    version: str
    n_items: int
    n_train: int
    grader: str
    data: FoundData


class _Loader(yaml.SafeLoader):
    """Reads lm-eval's YAML without importing the functions that it names."""


def _as_text(loader: _Loader, node: yaml.ScalarNode) -> str:
    return str(loader.construct_scalar(node))


_Loader.add_constructor("!function", _as_text)


def read_config(file: Path) -> dict[str, Any]:
    """Return a task's YAML file as it stands; the functions that it names stay text."""
    with file.open(encoding="utf-8") as stream:
        return dict(yaml.load(stream, _Loader))  # noqa: S506 - a SafeLoader that keeps one more tag as text


def catalog(data_dir: Path | None) -> tuple[Entry, ...]:
    """Describe all benchmarks.

    Args:
        data_dir: ``--data-dir``, or None to read the environment variable. Data in it is counted and hashed.

    Returns:
        One entry per benchmark, by name.

    Raises:
        UserError: The data directory does not exist.
    """
    return tuple(_entry(name, read_config(file)["metadata"], data_dir) for name, file in task_files().items())


def _entry(name: str, metadata: dict[str, Any], data_dir: Path | None) -> Entry:
    bundled = "files" not in metadata
    found = FoundData("bundled") if bundled else describe_sources(metadata["files"], metadata["hub"], data_dir)
    return Entry(
        name=name,
        version=str(metadata["version"]),
        n_items=metadata["rows"]["test"],
        n_train=metadata["rows"]["train"],
        grader=metadata["grader"],
        data=found,
    )


def may_publish(name: str) -> bool:
    """Return whether a benchmark's questions and answers may be shown; False for one that is not known here.

    Args:
        name: Its name, with or without the prefix ``talan_``.
    """
    file = task_files().get(name.removeprefix("talan_"))
    return file is not None and read_config(file)["metadata"]["publish_text"] is True
