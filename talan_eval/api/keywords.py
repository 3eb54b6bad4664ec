"""Keyword arguments that are the options of a command, under the same names and with the same checks as in a file."""

from __future__ import annotations

import inspect
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from talan_core.errors import unknown_name
from talan_eval.requests.experiment_file import options_of
from talan_eval.requests.fields import declared

if TYPE_CHECKING:
    from collections.abc import Callable, Container

_Request = TypeVar("_Request")
_Function = TypeVar("_Function", bound="Callable[..., Any]")


def filled(request: type[_Request], given: Mapping[str, object], call: str) -> _Request:
    """Fill a request from keyword arguments; None stands for left out.

    Args:
        request: A dataclass of options.
        given: Texts, numbers, paths, and lists, tuples, ranges or dicts of these, by option.
        call: What was called, for messages.

    Raises:
        UserError: An unknown option, or a value of the wrong type.
    """
    known = {field.name for field in declared(request)}
    for name in given:
        if name not in known:
            raise unknown_name("option", name, sorted(known))
    written = {name: _written(value) for name, value in given.items() if value is not None}
    return request(**options_of(written, request, call))


def documented(request: type, leave_out: Container[str]) -> Callable[[_Function], _Function]:
    """Give a function that takes ``**options`` the signature and the list of options of a request.

    Args:
        request: A dataclass of options.
        leave_out: Options that make no sense from a program.
    """
    fields = [field for field in declared(request) if field.name not in leave_out]

    def document(function: _Function) -> _Function:
        own = [p for p in inspect.signature(function).parameters.values() if p.kind is not p.VAR_KEYWORD]
        options = [
            inspect.Parameter(field.name, inspect.Parameter.KEYWORD_ONLY, default=field.default, annotation=Any)
            for field in fields
            if field.name not in {parameter.name for parameter in own}
        ]
        returns = inspect.signature(function).return_annotation
        function.__signature__ = inspect.Signature([*own, *options], return_annotation=returns)  # type: ignore[attr-defined]  # read by inspect
        listed = "\n".join(f"    {field.name}: {field.metadata['help']}" for field in fields)
        function.__doc__ = f"{inspect.getdoc(function)}\n\nOptions, as on the command line:\n{listed}\n"
        return function

    return document


def _written(value: object) -> object:
    """Return a value as a file would have it."""
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    if isinstance(value, Mapping):
        return {str(name): _written(inner) for name, inner in value.items()}
    if isinstance(value, tuple | list | range):
        return [_written(inner) for inner in value]
    return value
