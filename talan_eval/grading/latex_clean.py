r"""The same LaTeX for both readers of an answer: one way to write what people write in many.

Characters outside ASCII become commands or digits (full width, ``½``, ``²``, ``√``), spacing and fonts of single
letters go, ``\\[4pt]`` ends a row as ``\\`` does, ``aligned`` and its ``&`` are dropped, ``\langle 1,2\rangle``
becomes a vector in parentheses, labels ("Answer:") in front of an answer go, a degree sign inside a trigonometric
function becomes ``\cdot\pi/180``, and a repeating decimal (``0.1\overline{6}``) its fraction. Nothing here knows a
target.
"""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Final

from talan_eval.grading.latex_dialect import in_one_dialect
from talan_eval.grading.text import half_width

_CHARACTERS: Final = {
    "\u2212": "-",
    "\u2013": "-",
    "\u2010": "-",
    "\u2011": "-",
    "\u03c0": "\\pi ",
    "\u221e": "\\infty ",
    "\u2264": "\\le ",
    "\u2a7d": "\\le ",
    "\u2265": "\\ge ",
    "\u2a7e": "\\ge ",
    "\u2260": "\\ne ",
    "\u222a": "\\cup ",
    "\u2229": "\\cap ",
    "\u2208": "\\in ",
    "\u2205": "\\emptyset ",
    "\u211d": "\\mathbb{R}",
    "\u2124": "\\mathbb{Z}",
    "\u00b1": "\\pm ",
    "\u00d7": "\\times ",
    "\u00f7": "\\div ",
    "\u00b7": "\\cdot ",
    "\u22c5": "\\cdot ",
    "\u2248": "\\approx ",
    "\u2261": "\\equiv ",
    "\u27e8": "\\langle ",
    "\u27e9": "\\rangle ",
    "\u3008": "\\langle ",
    "\u3009": "\\rangle ",
    "\u3001": ",",
    "\u3002": ".",
    "\u00b0": "^\\circ ",
    "\u00a0": " ",
    "\u2009": " ",
    "\u202f": " ",
    "\u200b": "",
    "\u03b1": "\\alpha ",
    "\u03b2": "\\beta ",
    "\u03b8": "\\theta ",
    "\u03bb": "\\lambda ",
    "\u03c6": "\\varphi ",
    "\u0394": "\\Delta ",
    "\u2220": "\\angle ",
    "\u2032": "'",
}
_VULGAR: Final = {
    "\u00bd": (1, 2),
    "\u2153": (1, 3),
    "\u2154": (2, 3),
    "\u00bc": (1, 4),
    "\u00be": (3, 4),
    "\u2155": (1, 5),
    "\u2156": (2, 5),
    "\u2157": (3, 5),
    "\u2158": (4, 5),
    "\u2159": (1, 6),
    "\u215a": (5, 6),
    "\u215b": (1, 8),
    "\u215c": (3, 8),
    "\u215d": (5, 8),
    "\u215e": (7, 8),
}
_SUPERSCRIPTS: Final = str.maketrans(
    "\u2070\u00b9\u00b2\u00b3\u2074\u2075\u2076\u2077\u2078\u2079\u207a\u207b\u207f", "0123456789+-n"
)
_SUBSCRIPTS: Final = str.maketrans("\u2080\u2081\u2082\u2083\u2084\u2085\u2086\u2087\u2088\u2089", "0123456789")
_SUPERSCRIPT: Final = re.compile("[\u2070\u00b9\u00b2\u00b3\u2074-\u2079\u207a\u207b\u207f]+")
_SUBSCRIPT: Final = re.compile("[\u2080-\u2089]+")
_ROOT: Final = re.compile(r"\u221a\s?(?:\(([^()]{1,60})\)|([0-9]+|[A-Za-z]))")
_ARGUMENTS: Final = re.compile(r"\\(?:[dtc])?(frac|sqrt|binom)(?![A-Za-z])")
_ROOT_INDEX: Final = re.compile(r"\s*\[[^\[\]]{1,20}\]")
_COMMAND: Final = re.compile(r"\\(?:[A-Za-z]+|.)")
_BRACE: Final = re.compile(r"\\.|[{}]", re.DOTALL)
_ROW_SPACE: Final = re.compile(r"\\\\\s?\[\s?-?[0-9.]+\s?(?:pt|em|ex|mm|cm|in|px)\s?\]")
_ALIGNED: Final = re.compile(r"\\begin\s?\{(aligned|align\*?|gathered|split|alignedat)\}(.*?)\\end\s?\{\1\}", re.DOTALL)
_SYSTEM: Final = re.compile(r"\\begin\s?\{(cases)\}((?:[^&=\\]*=[^&=\\]*(?:\\\\)?)+)\\end\s?\{cases\}")
_LEFT_ANGLE: Final = re.compile(r"\\langle|\\left\s?<")
_STYLE: Final = re.compile(
    r"\\(?:displaystyle|textstyle|scriptstyle|limits|nolimits|thinspace|bf|bfseries|checkmark|,|;|!|:|>)(?![A-Za-z])|\\(?:hspace|vspace|phantom)\*?\s?\{[^{}]{0,20}\}"
    r"|\\(?:text)?color\s?\{[A-Za-z]{1,20}\}"
)
_SPACE: Final = re.compile(r"(?<!\\)\\(?: |\Z)|\\(?:quad|qquad|enspace)(?![A-Za-z])|~")
_LETTER_FONT: Final = re.compile(
    r"([\^_]\s?)?\\(?:mathrm|mathbf|mathit|mathsf|boldsymbol|bm|vec|text|textrm|textbf|textit)\s?\{\s?([A-Za-z]|-?[0-9]+(?:,[0-9]{3})*(?:\.[0-9]+)?)\s?\}"
)
_GROUPED_ARGUMENT: Final = re.compile(r"(?<=[{ ])[0-9]{1,3}(?:,[0-9]{3}){1,9}(?=\s?\})")
_TEXT_WORDS: Final = re.compile(r"\\(?:text|mbox|textrm)\s?\{[^{}]*\}")
_FILLERS: Final = re.compile(r"(?<![A-Za-z])(?:the|all|an)[ ]")
_TEXT_NUMBER: Final = re.compile(r"\A\s*\\(?:text(?:rm|bf|it|normal)?|mbox|mathrm|mathbf|textsf)\s?\{([^{}]*)\}\s*\Z")
_TEXT_LABEL: Final = re.compile(
    r"\A\s*\\(?:text(?:rm|bf|it)?|mbox|mathrm|mathbf)\s?\{"
    r"\s*(?:[A-Za-z][A-Za-z ']{0,40}?(?::|\bis:?)|(?i:so|thus|hence|therefore),?)\s*\}\s*:?\s*(?=\S)"
)
_COLON_BEHIND: Final = re.compile(
    r"\A\s*\\(?:text(?:rm|bf|it)?|mbox|mathrm|mathbf)\s?\{"
    r"\s*(?i:(?:the )?(?:final )?(?:answer|solution|result))\s*\}\s*(?::|=|\\text\s?\{\s*is:?\s*\})\s*(?=\S)"
)
_BARE_LABEL: Final = re.compile(
    r"\A\s*(?i:(?:the )?(?:final )?(?:answer|solution|result)s?\s*(?::|\bis\b:?|=))\s*(?=\S)"
)
_ONLY: Final = re.compile(
    r"\A\s*\\(?:text(?:rm|bf|it)?|mbox|mathrm)\s?\{\s*(?i:only|exactly|just|precisely|a total of)\s*\}\s*(?=[-0-9\\$])"
)
_MINUS: Final = re.compile(r"\A\s*\\(?:text(?:rm|bf|it)?|mbox|mathrm)\s?\{\s*(?i:minus|negative)\s*\}\s*(?=[0-9\\])")
_EXPONENT: Final = re.compile(r"(?<![A-Za-z0-9.\\])([0-9]+(?:\.[0-9]+)?)[eE]([-+]?[0-9]{1,3})(?![0-9A-Za-z.^])")
_SET_BUILDER: Final = re.compile(
    r"\A\s*(?:\\left\s?)?\\\{\s*(?P<unknown>[a-z])\s*(?:\\in\s*(?:\\mathbb\s*\{?\s*R\s*\}?|\\R(?![a-z])))?"
    r"\s*(?:\\mid(?![a-z])|\\middle\s?\||\\[mr]?vert(?![a-z])|\||:|\\text\s?\{\s*such that\s*\})\s*"
    r"(?P<condition>[^{}]*?(?:\{[^{}]*\}[^{}]*?){0,8}?)(?:,\s*(?P=unknown)\s*\\in\s*\\mathbb\s*\{\s*R\s*\})?"
    r"\s*(?:\\right\s?)?\\\}\s*\Z",
    re.DOTALL,
)
_RELATION: Final = re.compile(r"<|>|\\(?:le|ge|ne|lt|gt|leq|geq|neq|leqslant|geqslant|in)(?![A-Za-z])")
_TRIGONOMETRIC: Final = re.compile(r"\\?(?:sin|cos|tan|cot|sec|csc|cis)(?![a-z])|e\s?\^")
_DEGREES_INSIDE: Final = re.compile(
    r"(\\frac\s?\{[0-9]+\}\{[0-9]+\}|[0-9]+(?:\.[0-9]+)?)\s?\}?\s?\^\s?\{?\s?(?:\\circ(?![A-Za-z]))\s?\}?"
)
_BARE_FUNCTION: Final = re.compile(
    r"(?<![\\A-Za-z])(sin|cos|tan|cot|sec|csc|exp|ln|log|sqrt|pi|infty|infinity)(?![A-Za-z])"
)
_ROOT_IN_BRACKETS: Final = re.compile(r"\\sqrt\s*\(([^()]{1,60})\)")
_POWER_IN_BRACKETS: Final = re.compile(r"\^\s?\(([^()]{1,40})\)")
_REPEATING: Final = re.compile(r"(?<![0-9.])([0-9]{0,9})\.([0-9]{0,9})\\overline\s?\{?\s?([0-9]{1,9})\s?\}?")
_GROUPED: Final = re.compile(r"\A\s*[-+]?[0-9]{1,3}(?:(?:,|\{,\}| )[0-9]{3}(?![0-9])){1,12}(?:\.[0-9]+)?\s*\Z")
_DOLLARS: Final = re.compile(r"\A\s*(?:\$\$?|\\\(|\\\[)(?P<inner>.*?)(?:\$\$?|\\\)|\\\])[.\s]*\Z", re.DOTALL)
_GROUP_MARK: Final = re.compile(r"(?<=[0-9])\s?(?:,\s?\\!|\\,|\\!|\{,\}|\{,\s?\}|\{ ,\s?\})\s?(?=[0-9]{3}(?![0-9]))")
_SLASHED_COMMAND: Final = re.compile(
    r"\\\\(?=(?:frac|dfrac|sqrt|pi|le|ge|leq|geq|text|cup|infty|left|right|cdot|times|pm)(?![A-Za-z]))"
)


def clean(latex: str) -> str:
    """Return an answer in the one way to write it; see the module's text."""
    text = _characters(latex)
    wrapped = _DOLLARS.match(text)
    if wrapped is not None and "$" not in wrapped["inner"]:
        text = wrapped["inner"]
    text = in_one_dialect(text)
    text = _ROW_SPACE.sub(r"\\\\", text)
    text = text.replace("\\left<", "\\langle ").replace("\\right>", "\\rangle ")
    if "matrix" not in text and "array" not in text and "cases" not in text:
        text = _SLASHED_COMMAND.sub(r"\\", text)
    text = _SYSTEM.sub(_rows_listed, _ALIGNED.sub(_rows_listed, text))
    text = re.sub(r"\\left\s?(?=\\langle)|\\right\s?(?=\\rangle)", "", text)
    text = re.sub(r"\\langle(?![A-Za-z])((?:[^\\]|\\(?!rangle|langle))*)\\rangle(?![A-Za-z])", r"(\1)", text)
    text = _GROUP_MARK.sub(",", text)
    text = _STYLE.sub(" ", text)
    text = _SPACE.sub(" ", text)
    text = _LETTER_FONT.sub(_letter, text)
    text = _GROUPED_ARGUMENT.sub(lambda number: number.group().replace(",", ""), text)
    text = _TEXT_WORDS.sub(lambda words: _FILLERS.sub("", words.group()), text)
    text = _unlabelled(text)
    text = _POWER_IN_BRACKETS.sub(r"^{\1}", _REPEATING.sub(_repeating, text))
    if _TRIGONOMETRIC.search(text) is not None:
        text = _DEGREES_INSIDE.sub(r"\\frac{\1\\pi}{180}", text)
    text = _BARE_FUNCTION.sub(lambda word: "\\" + {"infinity": "infty"}.get(word[1], word[1]) + " ", text)
    text = _ROOT_IN_BRACKETS.sub(r"\\sqrt{\1}", text)
    text = braced(text)
    text = _EXPONENT.sub(r"\1\\cdot 10^{\2}", text)
    builder = _SET_BUILDER.match(text)
    if builder is not None and _RELATION.search(builder["condition"]) and builder["unknown"] in builder["condition"]:
        text = builder["condition"]
    if _GROUPED.match(text):
        text = re.sub(r",|\{,\}| ", "", text)
    return text.strip()


def braced(latex: str) -> str:
    r"""Return a text in which ``\frac`` and ``\sqrt`` have arguments in braces: ``\frac12`` is ``\frac{1}{2}``."""
    for command in reversed(list(_ARGUMENTS.finditer(latex))):
        position, arguments = command.end(), []
        root = _ROOT_INDEX.match(latex, position) if command[1] == "sqrt" else None
        if root is not None:
            position = root.end()
        for _ in range(1 if command[1] == "sqrt" else 2):
            start, end = _argument(latex, position)
            if end <= start:
                break
            bare = latex[start:end]
            arguments.append(bare if bare.startswith("{") else f"{{{bare}}}")
            position = end
        name = f"\\{command[1]}"
        latex = (
            latex[: command.start()]
            + name
            + (root.group().strip() if root else "")
            + "".join(arguments)
            + latex[position:]
        )
    return latex


def _argument(latex: str, position: int) -> tuple[int, int]:
    """Return where the argument at a position begins and ends: a group, a command with its groups, or one character."""
    while position < len(latex) and latex[position].isspace():
        position += 1
    command = _COMMAND.match(latex, position)
    if command is None:
        end = _group_end(latex, position) if latex[position : position + 1] == "{" else position + 1
        return position, min(end, len(latex))
    end = command.end()
    while latex[end : end + 1] == "{":
        end = _group_end(latex, end)
    return position, end


def _group_end(latex: str, start: int) -> int:
    depth = 0
    for brace in _BRACE.finditer(latex, start):
        depth += {"{": 1, "}": -1}.get(brace.group(), 0)
        if depth == 0:
            return brace.end()
    return len(latex)


def is_vector(latex: str) -> bool:
    r"""Tell whether an answer is written with ``\langle`` and ``\rangle``."""
    return _LEFT_ANGLE.search(latex) is not None or "\u27e8" in latex


def _characters(latex: str) -> str:
    text = half_width(latex)
    if text.isascii():
        return text
    for sign, (top, bottom) in _VULGAR.items():
        text = text.replace(sign, f"\\frac{{{top}}}{{{bottom}}}")
    text = _SUPERSCRIPT.sub(lambda run: f"^{{{run.group().translate(_SUPERSCRIPTS)}}}", text)
    text = _SUBSCRIPT.sub(lambda run: f"_{{{run.group().translate(_SUBSCRIPTS)}}}", text)
    text = _ROOT.sub(lambda root: f"\\sqrt{{{root[1] or root[2]}}}", text)
    for character, command in _CHARACTERS.items():
        text = text.replace(character, command)
    return text


def _rows_listed(block: re.Match[str]) -> str:
    rows = [row.replace("&", " ").strip() for row in block[2].split("\\\\")]
    return ", ".join(row for row in rows if row)


def _unlabelled(text: str) -> str:
    r"""Return an answer without "Answer:" in front of it, and without ``\text{}`` around a number."""
    text = _MINUS.sub("-", _ONLY.sub("", text))
    for pattern in (_TEXT_LABEL, _COLON_BEHIND, _BARE_LABEL):
        text = pattern.sub("", text)
    whole = _TEXT_NUMBER.match(text)
    if whole is not None:
        inner = _BARE_LABEL.sub("", whole[1]).strip()
        if inner[:1].isdigit() or (inner[:1] in "-.$\\" and inner[1:2].isdigit()):
            return inner
    return text


def _letter(match: re.Match[str]) -> str:
    return f"{match[1].strip()}{{{match[2]}}}" if match[1] else f" {match[2]}"


def _repeating(match: re.Match[str]) -> str:
    whole, fixed, repeated = match[1] or "0", match[2], match[3]
    scale = 10 ** len(fixed)
    value = Fraction(int(whole + fixed), scale) + Fraction(int(repeated), scale * (10 ** len(repeated) - 1))
    return f"\\frac{{{value.numerator}}}{{{value.denominator}}}"
