"""``talan-eval report ROOT``: one page over all experiments below a directory."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from talan_core.errors import UserError
from talan_eval.cli.output import say
from talan_eval.records.listing import Unlisted, look_at
from talan_eval.report.index import Listed, render_index
from talan_eval.result.reading import RESULT_NAME, read_result, read_scores
from talan_eval.store.atomic import atomic_write_bytes, make_directory
from talan_eval.store.store import MANIFEST_NAME

INDEX_NAME: Final = "index.html"
_PAGES: Final = (("page", "report.html"), ("Markdown", "report.md"), ("JSON", RESULT_NAME))


def is_root(place: Path) -> bool:
    """Return whether a directory holds experiments and is none itself."""
    return (
        place.is_dir()
        and not (place / RESULT_NAME).exists()
        and not (place / MANIFEST_NAME).exists()
        and any(_directories(place))
    )


def write_index(root: Path, out: Path | None, formats: tuple[str, ...] = ()) -> None:
    """Write the page and say where it is.

    Args:
        root: The results root.
        out: Directory of the page; the root itself where None.
        formats: The formats that were asked for: "html" or none.

    Raises:
        UserError: No experiment below has a result, the page cannot be written, or another format was asked for.
    """
    if formats not in ((), ("html",)):
        raise UserError(
            f"{root} holds experiments and is none itself; one page, in HTML, lists them.",
            f"Type: talan-eval report {root}, or name one of them: talan-eval report {root}/NAME",
        )
    target = (root if out is None else out) / INDEX_NAME
    listed = [_listed(directory, target.parent) for directory in _directories(root)]
    if not any(one.is_read for one in listed):
        told = "\n".join(f"  {one.name}: {one.problem}" for one in listed)
        raise UserError(
            f"No experiment in {root} has a result that can be read:\n{told}", f"Type: talan-eval runs {root}"
        )
    make_directory(target.parent)
    atomic_write_bytes(target, render_index(listed, f"Experiments in {root.resolve().name}").encode("utf-8", "replace"))
    say(f"Written {target}: {sum(one.is_read for one in listed)} experiments.\n")


def _directories(root: Path) -> list[Path]:
    """Return what is an experiment or was meant to be one, by name."""
    try:
        below = sorted(path for path in root.iterdir() if path.name[:1] != "." and path.is_dir())
        return [path for path in below if (path / RESULT_NAME).exists() or not _foreign(path)]
    except OSError as error:
        raise UserError(f"{root} cannot be read: {error.strerror}.", "Name a directory that can be read.") from error


def _foreign(directory: Path) -> bool:
    found = look_at(directory)
    return isinstance(found, Unlisted) and found.state == "foreign"


def _listed(directory: Path, home: Path) -> Listed:
    try:
        scores = read_scores(directory)
        result = None if scores is not None else read_result(directory)
    except UserError as error:
        return Listed(directory.name, None, problem=error.problem)
    pages = [(name, directory / file) for name, file in _PAGES if (directory / file).is_file()]
    places = tuple((name, Path(os.path.relpath(path, home)).as_posix()) for name, path in pages)
    return Listed(directory.name, result, places, scores=scores)
