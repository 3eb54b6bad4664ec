"""Help that is read: options in panels by purpose over the whole width, examples to copy, and what a typo meant."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from typer.core import TyperCommand, TyperGroup

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

WHOLE_WIDTH: Final = 200
"""Lines of help are as long as the terminal is wide, up to here."""
_ROOMY, _WIDE_COLUMN, _NARROW_COLUMN = 78, 30, 20
_BLANK: Final = "\N{NO-BREAK SPACE}"
_OPTIONS: Final = "Options"
_LAST: Final = ("help", "install_completion", "show_completion")
_TYPES: Final = {"str": "TEXT", "int": "N", "float": "X", "path": "PATH", "list[str]": "TEXT"}


def examples(*lines: str) -> str:
    """Return the examples of a command as its help has them: one per line, to be copied."""
    return "\n".join(lines)


class _Helpful:
    """What the help of a command and of a group have in common."""

    epilog: str | None
    get_params: Callable[[Any], list[Any]]

    def format_epilog(self, ctx: Any, formatter: Any) -> None:  # noqa: ANN401, ARG002 - typer keeps its click to itself
        """Write the examples as they are to be typed."""
        _write_examples(self.epilog, formatter)

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:  # noqa: ANN401 - as above
        """Read what was typed; an option that there is not is said with the one that was meant."""
        try:
            return super().parse_args(ctx, args)  # type: ignore[misc,no-any-return]  # that of the class beside it
        except Exception as error:
            _say_what_was_meant(error, self.get_params(ctx))
            raise


class HelpfulCommand(_Helpful, TyperCommand):
    """A command with such help."""

    def format_options(self, ctx: Any, formatter: Any) -> None:  # noqa: ANN401 - as above
        """Write the options by panel."""
        _write_panels(self.get_params(ctx), ctx, formatter)


class HelpfulGroup(_Helpful, TyperGroup):
    """A group of commands with such help; commands stand in panels too."""

    def format_options(self, ctx: Any, formatter: Any) -> None:  # noqa: ANN401 - as above
        """Write the commands, then the options."""
        panels: dict[str, list[tuple[str, str]]] = {}
        for name in self.list_commands(ctx):
            command = self.commands[name]
            first = (command.help or "").split("\n\n")[0]
            panels.setdefault(command.rich_help_panel or "Commands", []).append((name, " ".join(first.split())))  # type: ignore[attr-defined]  # typer's
        for title, rows in panels.items():
            with formatter.section(title):
                formatter.write_dl(rows, col_max=_WIDE_COLUMN if formatter.width >= _ROOMY else _NARROW_COLUMN)
        _write_panels(self.get_params(ctx), ctx, formatter)


def _write_panels(parameters: Iterable[Any], ctx: Any, formatter: Any) -> None:  # noqa: ANN401 - as above
    panels: dict[str, list[tuple[str, str]]] = {}
    last: list[tuple[str, str]] = []
    for parameter in parameters:
        record = parameter.get_help_record(ctx)
        if record is None:
            continue
        typed, text = record
        row = (re.sub(r"<([a-z\[\]]+)>", lambda found: _TYPES.get(found[1], found[1].upper()), typed), _unbroken(text))
        if parameter.name in _LAST:
            last.append(row)
        elif parameter.param_type_name == "argument":
            panels.setdefault("Arguments", []).append(row)
        else:
            panels.setdefault(parameter.rich_help_panel or _OPTIONS, []).append(row)
    if last:
        panels["Help" if _OPTIONS not in panels else _OPTIONS] = [*panels.get(_OPTIONS, ()), *last]
    for title, rows in panels.items():
        with formatter.section(title):
            formatter.write_dl(rows, col_max=_WIDE_COLUMN if formatter.width >= _ROOMY else _NARROW_COLUMN)
    formatter.buffer[:] = [part.replace(_BLANK, " ") for part in formatter.buffer]


def _unbroken(text: str) -> str:
    """Keep a default in brackets on one line."""
    return re.sub(r"\[default: [^\]]{1,40}\]", lambda found: found[0].replace(" ", _BLANK), text)


def _write_examples(epilog: str | None, formatter: Any) -> None:  # noqa: ANN401 - as above
    if epilog:
        lines = epilog.splitlines()
        with formatter.section("Examples" if len(lines) > 1 else "Example"):
            for line in lines:
                formatter.write(f"{'':{formatter.current_indent}}{line}\n")


def _say_what_was_meant(error: Exception, parameters: Iterable[Any]) -> None:
    """Complete the message about an option that is not known."""
    name = getattr(error, "option_name", None)
    if not name or not hasattr(error, "possibilities"):
        return
    import difflib  # noqa: PLC0415 - --help must not wait for it

    known = [*_names(parameters)]
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    error.possibilities = None
    error.message = f"No such option: {name}.{f' Did you mean {close[0]}?' if close else ''}"  # type: ignore[attr-defined]  # a NoSuchOption


def _names(parameters: Iterable[Any]) -> Iterator[str]:
    for parameter in parameters:
        if parameter.param_type_name == "option":
            yield from (*parameter.opts, *parameter.secondary_opts)
