"""Turns a dataclass of options into a typer command, so that each option is declared once, outside the command line."""

from __future__ import annotations

import dataclasses
import inspect
import typing
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

if TYPE_CHECKING:
    from collections.abc import Callable

_Request = TypeVar("_Request")
_REPEATED = tuple[str, ...]


def command_of(
    request: type[_Request],
    perform: Callable[[_Request], None],
    doc: str,
    check: Callable[[frozenset[str]], None] | None = None,
) -> Callable[..., None]:
    """Make the function that typer registers.

    Args:
        request: A dataclass; each field becomes an option with the help text of its metadata. A field of type
            ``tuple[str, ...]`` becomes an option that may be repeated. A name that would be a
            keyword of Python ends in an underscore, which the option drops.
        perform: Called with the filled dataclass.
        doc: The command's help.
        check: Called before with the names of the fields that the user typed, whatever their values.

    Returns:
        A function whose signature has one keyword per field, and the context.
    """

    def command(context: typer.Context, **values: Any) -> None:  # noqa: ANN401 - one keyword per field, each of its own type
        if check is not None:
            check(frozenset(name for name in values if _typed(context, name)))
        perform(request(**{name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}))

    hints = typing.get_type_hints(request)
    parameters = [
        inspect.Parameter("context", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=typer.Context),
    ]
    for field in dataclasses.fields(request):  # type: ignore[arg-type]  # a dataclass, which TypeVar cannot say
        option = typer.Option("--" + field.name.rstrip("_").replace("_", "-"), help=field.metadata["help"])
        repeated = hints[field.name] == _REPEATED
        parameters.append(
            inspect.Parameter(
                field.name,
                inspect.Parameter.KEYWORD_ONLY,
                default=[] if repeated else field.default,
                annotation=Annotated[list[str] if repeated else hints[field.name], option],
            )
        )
    command.__doc__ = doc
    command.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # read by inspect and typer
    return command


def _typed(context: typer.Context, name: str) -> bool:
    """Return whether an option stood on the command line; its default value may stand there too."""
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"
