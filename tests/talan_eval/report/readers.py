"""Read reports back: each format into tables of text, and text into numbers with the accuracy of what was printed."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import dataclass

import html5lib
from markdown_it import MarkdownIt
from rich.console import Console

from talan_eval.report import delimited, latex, markdown, piped
from talan_eval.report.page import render as page
from talan_eval.report.terminal import TerminalReport

NUMBER = re.compile(r"[+-]?\d[\d,]*(?:\.\d+)?(?:e[+-]?\d+)?")
UNESCAPED = {
    r"\textbackslash{}": "\\", r"\textless{}": "<", r"\textgreater{}": ">", r"\textbar{}": "|", r"$\pm$": "±",
    r"\textasciicircum{}": "^", r"\textasciitilde{}": "~", "$-$": "-", "{[}": "[", "{]}": "]", "{*}": "*",
    r"\_": "_", r"\%": "%", r"\&": "&", r"\#": "#", r"\$": "$", r"\{": "{", r"\}": "}",
}  # fmt: skip


@dataclass(frozen=True)
class Read:
    """A table as somebody reads it; lines of a cell are joined by a line break."""

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def column(self, name):
        return [row[self.header.index(name)] for row in self.rows]


def read_html(html):
    tree = html5lib.parse(html, namespaceHTMLElements=False)
    found = []
    for place in tree.iter():
        if place.tag in {"h1", "h2", "h3", "summary"}:
            title = text_of(place)
        elif place.tag == "table":
            header = tuple(text_of(cell) for cell in place.find("thead").iter("th"))
            rows = [
                tuple(text_of(cell) for cell in row if cell.tag in {"th", "td"})
                for part in place if part.tag in {"tbody", "tfoot"} for row in part
            ]  # fmt: skip
            found.append(Read(title, header, tuple(rows)))
    return found


def text_of(element):
    parts = [element.text or ""]
    for child in element:
        parts += ["\n" if child.tag == "br" else text_of(child), child.tail or ""]
    return "\n".join(line.strip() for line in "".join(parts).split("\n")).strip()


def read_markdown(text):
    return read_html(MarkdownIt("gfm-like", {"linkify": False, "html": True}).render(text))


def read_latex(text):
    """Read the tables with every column; parts of one that went on are put together again."""
    found = {}
    for one in latex_tables(text.partition("% ---- Appendix")[2]):
        title = one.title.removesuffix(latex.CONTINUED)
        before = found.get(title)
        if before is None:
            found[title] = one
        else:
            rows = [(*old, *new[1:]) for old, new in zip(before.rows, one.rows, strict=True)]
            found[title] = Read(title, (*before.header, *one.header[1:]), tuple(rows))
    return [*found.values()]


def latex_tables(text):
    found = []
    pattern = (
        r"\\caption\{(?P<title>[^\n]*)\}\n\\label.*?\\toprule\n"
        r"(?P<header>.*?) \\\\\n\\midrule\n(?P<body>.*?)\n\\bottomrule"
    )
    for match in re.finditer(pattern, text, re.DOTALL):
        lines = [line for line in match["body"].splitlines() if line != r"\midrule"]
        assert all(line.endswith(r" \\") for line in lines)
        rows = [tuple(map(unescaped, line.removesuffix(r" \\").split(" & "))) for line in lines]
        header = tuple(map(unescaped, match["header"].split(" & ")))
        found.append(Read(unescaped(match["title"]), header, tuple(rows)))
    return found


def unescaped(text):
    if match := re.fullmatch(r"\\shortstack\[r\]\{(.*)\}", text):
        return "\n".join(unescaped(line) for line in match[1].split(r" \\ "))
    return re.sub("|".join(map(re.escape, sorted(UNESCAPED, key=len, reverse=True))), lambda m: UNESCAPED[m[0]], text)


def read_terminal(result, width=700):
    """Read every table of the terminal report; headings of several lines come back as one."""
    console = Console(file=io.StringIO(), width=width, color_system=None)
    console.print(TerminalReport(result))
    lines = [line.rstrip() for line in console.file.getvalue().splitlines()]
    groups = [group.splitlines() for group in re.split(r"\n{2,}", "\n".join(lines)) if group.strip()]
    found = []
    for group in groups:
        rule = next((place for place, line in enumerate(group) if re.fullmatch("─+", line.strip())), None)
        cells = [re.split(r" {2,}", line.strip()) for line in group[0 if rule is None else rule + 1 :]]
        if rule is not None:
            found.append((group[0], " ".join(group[1:rule]), stacked(cells)))
        elif found and found[-1][2] and len(cells[0]) == len(found[-1][2][0]) > 2:
            # an empty line stands before a summary and between tall rows; notes have two columns
            found[-1] = (*found[-1][:2], [*found[-1][2], *stacked(cells)])
    return found


def read_pipe(result):
    """Read every table of the report for a pipe, in the same form as from the terminal."""
    groups = [group.split("\n") for group in piped.render(result).split("\n\n")]
    tables = [group for group in groups if len(group) > 1 and "\t" in group[1] and "\t" not in group[0]]
    return [
        (title, heading, [tuple(cell.replace(" | ", "\n") for cell in row.split("\t")) for row in rows])
        for title, heading, *rows in tables
    ]


def stacked(block):
    if len(block) > 1 and len(block[1]) == len(block[0]) - 1:  # a tall row: its name is on the first line alone
        first, *others = block
        values = zip(first[1:], *others, strict=True)
        return [(first[0], *("\n".join(parts) for parts in values))]
    return [tuple(row) for row in block]


def read_csv(result):
    return list(csv.DictReader(io.StringIO(delimited.render(result), newline="")))


def every_face(result, context):
    """Return the tables of each format that has all of them, by the format's name."""
    return {
        "markdown": read_markdown(markdown.render(result, context)),
        "latex": read_latex(latex.render(result, context)),
        "html": read_html(page(result, context, figures=())),
    }


def agrees(text, value):
    """Return whether a printed text is a value within the accuracy with which it was printed."""
    if value is None:
        return text == "n/a"
    if isinstance(value, str):
        return text == value
    numbers = [number for number in (value if isinstance(value, tuple | list) else (value,)) if number is not None]
    bare = text.removeprefix("p ").removeprefix("= ")
    if bare.startswith("<"):
        return len(numbers) == 1 and numbers[0] < float(bare.removeprefix("<").strip())
    printed = NUMBER.findall(bare)
    return len(printed) == len(numbers) and all(map(_close, printed, numbers))


def _close(printed, number):
    digits = printed.replace(",", "")
    mantissa, _, power = digits.partition("e")
    decimals = len(mantissa.partition(".")[2]) - int(power or 0)
    return abs(float(digits) - number) <= 0.5000001 * 10.0**-decimals
