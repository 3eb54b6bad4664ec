"""Results from disk, of every schema version up to the present one, with an error for whatever is wrong with them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from talan_core.bounded import MEGABYTE, BoundsError, parse_json, read_text_bounded, said, shown
from talan_core.errors import UserError
from talan_eval.result.arm_scores import SCORES_KEY, ArmScores
from talan_eval.result.consistent import contradictions
from talan_eval.result.schema import Result
from talan_eval.result.upgrade import FirstResult, upgraded

if TYPE_CHECKING:
    from pathlib import Path

RESULT_NAME = "result.json"
_MANIFEST_NAME = "manifest.json"
_FIRST, _VERSION = 1, 2
_MOST = 64 * MEGABYTE
_SHOWN = 80  # letters of a name in a place


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
        UserError: There is no result, or it is damaged, contradicts itself, or is of a newer schema.
    """
    try:
        file = path / RESULT_NAME if path.is_dir() else path
    except OSError as error:  # a name that no file system has
        raise UserError(
            f"There is no result at {shown(str(path))}: {error.strerror}.", f"Name a result.json, such as: {example}"
        ) from error
    if path.is_dir() and not file.is_file() and (path / _MANIFEST_NAME).is_file():
        raise UnfinishedError(
            f"The comparison in {path} has not finished: there is no {RESULT_NAME} yet.",
            f"Give the command that started it again; finished cells are kept: talan-eval compare ... --out {path}",
        )
    try:
        text = read_text_bounded(file, _MOST, typed=True)
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
        raise UserError(
            f"There is no result at {path}.",
            f"Name a result.json or the directory that holds it, such as: {example}",
        ) from error
    except UnicodeDecodeError as error:
        raise UserError(f"{file} is no text.", "Name the result.json of a comparison.") from error
    except BoundsError as error:
        raise UserError(f"{file} is no result: {error}.", "Name the result.json of a comparison.") from error
    except OSError as error:
        raise UserError(f"Cannot read {file}: {error.strerror}.", f"Make it readable: chmod u+r {file}") from error
    return _parsed(text, file)


def read_scores(path: Path) -> ArmScores | None:
    """Read the scores of one arm that ``talan-eval evaluate`` wrote.

    Args:
        path: The JSON file, or its directory.

    Returns:
        They; None where there is anything else, which :func:`read_result` reads or refuses.

    Raises:
        UserError: They are damaged, or of a newer schema.
    """
    try:
        file = path / RESULT_NAME if path.is_dir() else path
        text = read_text_bounded(file, _MOST)
        document = parse_json(text, unique=True, plain=True)
    except (OSError, ValueError, BoundsError):
        return None
    if not isinstance(document, dict) or SCORES_KEY not in document:
        return None
    if type(document[SCORES_KEY]) is not int or document[SCORES_KEY] != 1:
        raise UserError(
            f"{file} follows scores schema {shown(document[SCORES_KEY])}, and this talan-eval reads schema 1.",
            "Install the version that wrote it, or the newest one: pip install --upgrade talan-eval",
        )
    try:
        return ArmScores.from_json(text)
    except ValidationError as error:
        raise UserError(
            f"{file} does not follow scores schema 1: {_first(error)}.",
            "It was changed, or written by another version. Give its evaluate command again (finished cells are kept).",
        ) from error


def _first(error: ValidationError) -> str:
    first: Any = error.errors(include_url=False, include_context=False, include_input=False)[0]
    place = ".".join(str(part)[:_SHOWN] for part in first["loc"]) or "the whole"
    return f"{place}: {first['msg']} ({error.error_count()} such in all)"


def _parsed(text: str, file: Path) -> Result:
    try:
        document = parse_json(text, unique=True, plain=True)
    except json.JSONDecodeError as error:
        raise UserError(
            f"{file}, line {error.lineno}: not JSON ({error.msg}).", "Restore the file, or run the comparison again."
        ) from error
    except ValueError as error:
        raise UserError(f"{file} is no result: {said(error)}.", "Name a result.json.") from error
    if isinstance(document, dict) and SCORES_KEY in document:
        raise UserError(
            f"{file} holds the scores of one arm, and compares nothing.",
            f"Show them: talan-eval report {file.parent}; or compare two: talan-eval compare-logs NAME=DIR NAME=DIR",
        )
    if not isinstance(document, dict) or "schema" not in document:
        raise UserError(f"{file} is no result of talan-eval: it has no field 'schema'.", "Name a result.json.")
    version = document["schema"]
    if type(version) is not int or version not in (_FIRST, _VERSION):
        newer = type(version) is int and version > _VERSION
        raise UserError(
            f"{file} follows result schema {shown(version)}{', which is newer' if newer else ''}: this talan-eval "
            f"reads schemas {_FIRST} and {_VERSION}.",
            "Install the version that wrote it, or the newest one: pip install --upgrade talan-eval",
        )
    again = "It was changed, or written by another version. Give its compare command again (finished cells are kept)."
    try:
        result = Result.from_json(text) if version == _VERSION else upgraded(FirstResult.from_json(text))
    except ValidationError as error:
        raise UserError(f"{file} does not follow result schema {version}: {_first(error)}.", again) from error
    wrong = tuple(contradictions(result))
    if wrong:
        place = wrong[0].removeprefix("contrasts.0.") if version == _FIRST else wrong[0]
        raise UserError(f"{file} contradicts itself: {place} ({len(wrong)} such in all).", again)
    return result
