"""Where a benchmark's items come from, as the task's YAML file states it under ``metadata``.

``files`` says what lies in a data directory, ``hub`` what lies on the Hub; both give the same named lists of rows. The
data directory is read where one is named; it is never mixed with the Hub.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from talan_core.errors import UserError
from talan_eval.tasks.datafiles.archive import ArchiveFile, check_items, read_archive
from talan_eval.tasks.datafiles.hub import HubSource, read_hub
from talan_eval.tasks.datafiles.local import DataFile, named_data_dir, read_rows

if TYPE_CHECKING:
    from collections.abc import Mapping


def read_sources(
    files: Mapping[str, Mapping[str, Any]], hub: Mapping[str, Mapping[str, Any]], data_dir: str | Path | None
) -> dict[str, list[dict[str, object]]]:
    """Read all lists of rows of a benchmark, from the data directory if one is named, else from the Hub.

    Args:
        files: ``metadata.files`` of the task: the keyword arguments of a ``DataFile`` or ``ArchiveFile``
            each, with the path relative to the data directory.
        hub: ``metadata.hub`` of the task: the keyword arguments of a ``HubSource`` each.
        data_dir: ``--data-dir``, or None to read the environment variable.

    Returns:
        The checked rows of each list, by name.

    Raises:
        UserError: Something is missing, changed or cannot be reached.
    """
    directory = named_data_dir(data_dir)
    if directory is not None:
        return {name: _read(_file(spec, directory)) for name, spec in files.items()}
    return {name: _fetch(_file(files[name], Path()), _source(spec)) for name, spec in hub.items()}


@dataclass(frozen=True, slots=True)
class FoundData:
    """Where a benchmark's items are.

    Attributes:
        state: "bundled" with this package; in the data directory "checked", with all counts and hashes, or "unusable";
            to be read from the "Hub", where no data directory is named.
        detail: The directories, what is wrong, or the pinned repositories; empty where bundled.
    """

    state: Literal["bundled", "checked", "unusable", "Hub"]
    detail: str = ""

    @property
    def usable(self) -> bool:
        """Whether the items are on this machine, complete and unchanged."""
        return self.state in {"bundled", "checked"}


def describe_sources(
    files: Mapping[str, Mapping[str, Any]], hub: Mapping[str, Mapping[str, Any]], data_dir: str | Path | None
) -> FoundData:
    """Say where the items were found; every file is read and checked, the Hub is not contacted.

    Args:
        files: As for ``read_sources``.
        hub: As for ``read_sources``.
        data_dir: As for ``read_sources``.
    """
    pinned = ", ".join(dict.fromkeys(f"{spec['repo']}@{str(spec['revision'])[:8]}" for spec in hub.values()))
    directory = named_data_dir(data_dir)
    if directory is None:
        return FoundData("Hub", pinned)
    try:
        for spec in files.values():
            _read(_file(spec, directory))
    except UserError as error:
        return FoundData("unusable", error.problem)
    folders = dict.fromkeys(str(directory / Path(spec["path"]).parent) for spec in files.values())
    return FoundData("checked", ", ".join(folders))


def _file(spec: Mapping[str, Any], directory: Path) -> DataFile | ArchiveFile:
    kind = ArchiveFile if "member" in spec else DataFile
    return kind(**{**spec, "path": directory / spec["path"], "fields": tuple(spec["fields"])})


def _source(spec: Mapping[str, Any]) -> HubSource:
    parts = tuple((config, split, rows) for config, split, rows in spec["parts"])
    return HubSource(spec["repo"], spec["revision"], parts, gated=spec.get("gated", False))


def _read(file: DataFile | ArchiveFile) -> list[dict[str, object]]:
    return read_archive(file) if isinstance(file, ArchiveFile) else read_rows(file)


def _fetch(file: DataFile | ArchiveFile, source: HubSource) -> list[dict[str, object]]:
    rows = read_hub(source, fields=file.fields, local_path=file.path.as_posix())
    if isinstance(file, ArchiveFile):
        check_items(rows, f"The data set {source.repo!r}", file)
    return rows
