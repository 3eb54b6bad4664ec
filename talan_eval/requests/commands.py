"""Turns a dataclass of options into a typer command, so that each option is declared once, outside the command line."""

from __future__ import annotations

import dataclasses
import inspect
import typing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from talan_eval.requests.experiment_file import SUFFIXES, read_options, variable_of
from talan_eval.requests.fields import declared
from talan_eval.requests.help_panels import metavar_of, panel_of, place_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_Request = TypeVar("_Request")
_REPEATED = tuple[str, ...]
_FILE = inspect.Parameter(
    "file",
    inspect.Parameter.POSITIONAL_OR_KEYWORD,
    default=None,
    annotation=Annotated[
        Path | None,
        typer.Argument(
            help="Experiment file (.toml, .yaml, .json) with these options as keys; --eval-batch is eval_batch there."
        ),
    ],
)


def command_of(
    request: type[_Request],
    perform: Callable[..., None],
    doc: str,
    *,
    from_file: bool = False,
    completed: Mapping[str, Callable[[str], list[str]]] | None = None,
) -> Callable[..., None]:
    """Make the function that typer registers.

    Args:
        request: A dataclass; each field becomes an option with the help text of its metadata. A field of type
            ``tuple[str, ...]`` becomes an option that may be repeated. A name that would be a
            keyword of Python ends in an underscore, which the option drops. A field whose metadata say "argument" is
            typed without its name, and one without a default must be given; where it may be repeated, an experiment
            file stands before the others.
        perform: Called with the filled dataclass and, where options come from files, the file or None.
        doc: The command's help.
        from_file: Whether options can also stand in an experiment file and in the environment. What stands on the
            command line comes before environment variables, these before the file, and that before the defaults.
        completed: What a shell may complete, by the name of the field; words of a metavar are completed anyway.

    Returns:
        A function whose signature has one keyword per field, and the context.
    """
    fields = declared(request)
    words = next((field.name for field in fields if field.metadata.get("argument") and from_file), None)

    def command(context: typer.Context, file: Path | None = None, **values: Any) -> None:  # noqa: ANN401 - one keyword per field, each of its own type
        given = {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}
        if words is not None:
            file, given[words] = _split(given[words])
        options = {} if file is None else read_options(file, request)
        unset = {
            name: value
            for name, value in options.items()
            if (not given[name] if name == words else _is_default(context, name))
        }
        both = {name: _merged(options[name], given[name]) for name in tables & (options.keys() - unset.keys())}
        filled = request(**{**given, **unset, **both})
        perform(filled, file) if from_file else perform(filled)

    tables = {field.name for field in fields if field.metadata.get("table") is not None}
    hints = typing.get_type_hints(request)
    parameters = [
        inspect.Parameter("context", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=typer.Context),
        *([_FILE] if from_file and words is None else []),
    ]
    parameters.extend(
        _parameter(field, hints[field.name], (completed or {}).get(field.name), from_file=from_file)
        for field in sorted(fields, key=lambda one: place_of(one.name))
    )
    command.__doc__ = doc
    command.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # read by inspect and typer
    return command


def _parameter(
    field: dataclasses.Field[Any],
    hint: Any,  # noqa: ANN401 - the field's own type
    complete: Callable[[str], list[str]] | None,
    *,
    from_file: bool,
) -> inspect.Parameter:
    if field.metadata.get("argument"):
        declared = typer.Argument(help=field.metadata["help"])
    else:
        name = field.name.rstrip("_").replace("_", "-")
        declared = typer.Option(
            f"--{name}/--no-{name}" if field.default is True else f"--{name}",
            help=field.metadata["help"],
            envvar=variable_of(field.name) if from_file else None,
            show_envvar=False,
            metavar=metavar_of(field.name),
            rich_help_panel=panel_of(field.name),
            autocompletion=complete or words_of(metavar_of(field.name) or ""),
        )
    repeated = hint == _REPEATED
    default = inspect.Parameter.empty if field.default is dataclasses.MISSING else field.default
    return inspect.Parameter(
        field.name,
        inspect.Parameter.KEYWORD_ONLY,
        default=[*default] if repeated and isinstance(default, tuple) else default,
        annotation=Annotated[list[str] if repeated else hint, declared],
    )


def words_of(metavar: str) -> Callable[[str], list[str]] | None:
    """Return what completes a metavar such as "paired|independent": its words in small letters; None without any."""
    words = [word for word in metavar.split("|") if word.islower()] if "|" in metavar else []

    def complete(incomplete: str) -> list[str]:
        return [word for word in words if word.startswith(incomplete)]

    return complete if words else None


def _split(words: tuple[str, ...]) -> tuple[Path | None, tuple[str, ...]]:
    """Take the experiment file from what was typed without a name; a JSON file that stands alone is one, no log is."""
    if words and words[0].endswith(SUFFIXES) and (len(words) == 1 or not words[0].endswith(".json")):
        return Path(words[0]), words[1:]
    return None, words


def _merged(of_file: tuple[str, ...], typed: tuple[str, ...]) -> tuple[str, ...]:
    """Put what was typed over the table of a file, key by key."""
    keys = {text.partition("=")[0].strip() for text in typed}
    return (*(text for text in of_file if text.partition("=")[0].strip() not in keys), *typed)


def _is_default(context: typer.Context, name: str) -> bool:
    """Return whether an option was neither typed nor set in the environment."""
    source = context.get_parameter_source(name)
    return source is None or source.name in {"DEFAULT", "DEFAULT_MAP"}
