r"""The tables in LaTeX, for booktabs: a fragment to \input, with every name escaped."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from talan_eval.report import format as fmt
from talan_eval.report import wording
from talan_eval.report.clean import one_line
from talan_eval.report.columns import adjusted_p, shown_lines
from talan_eval.report.context import Context
from talan_eval.report.contrast_tables import main_table
from talan_eval.report.layout import closing, details, overview
from talan_eval.report.next_steps import margin_note
from talan_eval.report.selection_words import selection
from talan_eval.report.view import views
from talan_eval.result.restated import readable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from talan_eval.report.layout import ReportTable
    from talan_eval.report.table import Table
    from talan_eval.report.view import View
    from talan_eval.result.schema import Result

_SPECIAL: Final = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "%": r"\%",
    "_": r"\_",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    "`": r"\textasciigrave{}",
    "[": "{[}",
    "*": "{*}",
    "]": "{]}",
    "±": r"$\pm$",
}
_MINUS: Final = re.compile(r"(?<![\w.{}-])-(?=\d)")
_LIGATURE: Final = re.compile(r"([-'])(?=\1)")  # "--" and "''" would be set as one other character
_PREAMBLE: Final = r"""% Input this file; it needs, in the preamble:
%   \usepackage[T1]{fontenc}
%   \usepackage{booktabs,textcomp}
% The first table is for the paper, those below the line "Appendix" for its appendix."""
_APPENDIX: Final = "% ---- Appendix: every column"
CONTINUED: Final = " (continued)"
"""Ends the caption of a table's second and further parts."""
_ROOM: Final = 86  # characters of \\footnotesize in 5.5 inches, the narrowest page that is common
_GAP: Final = 2  # two times \\tabcolsep, as set below, in such characters


def render(result: Result, context: Context | None = None) -> str:
    r"""Render a comparison's tables.

    Args:
        result: The published result.
        context: What else is known.

    Returns:
        ASCII text. First, for the paper, of each contrast a table of seven columns whose caption says what was tested,
        ``tab:main``; then all tables with every column: with several contrasts their matrix and the arms; of each
        contrast main table (``tab:main-all``), slices, backbones by benchmarks, seeds, pairs and items; cost; each with
        a label, a signature, and the notes below the first main one. A table that is wider than a page goes on in
        further ones. Labels of further contrasts end in their number, as in ``tab:main-2``.
    """
    result = readable(result)
    every = views(result, Context() if context is None else context)
    said = (*wording.notes(every), *margin_note(every))
    notes = " ".join(f"\\textbf{{{escape(note.label)}}}: {escape(note.text)}" for note in said)
    blocks = [_for_paper(view) for view in every]
    blocks.append(_APPENDIX)
    blocks += [_block(part, part.key, result) for part in overview(every)]
    if chosen := selection(result):
        blocks.append("\n".join(map(escape, chosen)))
    blocks += [block for view in every for block in _contrast(view, "" if view.place else notes)]
    blocks += [_block(part, part.key, result) for part in closing(result)]
    return "\n\n".join((_PREAMBLE, f"% {_comment(wording.headline(every[0]))}", *blocks)) + "\n"


def _for_paper(view: View) -> str:
    """Return the main table with the columns that a paper has room for."""
    model = main_table(view)
    keep = [index for index, column in enumerate(model.columns) if _of_paper(column.name, view)]
    rows = tuple(tuple(row[index] for index in keep) for row in model.rows)
    short = replace(model, columns=tuple(model.columns[index] for index in keep), rows=rows)
    label = f"tab:main-{view.place + 1}" if view.place else "tab:main"
    return _table(short, label, view.result.signature, caption=f"{short.title}. {wording.what_was_tested(view)}")


def _of_paper(name: str, view: View) -> bool:
    estimand = view.mean.verdict_estimand
    p = "adjusted p" if any(adjusted_p(line) is not None for line in shown_lines(view)) else f"{estimand} p"
    level = fmt.percent(1 - view.alpha)
    return name in {"benchmark", "base mean", "treat mean", "delta", f"{estimand} {level} CI", p, "verdict"}


def _contrast(view: View, notes: str) -> Iterator[str]:
    for part in details(view):
        key = "main-all" if part.key == "main" else part.key
        label = f"{key}-{view.place + 1}" if view.place else key
        yield _block(part, label, view.result, notes if part.key == "main" else "")


def _block(part: ReportTable, label: str, result: Result, notes: str = "") -> str:
    below = " ".join(text for text in (escape(part.below), notes) if text)
    return table(part.table, f"tab:{label}", result.signature, below)


def table(model: Table, label: str, signature: str, below: str = "") -> str:
    """Render one table; where it is wider than a page, in parts that each have its first column.

    Args:
        model: The table.
        label: LaTeX label; those of further parts end in a letter.
        signature: The result's signature, set below the table.
        below: LaTeX text between the last part and its signature.
    """
    parts = [*_parts(model)]
    return "\n\n".join(
        _table(
            part,
            label if place == 0 else f"{label}-{chr(ord('a') + place)}",
            signature,
            below if place == len(parts) - 1 else "",
            caption=model.title if place == 0 else f"{model.title}{CONTINUED}",
        )
        for place, part in enumerate(parts)
    )


def _parts(model: Table) -> Iterator[Table]:
    """Yield a table in parts that fit the page, with names of columns on one line."""
    on_one_line = replace(model, columns=tuple(replace(column, header=(column.name,)) for column in model.columns))
    kept = [column.name for column in model.columns]
    for part in on_one_line.blocks(_ROOM, _GAP):
        names = [column.name for column in part.columns]
        yield replace(part, columns=tuple(model.columns[kept.index(name)] for name in names))


def _table(model: Table, label: str, signature: str, below: str = "", *, caption: str) -> str:
    header = " & ".join(escape(column.name) for column in model.columns)
    spec = "".join("l" if column.align == "left" else "r" for column in model.columns)
    rows = [f"{' & '.join(map(_lines, row))} \\\\" for row in model.texts()]
    if model.summary:
        rows.insert(len(rows) - 1, r"\midrule")
    notes = (
        f"\\par\\smallskip\\begin{{minipage}}{{\\linewidth}}\\scriptsize {below}\\end{{minipage}}\n" if below else ""
    )
    return (
        "\\begin{table*}[htbp]\n\\centering\\footnotesize\\setlength{\\tabcolsep}{4pt}\n"
        f"\\caption{{{escape(caption)}}}\n\\label{{{label}}}\n"
        f"\\begin{{tabular}}{{@{{}}{spec}@{{}}}}\n\\toprule\n{header} \\\\\n\\midrule\n"
        + "\n".join(rows)
        + f"\n\\bottomrule\n\\end{{tabular}}\n{notes}"
        f"\\par\\smallskip\\begin{{minipage}}{{\\linewidth}}\\tiny\\ttfamily\\raggedright {_signature(signature)}"
        "\\end{minipage}\n\\end{table*}"
    )


def _lines(text: str) -> str:
    """Return the text of a cell, its lines one above the other."""
    lines = [escape(line) for line in text.split(fmt.BREAK)]
    stacked = " \\\\ ".join(lines)
    return stacked if len(lines) == 1 else f"\\shortstack[r]{{{stacked}}}"


def escape(text: str) -> str:
    """Escape text so that LaTeX sets it as it is; the result is ASCII without line breaks.

    Accented Latin letters become accent commands; any other character outside ASCII is named by its code point, because
    whether a font has it is not known here.
    """
    marked = "".join(map(_character, one_line(text)))
    return _MINUS.sub("$-$", _LIGATURE.sub(r"\1{}", marked))


def _character(char: str) -> str:
    if char in _SPECIAL:
        return _SPECIAL[char]
    if char.isascii():
        return char
    base, *marks = list(unicodedata.normalize("NFD", char))
    accents = {
        "\u0300": "`",
        "\u0301": "'",
        "\u0302": "^",
        "\u0303": "~",
        "\u0308": '"',
        "\u0327": "c ",
        "\u030c": "v ",
    }
    if len(marks) == 1 and marks[0] in accents and base.isascii() and base.isalpha():
        return f"\\{accents[marks[0]]}{{{base}}}"
    return f"\\texttt{{U+{ord(char):04X}}}"


def _signature(text: str) -> str:
    return re.sub(r"(\\textbar\{\}|\+|,)", r"\1\\allowbreak{}", escape(text))


def _comment(text: str) -> str:
    return one_line(text).encode("ascii", "replace").decode("ascii")
