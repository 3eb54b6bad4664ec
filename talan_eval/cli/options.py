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


def command_of(request: type[_Request], perform: Callable[[_Request], None], doc: str) -> Callable[..., None]:
    """Make the function that typer registers.

    Args:
        request: A dataclass; each field becomes an option with the help text of its metadata. A field that would be a
            keyword of Python ends in an underscore, which the option drops.
        perform: Called with the filled dataclass.
        doc: The command's help.

    Returns:
        A function whose signature has one keyword per field.
    """

    def command(**values: Any) -> None:  # noqa: ANN401 - one keyword per field, each of its own type
        perform(request(**values))

    hints = typing.get_type_hints(request)
    parameters = []
    for field in dataclasses.fields(request):  # type: ignore[arg-type]  # a dataclass, which TypeVar cannot say
        option = typer.Option("--" + field.name.rstrip("_").replace("_", "-"), help=field.metadata["help"])
        parameters.append(
            inspect.Parameter(
                field.name,
                inspect.Parameter.KEYWORD_ONLY,
                default=field.default,
                annotation=Annotated[hints[field.name], option],
            )
        )
    command.__doc__ = doc
    command.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # read by inspect and typer
    return command
