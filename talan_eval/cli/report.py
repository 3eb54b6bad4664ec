"""``talan-eval report``: the tables of a result for papers, pull requests, spreadsheets and the browser."""

from __future__ import annotations

import math
import sys
from pathlib import Path  # noqa: TC003 - typer reads the annotations at run time
from typing import TYPE_CHECKING, Annotated, Final

import typer

from talan_core.errors import UserError, refuse, unknown_name
from talan_core.extras import lacking
from talan_eval.cli.completion import listed
from talan_eval.cli.displayed import show_result, show_scores
from talan_eval.cli.help import examples
from talan_eval.cli.output import say, say_document, terminal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from talan_eval.report.context import Context
    from talan_eval.report.plots import Figure
    from talan_eval.result.arm_scores import ArmScores
    from talan_eval.result.schema import Result

EXAMPLES = examples(
    "talan-eval report results/NAME",
    "talan-eval report results/NAME --format html,tex,bib --out paper/",
    "talan-eval report results/NAME --format md --margin 1.0",
    "talan-eval report results",
)

Formats = dict[str, bytes]
"""File contents by file name."""

_FIGURES: Final = ("svg", "png", "pdf")
_TEXTS: Final = ("md", "tex", "csv", "json", "html", "card", "methods", "bib")
_SCORES: Final = "scores"
_OF_COMPARISONS: Final = ("--margin", "--column", "--track")
_NEEDS_FLIPS: Final = frozenset({"html", *_FIGURES})


def command(
    result: Annotated[
        Path, typer.Argument(help="result.json, the directory of a comparison, or one that holds several.")
    ],
    formats: Annotated[
        str | None,
        typer.Option(
            "--format",
            help="Formats, by commas; the table for the terminal when left out.",
            metavar="FORMAT,...",
            autocompletion=lambda incomplete: listed(incomplete, (*_TEXTS, *_FIGURES, _SCORES)),
        ),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Directory for the files; printed when left out.")] = None,
    margin: Annotated[
        float | None, typer.Option(help="Declared margin, in the result's unit: adds the verdict 'no worse than'.")
    ] = None,
    column: Annotated[
        bool, typer.Option("--column", help="Draw svg, png and pdf for one column of a paper: 3.3 inches, 7 points.")
    ] = False,
    explain: Annotated[
        bool, typer.Option("--explain", help="Print also how to read the table, methods, and the whole signature.")
    ] = False,
    gain: Annotated[float, typer.Option(help="Gain, in the result's unit, for which to plan what to do next.")] = 1.0,
    track: Annotated[
        str | None,
        typer.Option(help="Send numbers and curves of trainings to a tracker as well: trackio, wandb or mlflow."),
    ] = None,
) -> None:
    """Write the tables of a result in other formats.

    Formats: md, tex (booktabs), csv (full precision), json, html (one file, with figures and the answers that
    flipped), card (a model card), svg, png and pdf (figures, extra "plots"), methods (the methods paragraph), bib (its
    references), scores (raw scores, one CSV of seeds x items per arm, backbone and benchmark); of the evaluation of one
    arm md, csv, json and html. One format without --out is printed. Of a directory that holds several comparisons,
    index.html lists them all.
    """
    from talan_eval.result.margins import within_margin  # noqa: PLC0415 - --help must not wait for it
    from talan_eval.result.reading import read_result  # noqa: PLC0415 - as above

    wanted = _names(formats)
    if _reported_otherwise(result, wanted, out, (margin, column or None, track), explain=explain):
        return
    found = read_result(result, "talan-eval report results/NAME")
    _check(margin, gain, found)
    found = found if margin is None else within_margin(found, margin)
    if track is not None:
        _track(track, found, _home(result))
    if not wanted:
        show_result(terminal(), found, explain=explain)
        return
    files = _render(found, _context(found, _home(result), wanted, gain), wanted, column=column)
    if _SCORES in wanted:
        from talan_eval.pipeline.scores import score_files  # noqa: PLC0415 - as above

        files |= score_files(_home(result), found)
    if out is None:
        _print_only(files)
    else:
        _write(files, out)


def _reported_otherwise(
    place: Path, wanted: tuple[str, ...], out: Path | None, others: Sequence[object], *, explain: bool
) -> bool:
    """Report what is no comparison: a directory that holds several, or the scores of one arm; return whether it is.

    Args:
        place: What is reported.
        wanted: The formats.
        out: Where to.
        others: What was typed for each of the options that mean something of a comparison alone; None for nothing.
        explain: Whether to say how to read it.

    Raises:
        UserError: Such an option was typed, or a format that there is not.
    """
    from talan_eval.cli.result_index import is_root, write_index  # noqa: PLC0415 - as above
    from talan_eval.result.reading import read_scores  # noqa: PLC0415 - as above

    several = is_root(place)
    scores = None if several else read_scores(place)
    if not several and scores is None:
        return False
    typed = [name for name, value in zip(_OF_COMPARISONS, others, strict=True) if value is not None]
    if typed:
        raise UserError(
            f"{', '.join(typed)}: {place} is no comparison of two arms.",
            f"Leave it out, or name a comparison: talan-eval report results/NAME {typed[0]} ...",
        )
    if scores is None:
        write_index(place, out, wanted)
    else:
        _report_scores(scores, wanted, out, explain=explain)
    return True


def _report_scores(scores: ArmScores, wanted: tuple[str, ...], out: Path | None, *, explain: bool) -> None:
    """Write the scores of one arm, of which there are fewer formats."""
    from talan_eval.report import scored  # noqa: PLC0415 - as above
    from talan_eval.report.scored import one_page  # noqa: PLC0415 - as above

    faces: Mapping[str, tuple[str, Callable[[], str]]] = {
        "md": ("report.md", lambda: scored.markdown(scores)),
        "csv": ("report.csv", lambda: scored.csv(scores)),
        "json": ("result.json", scores.to_json),
        "html": ("report.html", lambda: one_page.render(scores)),
    }
    for name in wanted:
        if name not in faces:
            raise UserError(
                f"The format {name} shows a comparison, and these are the scores of one arm.",
                f"Type one of --format {', '.join(faces)}; or compare: talan-eval compare-logs NAME=DIR NAME=DIR",
            )
    if not wanted:
        show_scores(terminal(), scores, explain=explain)
        return
    files = {faces[name][0]: faces[name][1]().encode("utf-8", "replace") for name in wanted}
    if out is None:
        _print_only(files)
    else:
        _write(files, out)


def _track(name: str, found: Result, home: Path) -> None:
    """Send numbers, and the curves of trainings, to a tracker."""
    from talan_eval.records.curves import read_curves  # noqa: PLC0415 - --help must not wait for it
    from talan_eval.trackers import reporter_named, send, send_curves  # noqa: PLC0415 - as above

    reporter = reporter_named(name)
    send(found, reporter)
    send_curves(read_curves(home), reporter, signature=found.signature)


def _home(result: Path) -> Path:
    return result if result.is_dir() else result.parent


def _names(given: str | None) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(name.strip() for name in (given or "").split(",") if name.strip()))
    if given is not None and not names:
        raise UserError("--format names no format.", "Type one, such as --format md")
    for name in names:
        if name not in (*_TEXTS, *_FIGURES, _SCORES):
            raise unknown_name("format", name, (*_TEXTS, *_FIGURES, _SCORES))
    return names


def _check(margin: float | None, gain: float, found: Result) -> None:
    """Refuse sizes that no difference has; only where scores have bounds do differences end."""
    low, high, unit = found.measure.lower, found.measure.upper, found.measure.unit
    most = math.inf if low is None or high is None else high - low
    size = f"between 0 and {most:g} {unit}" if most < math.inf else "a number above 0"
    refuse(
        UserError(f"The {name} {value:g} is not {size}.", f"Type --{name} 1.0")
        for name, value in (("margin", margin), ("gain", gain))
        if value is not None and not (0 <= value <= min(most, sys.float_info.max) and (value or name == "margin"))
    )


def _context(found: Result, directory: Path, wanted: tuple[str, ...], gain: float) -> Context:
    from talan_eval.pipeline.answers import read_flips  # noqa: PLC0415 - as above
    from talan_eval.planning.advice import advise, power_curves  # noqa: PLC0415 - as above
    from talan_eval.report.context import Context, Flips  # noqa: PLC0415 - as above

    rich = not _NEEDS_FLIPS.isdisjoint(wanted)
    return Context(
        advice=tuple(advise(found, gain, contrast) for contrast in found.contrasts),
        flips=read_flips(directory, found, with_questions="html" in wanted) if rich else Flips(),
        power=power_curves(found, (gain / 2, gain, 2 * gain)) if rich else (),
    )


def _render(found: Result, context: Context, wanted: tuple[str, ...], *, column: bool) -> Formats:
    from talan_eval.report import delimited, hub_card, latex, markdown, methods, plots  # noqa: PLC0415 - as above

    figures = None
    if not _NEEDS_FLIPS.isdisjoint(wanted):
        if not plots.available() and not set(_FIGURES).isdisjoint(wanted):
            raise lacking("Figures need matplotlib.", "plots")
        figures = plots.draw(found, context, column=column) if plots.available() else ()
    faces: Mapping[str, tuple[str, Callable[[], str]]] = {
        "md": ("report.md", lambda: markdown.render(found, context)),
        "tex": ("report.tex", lambda: latex.render(found, context)),
        "csv": ("report.csv", lambda: delimited.render(found)),
        "json": ("result.json", found.to_json),
        "html": ("report.html", lambda: _html(found, context, None if column else figures)),
        "card": ("model_card.md", lambda: hub_card.render(found)),
        "methods": ("methods.txt", lambda: methods.paragraph(found)),
        "bib": ("references.bib", lambda: methods.bibliography(found)),
    }
    files: Formats = {}
    for name in wanted:
        if name in faces:
            file, render = faces[name]
            files[file] = render().encode("utf-8", "replace")
        elif name in _FIGURES:
            files |= _figure_files(figures or (), name)
    if "tex" in wanted and "methods" in wanted:
        files["methods.tex"] = methods.latex_paragraph(found).encode()
    return files


def _html(found: Result, context: Context, figures: Sequence[Figure] | None) -> str:
    from talan_eval.report import plots  # noqa: PLC0415 - as above
    from talan_eval.report.page import render  # noqa: PLC0415 - as above

    narrow = plots.draw(found, context, column=True) if plots.available() else ()
    return render(found, context, figures, narrow)


def _figure_files(figures: Sequence[Figure], ending: str) -> Formats:
    faces = {"svg": lambda one: one.svg.encode(), "png": lambda one: one.png(), "pdf": lambda one: one.pdf()}
    return {f"{one.name}.{ending}": faces[ending](one) for one in figures}


def _print_only(files: Formats) -> None:
    if len(files) > 1:
        raise UserError(
            f"{len(files)} files cannot be printed at once.", "Name a directory for them, such as --out report/"
        )
    say_document(next(iter(files.values())))


def _write(files: Formats, out: Path) -> None:
    from talan_eval.store.atomic import atomic_write_bytes, make_directory  # noqa: PLC0415 - as above

    for name, content in files.items():
        make_directory((out / name).parent)
        atomic_write_bytes(out / name, content)
    several = sum(name.startswith(f"{_SCORES}/") for name in files)
    names = [name for name in files if not name.startswith(f"{_SCORES}/")]
    names += [f"{_SCORES}/ ({several} files)"] if several else []
    say(f"Written to {out}: {', '.join(names)}\n")
