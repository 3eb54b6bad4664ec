"""Writes the table of README.md from the committed result of ``make compare``."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Final

from rich.console import Console

from talan_eval.report.terminal import TerminalReport
from talan_eval.result.reading import read_result

if TYPE_CHECKING:
    from talan_eval.result.schema import Result

ROOT: Final = Path(__file__).parents[1]
BEGIN: Final = "<!-- table: begin (python benchmarks/readme_table.py writes this block) -->\n"
END: Final = "<!-- table: end -->"
WIDTH: Final = 118


def committed_result() -> Result:
    """Return the committed result of the default comparison."""
    return read_result(ROOT / "results" / "micro_lora_vs_talan+lora")


def block(result: Result) -> str:
    """Return what a terminal of ``WIDTH`` columns shows."""
    console = Console(file=io.StringIO(), width=WIDTH, color_system=None, highlight=False)
    console.print(TerminalReport(result))
    shown = console.file.getvalue()  # type: ignore[attr-defined]  # the StringIO above
    return "```text\n" + "\n".join(line.rstrip() for line in shown.rstrip().splitlines()) + "\n```\n"


def updated(readme: str, result: Result) -> str:
    """Return the README with its block written anew."""
    before, _, rest = readme.partition(BEGIN)
    _, _, after = rest.partition(END)
    return before + BEGIN + block(result) + END + after


def main() -> None:
    """Rewrite README.md in place."""
    path = ROOT / "README.md"
    path.write_text(updated(path.read_text(encoding="utf-8"), committed_result()), encoding="utf-8")
    print(f"{path.name}: table of {committed_result().contrasts[0].name}")


if __name__ == "__main__":
    main()
