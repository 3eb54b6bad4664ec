"""Results from disk, with an error for whatever is wrong with them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from talan_core.errors import UserError
from talan_eval.result.schema import Result

if TYPE_CHECKING:
    from pathlib import Path

RESULT_NAME = "result.json"
_MANIFEST_NAME = "manifest.json"
_VERSION = 1


class UnfinishedError(UserError):
    """A directory whose comparison has not finished: what was declared is not there yet."""

    exit_code = 4


def read_result(path: Path, example: str = "results/NAME") -> Result:
    """Read a published result.

    Args:
        path: The JSON file, or the directory of a comparison.
        example: What to type where there is none: the caller's own words.

    Raises:
        UnfinishedError: The directory holds a comparison without its result.
        UserError: There is no result, or it is damaged or of another schema version.
    """
    file = path / RESULT_NAME if path.is_dir() else path
    if path.is_dir() and not file.is_file() and (path / _MANIFEST_NAME).is_file():
        raise UnfinishedError(
            f"The comparison in {path} has not finished: there is no {RESULT_NAME} yet.",
            f"Give the command that started it again; finished cells are kept: talan-eval compare ... --out {path}",
        )
    try:
        text = file.read_text("utf-8")
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
        raise UserError(
            f"There is no result at {path}.",
            f"Name a result.json or the directory that holds it, such as: {example}",
        ) from error
    except UnicodeDecodeError as error:
        raise UserError(f"{file} is no text.", "Name the result.json of a comparison.") from error
    except OSError as error:
        raise UserError(f"Cannot read {file}: {error.strerror}.", f"Make it readable: chmod u+r {file}") from error
    return _parsed(text, file)


def _parsed(text: str, file: Path) -> Result:
    try:
        document = json.loads(text)
    except json.JSONDecodeError as error:
        raise UserError(
            f"{file}, line {error.lineno}: not JSON ({error.msg}).", "Restore the file, or run the comparison again."
        ) from error
    if not isinstance(document, dict) or "schema" not in document:
        raise UserError(f"{file} is no result of talan-eval: it has no field 'schema'.", "Name a result.json.")
    if document["schema"] != _VERSION:
        raise UserError(
            f"{file} follows schema {document['schema']!r} and this talan-eval reads schema {_VERSION}.",
            "Install the version that wrote it, or the newest one: pip install --upgrade talan-eval",
        )
    try:
        return Result.from_json(text)
    except ValidationError as error:
        first: Any = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "the whole"
        raise UserError(
            f"{file} does not follow result schema {_VERSION}: {place}: {first['msg']} "
            f"({error.error_count()} such in all).",
            "It was changed, or written by another version. Give its compare command again (finished cells are kept).",
        ) from error
