r"""The tables in LaTeX, for booktabs: a fragment to \input, with every name escaped."""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING, Final

from talan_eval.report import format as fmt
from talan_eval.report import wording
from talan_eval.report.clean import one_line
from talan_eval.report.context import Context
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
%   \usepackage{booktabs,graphicx,textcomp}"""


def render(result: Result, context: Context | None = None) -> str:
    r"""Render a comparison's tables.

    Args:
        result: The published result.
        context: What else is known.

    Returns:
        ASCII text with one ``table`` per table: with several contrasts their matrix and the arms; of each contrast main
        table, slices, paper table, seeds, pairs and items; cost; each with a label, a signature, and the notes below
        the first main one. Labels of further contrasts end in their number, as in ``tab:main-2``.
    """
    result = readable(result)
    every = views(result, Context() if context is None else context)
    said = (*wording.notes(every), *margin_note(every))
    notes = " ".join(f"\\textbf{{{escape(note.label)}}}: {escape(note.text)}" for note in said)
    blocks = [_block(part, part.key, result) for part in overview(every)]
    if chosen := selection(result):
        blocks.append("\n".join(map(escape, chosen)))
    blocks += [block for view in every for block in _contrast(view, "" if view.place else notes)]
    blocks += [_block(part, part.key, result) for part in closing(result)]
    return "\n\n".join((_PREAMBLE, f"% {_comment(wording.headline(every[0]))}", *blocks)) + "\n"


def _contrast(view: View, notes: str) -> Iterator[str]:
    for part in details(view):
        label = f"{part.key}-{view.place + 1}" if view.place else part.key
        yield _block(part, label, view.result, notes if part.key == "main" else "")


def _block(part: ReportTable, label: str, result: Result, notes: str = "") -> str:
    below = " ".join(text for text in (escape(part.below), notes) if text)
    return table(part.table, f"tab:{label}", result.signature, below)


def table(model: Table, label: str, signature: str, below: str = "") -> str:
    """Render one table, shrunk to the line where it is wider.

    Args:
        model: The table.
        label: LaTeX label.
        signature: The result's signature, set below the table.
        below: LaTeX text between table and signature.
    """
    header = " & ".join(escape(column.name) for column in model.columns)
    spec = "".join("l" if column.align == "left" else "r" for column in model.columns)
    rows = [f"{' & '.join(map(_lines, row))} \\\\" for row in model.texts()]
    if model.summary:
        rows.insert(len(rows) - 1, r"\midrule")
    notes = (
        f"\\par\\smallskip\\begin{{minipage}}{{\\linewidth}}\\scriptsize {below}\\end{{minipage}}\n" if below else ""
    )
    return (
        "\\begin{table}[htbp]\n\\centering\\small\n"
        f"\\caption{{{escape(model.title)}}}\n\\label{{{label}}}\n"
        "\\resizebox{\\ifdim\\width>\\linewidth\\linewidth\\else\\width\\fi}{!}{%\n"
        f"\\begin{{tabular}}{{{spec}}}\n\\toprule\n{header} \\\\\n\\midrule\n"
        + "\n".join(rows)
        + f"\n\\bottomrule\n\\end{{tabular}}}}\n{notes}"
        f"\\par\\smallskip\\begin{{minipage}}{{\\linewidth}}\\tiny\\ttfamily\\raggedright {_signature(signature)}"
        "\\end{minipage}\n\\end{table}"
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
