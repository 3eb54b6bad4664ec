"""Writes what a terminal shows of the committed comparison, at several widths, into files that a test compares.

    python benchmarks/screens.py

Each file under tests/talan_eval/cli/screens/ is what a person sees: look at the difference before it is committed.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Final

from rich.console import Console

from talan_eval.report import piped
from talan_eval.report.terminal import TerminalReport
from talan_eval.result.reading import read_result

if TYPE_CHECKING:
    from talan_eval.result.schema import Result

ROOT: Final = Path(__file__).parents[1]
SCREENS: Final = ROOT / "tests" / "talan_eval" / "cli" / "screens"
WIDTHS: Final = {"narrow": 60, "usual": 80, "wide": 160}
RESULTS: Final = {"two-arms": "micro_lora_vs_talan+lora"}


def screens() -> dict[str, str]:
    """Return the text of each file by its name."""
    found = {}
    for name, directory in RESULTS.items():
        result = read_result(ROOT / "results" / directory)
        for width, columns in WIDTHS.items():
            found[f"{name}-{width}.txt"] = on_terminal(result, columns)
        found[f"{name}-explained.txt"] = on_terminal(result, WIDTHS["usual"], explain=True)
        found[f"{name}-no-color.txt"] = on_terminal(result, WIDTHS["usual"], no_color=True, escapes=True)
        found[f"{name}-code-page.txt"] = on_terminal(result, WIDTHS["usual"], encoding="cp1252")
        found[f"{name}-pipe.txt"] = piped.render(result)
    return found


def on_terminal(
    result: Result,
    columns: int,
    *,
    explain: bool = False,
    no_color: bool = False,
    escapes: bool = False,
    encoding: str = "utf-8",
) -> str:
    """Return what a terminal shows.

    Args:
        result: The result.
        columns: Width of the terminal.
        explain: As ``--explain``.
        no_color: As with NO_COLOR set.
        escapes: Whether the terminal's escapes are kept, in a form that can be read: ``<1>`` is bold.
        encoding: Of the terminal; of one that lacks a character the text could not be written.
    """
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding=encoding, newline="\n")
    console = Console(
        file=stream, width=columns, force_terminal=True, no_color=no_color, highlight=False,
        color_system="standard" if escapes else None, legacy_windows=False,
    )  # fmt: skip
    console.print(TerminalReport(result, explain=explain))
    stream.flush()
    text = raw.getvalue().decode(encoding)
    text = "\n".join(line.rstrip() for line in text.splitlines()) + "\n"
    return _readable(text) if escapes else text


def _readable(text: str) -> str:
    parts = text.split("\x1b[")
    return parts[0] + "".join(f"<{code}>{rest}" for code, _, rest in (part.partition("m") for part in parts[1:]))


def main() -> None:
    """Write the files."""
    SCREENS.mkdir(parents=True, exist_ok=True)
    for name, text in screens().items():
        (SCREENS / name).write_text(text, encoding="utf-8")
        print(name)


if __name__ == "__main__":
    main()
