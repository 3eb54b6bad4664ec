"""Experiment files: the options of a command as keys of a TOML, YAML or JSON file.

Keys, types, help and the published JSON schema are those of the request's dataclass; there is no second list. What a
file holds is checked here for its form only: whether an arm or a task exists is found out where options are checked.

``python -m talan_eval.requests.experiment_file COMMAND`` prints the JSON schema (draft 2020-12) of files of a command:
compare, compare-logs or evaluate.
"""

from __future__ import annotations

import json
import math
import sys
import types
import typing
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from talan_core.bounded import DEEPEST, MEGABYTE, check_depth, parse_json, read_text_bounded, said, shown
from talan_core.errors import UserError, unknown_name
from talan_eval.requests.fields import declared

if TYPE_CHECKING:
    from collections.abc import Mapping

_LARGEST: Final = sys.float_info.max
_MOST: Final = MEGABYTE // 8  # readers of YAML take seconds for more
VARIABLE_PREFIX: Final = "TALAN_EVAL_"
SUFFIXES: Final = (".toml", ".yaml", ".yml", ".json")
_TYPES: Final = {str: "string", int: "integer", float: "number", bool: "boolean", Path: "string"}
_ARTICLED: Final = {str: "a text", int: "a whole number", float: "a number", bool: "true or false", Path: "a path"}


def variable_of(option: str) -> str:
    """Return the environment variable of an option, by its field name."""
    return VARIABLE_PREFIX + option.rstrip("_").upper()


def read_options(path: Path, request: type) -> dict[str, Any]:
    """Read an experiment file.

    Args:
        path: Its name decides how it is read.
        request: The dataclass of options.

    Returns:
        The options that it sets, by field name.

    Raises:
        UserError: The file cannot be read, or has an unknown key or a value of the wrong type; the message names it.
    """
    return options_of(_document(path), request, str(path))


def options_of(document: Mapping[str, Any], request: type, where: str) -> dict[str, Any]:
    """Turn keys and values, as a file has them, into options.

    Args:
        document: Texts, numbers, true and false, lists and tables of these by key.
        request: The dataclass of options.
        where: Where they stand, for messages.

    Returns:
        The options that are set, by field name.

    Raises:
        UserError: An unknown key or a value of the wrong type.
    """
    hints = typing.get_type_hints(request)
    fields = {field.name: field for field in declared(request)}
    options = {}
    for key, value in document.items():
        if key in getattr(request, "MOVED", {}):
            command = f"talan-eval {request.MOVED[key]}"  # type: ignore[attr-defined]  # as asked above
            raise UserError(f"{where}: {key} is for {command}.", f"Take the key out; what it takes: {command} --help")
        if key not in fields:
            wrong = unknown_name("key", str(key), fields)
            raise UserError(f"{where}: {wrong.problem}", wrong.fix)
        if fields[key].metadata.get("table") is not None and isinstance(value, dict):
            options[key] = tuple(f"{name}={_written(where, key, inner)}" for name, inner in value.items())
            continue
        options[key] = _value(where, key, value, hints[key], listed=fields[key].metadata.get("listed", False))
    return options


def to_document(request: Any, leave_out: frozenset[str]) -> dict[str, Any]:  # noqa: ANN401 - any dataclass of options
    """Return what differs from the defaults, as the content of an experiment file.

    Args:
        request: Filled options.
        leave_out: Fields that say where or whether, not what.
    """
    document: dict[str, Any] = {}
    for field in declared(type(request)):
        value = getattr(request, field.name)
        if field.name not in leave_out and value != field.default:
            document[field.name] = str(value) if isinstance(value, Path) else value
    return document


def json_schema(request: type, title: str) -> dict[str, Any]:
    """Return the JSON schema of experiment files.

    Args:
        request: The dataclass of options.
        title: What such a file is.
    """
    hints = typing.get_type_hints(request)
    properties = {}
    for field in declared(request):
        kind = _plain(hints[field.name])
        content = _schema_of(kind, listed=field.metadata.get("listed", False))
        if (table := field.metadata.get("table")) is not None:
            content["type"] = [*content["type"], "object"]
            content |= {"properties": dict(table), "additionalProperties": False}
        content["description"] = field.metadata["help"]
        if field.default is not None and field.default != ():
            content["default"] = list(field.default) if isinstance(field.default, tuple) else field.default
        properties[field.name] = content
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": title,
        "type": "object",
        "properties": properties,
        "additionalProperties": False,
    }


def _document(path: Path) -> dict[str, Any]:
    if path.suffix not in SUFFIXES:
        raise UserError(
            f"{path} is no experiment file: its name ends in none of {', '.join(SUFFIXES)}.",
            "Type: talan-eval compare experiment.toml",
        )
    try:
        text = read_text_bounded(path, _MOST).removeprefix("\N{BYTE ORDER MARK}")  # which some editors write
        check_depth(text.encode())  # brackets nest alike in all three
        content = _read_as(path.suffix, text)
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}.", "Name an existing file.") from error
    except (ValueError, RecursionError) as error:
        why = "it is nested too deeply" if isinstance(error, RecursionError) else said(error)
        raise UserError(f"{path} is no valid {path.suffix[1:].upper()}: {why}.", "Mend the file there.") from error
    if content is None:
        return {}
    if not isinstance(content, dict):
        example = {".toml": 'treat = "talan+lora"', ".json": '{"treat": "talan+lora"}'}.get(
            path.suffix, "treat: talan+lora"
        )
        raise UserError(f"{path} holds no keys.", f"Write options as keys, such as {example}.")
    return content


def _read_as(suffix: str, text: str) -> Any:  # noqa: ANN401 - what such a file holds
    import tomllib  # noqa: PLC0415 - only where there is a file

    from talan_eval.requests.plain_yaml import read_yaml  # noqa: PLC0415 - as above

    if suffix == ".json":
        return parse_json(text, unique=True)
    if suffix != ".toml":
        return read_yaml(text)
    if any(line.count(".") > DEEPEST for line in text.splitlines()):
        raise ValueError(f"a line has more than {DEEPEST} dots")
    return tomllib.loads(text)


def _value(where: str, key: str, value: object, hint: Any, *, listed: bool) -> Any:  # noqa: ANN401 - a field's own type
    kind = _plain(hint)
    if kind == tuple[str, ...]:
        given = [value] if isinstance(value, str) else value
        if isinstance(given, list) and all(isinstance(part, str) for part in given):
            return tuple(given)
        raise _wrong(where, key, value, "a text or a list of texts")
    if listed:
        parts = value if isinstance(value, list) else [value]
        if parts and all(isinstance(part, str | int) and not isinstance(part, bool) for part in parts):
            text = ",".join(map(str, parts))
            return f"{text}," if isinstance(value, list) and len(parts) == 1 else text
        raise _wrong(where, key, value, "a text, a whole number, or a list of these")
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value) if abs(value) <= _LARGEST else math.inf
    if kind is float and isinstance(value, float) and not math.isfinite(value):
        raise _wrong(where, key, value, "a finite number")
    if kind is Path and isinstance(value, str):
        return Path(value)
    if type(value) is not kind:
        raise _wrong(where, key, value, _ARTICLED[kind])
    return value


def _written(where: str, key: str, value: object) -> str:
    """Return a value of a table as it is typed."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int | float):
        return str(value)
    raise _wrong(where, key, value, "a table of texts, numbers, true and false")


def _wrong(where: str, key: str, value: object, expected: str) -> UserError:
    return UserError(f"{where}: {key} is {shown(value)}, not {expected}.", f"Write {key} = ... with {expected}.")


def _plain(hint: Any) -> Any:  # noqa: ANN401 - a type
    """Return a type without its None: a key that is not there says that."""
    if isinstance(hint, types.UnionType):
        (kind,) = (part for part in typing.get_args(hint) if part is not types.NoneType)
        return kind
    return hint


def _schema_of(kind: Any, *, listed: bool) -> dict[str, Any]:  # noqa: ANN401 - a type
    if kind == tuple[str, ...]:
        return {"type": ["string", "array"], "items": {"type": "string"}}
    if listed:
        return {"type": ["string", "integer", "array"], "items": {"type": ["string", "integer"]}, "minItems": 1}
    return {"type": _TYPES[kind]}


def _main(command: str = "compare") -> None:
    from talan_eval.requests.compare import CompareRequest  # noqa: PLC0415 - only here is it known which request
    from talan_eval.requests.compare_logs import CompareLogsRequest  # noqa: PLC0415 - as above
    from talan_eval.requests.evaluate import EvaluateRequest  # noqa: PLC0415 - as above

    known = {"compare": CompareRequest, "compare-logs": CompareLogsRequest, "evaluate": EvaluateRequest}
    request = known[command]
    schema = json_schema(request, f"An experiment file of talan-eval {command}")
    sys.stdout.write(json.dumps(schema, indent=2) + "\n")


if __name__ == "__main__":
    _main(*sys.argv[1:])
