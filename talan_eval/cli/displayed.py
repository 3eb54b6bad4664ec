"""Results and tables on the screen as wide as it is, and into a pipe with nothing wrapped, padded or left out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from talan_eval.cli.output import say

if TYPE_CHECKING:
    from rich.console import Console

    from talan_eval.report.table import Column, Table
    from talan_eval.result.arm_scores import ArmScores
    from talan_eval.result.schema import Result


def show_result(console: Console, result: Result, *, explain: bool) -> None:
    """Show a comparison.

    Args:
        console: Where it goes.
        result: The published result.
        explain: Whether to add how to read it, methods, and where the numbers come from.
    """
    if console.is_terminal:
        from talan_eval.report.terminal import TerminalReport  # noqa: PLC0415 - --help must not wait for it

        console.print(TerminalReport(result, explain=explain))
    else:
        from talan_eval.report import piped  # noqa: PLC0415 - as above

        say(piped.render(result, explain=explain))


def show_scores(console: Console, scores: ArmScores, *, explain: bool) -> None:
    """Show the scores of one arm; arguments as above."""
    from talan_eval.report import origin_words, scored  # noqa: PLC0415 - as above

    def paragraph(text: str, style: str = "") -> None:
        if console.is_terminal:
            console.print(text, style=style, markup=False, soft_wrap=True)
        else:
            say(f"{text}\n")

    if explain:
        for label, text in scored.HOW_TO_READ:
            paragraph(f"{label}: {text}")
        paragraph(origin_words.live_probe(scores))
        paragraph(f"Provenance: {origin_words.provenance_summary(scores)}", "dim")
    for warning in scores.warnings:
        paragraph(f"!  {warning}")
    stamp = origin_words.sandbox_stamp(scores)
    paragraph(stamp, "bold yellow" if stamp.startswith("UNSANDBOXED") else "")
    paragraph(f"Signature: {scores.signature}", "dim")
    paragraph("")
    dropped = show_table(console, scored.score_table(scores))
    if explain and (checkpoints := scored.checkpoint_table(scores)).rows:
        dropped += show_table(console, checkpoints)
    if dropped:
        names = ", ".join(dict.fromkeys(column.name for column in dropped))
        paragraph(f"Left out at this width: {names}.", "dim")
    for text in scored.headlines(scores):
        paragraph(text, "bold")
    if explain:
        paragraph(scored.ALONE)
    else:
        paragraph("Nothing is compared. How to read this, and each checkpoint: --explain", "dim")


def show_table(console: Console, table: Table) -> tuple[Column, ...]:
    """Show a table, and return the columns that the screen has no room for."""
    if not console.is_terminal:
        from talan_eval.report.piped import table_lines  # noqa: PLC0415 - as above

        say("".join(f"{line}\n" for line in (*table_lines(table), "")))
        return ()
    from talan_eval.report.terminal import GAP, rich_table  # noqa: PLC0415 - as above

    fitted, dropped = table.fitted(console.width, GAP)
    console.print(rich_table(fitted, ascii_only=console.options.ascii_only))
    console.print()
    return dropped
