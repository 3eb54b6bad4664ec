r"""What models write that says nothing, and other spellings of what ``talan_eval.grading.latex_clean`` reads.

Sizes, labels, ticks and signs of a proof's end go; so do fonts around a whole group (``\boldsymbol{\frac12}``) and a
sign that leads over to the answer (``\therefore``). ``{\rm cm}`` is ``\text{cm}``, ``\nicefrac34`` a fraction,
``\mathrm{arctan}`` and ``\arctg`` are functions, ``x := 5`` is ``x = 5``, ``]1,2[`` is ``(1,2)``, ``(1,2)^T`` a column,
``<1,2>`` a vector, ``\text{all real numbers}`` is ``\mathbb{R}``, and the repeating decimals
``0.\dot{3}``, ``0.(3)`` and ``0.333\ldots`` are written with ``\overline``. Nothing here knows a target.
"""

from __future__ import annotations

import re
from typing import Final

_ENTITIES: Final = (("&lt;", "<"), ("&gt;", ">"), ("&le;", "\\le "), ("&ge;", "\\ge "), ("&nbsp;", " "), ("&amp;", "&"))
_SPELLED: Final = (
    (re.compile(r"\\(?:nice|s|x|flat)frac(?![A-Za-z])"), r"\\frac"),
    (re.compile(r"\\cr(?![A-Za-z])"), r"\\\\"),
    (re.compile(r"\{([pb])smallmatrix\}"), r"{\1matrix}"),
    (re.compile(r"\{smallmatrix\}"), "{matrix}"),
    (re.compile(r":=|\\coloneqq(?![A-Za-z])"), "="),
    (re.compile(r"=<(?![^<>]*>)"), r"\\le "),
    (re.compile(r"\\(?:backslash|smallsetminus)(?![A-Za-z])"), r"\\setminus "),
    (re.compile(r"\\in\s*\\mathbf\s?\{\s*R\s*\}"), r"\\in \\mathbb{R}"),
    (re.compile(r"(\\mathbb\s?\{?\s*R\s*\}?)\s*-\s*(?=\\\{)"), r"\1\\setminus "),
    (re.compile(r"(?<=[0-9)}])\s*\\ast(?![A-Za-z])\s*(?=[0-9(\\])"), r"\\cdot "),
    (re.compile(r"(?<=[0-9A-Za-z)])\s?\*\*\s?(-?[0-9]{1,6}|[A-Za-z])"), r"^{\1}"),
    (re.compile("[\u2044\u2215]"), "/"),
    (re.compile("\u221b\\s?([0-9]+|[A-Za-z])"), r"\\sqrt[3]{\1}"),
    (re.compile(r"\\text\s?\{\s*:\s*\}"), ":"),
    (re.compile(r"\\text\s?\{\s*(?:\^\\circ|\u00b0)\s?([CF])?\s*\}"), r"^\\circ \\text{\1}"),
    (re.compile(r"\A\s*\^\s?\{?([0-9]+)\}?\s?/\s?_\s?\{?([0-9]+)\}?\s*\Z"), r"\\frac{\1}{\2}"),
)
_NOTHING: Final = re.compile(
    r"\\(?:tiny|scriptsize|footnotesize|small|normalsize|large|Large|LARGE|huge|Huge|hfill|nonumber|notag)(?![A-Za-z])"
    r"|\\(?:label|tag\*?)\s?\{[^{}]{0,40}\}|\\left\s?\.|\\right\s?\."
    r"|(?:\\text\s?\{\s*)?[\u2713\u2714\u2705\u2611]\ufe0f?(?:\s*\})?"
)
_AT_END: Final = re.compile(r"(?<![\s&])(?:\s|\\,|\\ |\\quad|&|\\\\|\\(?:blacksquare|square|Box|qed)(?![A-Za-z]))+\Z")
_AT_START: Final = re.compile(
    r"\A(?:\s|&|\\\\(?=[\s0-9(-])|\\(?:therefore|because|implies|Rightarrow|Longrightarrow)(?![A-Za-z]))+"
)
_FOR: Final = re.compile(r"\A\s*\\(?:text|mbox)\s?\{\s*(?i:for|when|if)\s*\}\s*(?=[a-z\\])")
_AROUND: Final = re.compile(
    r"(?<![\^_])(?<![\^_]\s)\\(?:underline|emph|ensuremath|smash|mathop|mathtt|texttt|boldsymbol|bm|pmb)\s?(?=\{)"
)
_OLD_FONT: Final = re.compile(r"\{\s*\\(?:rm|bf|it|sf|tt)(?![A-Za-z])(?:\s|\\ )*([^{}\\]{1,60})\}")
_OLD_FONT_TO_END: Final = re.compile(r"\\rm\s+([A-Za-z][A-Za-z ./]{0,40})\Z")
_FUNCTION: Final = re.compile(
    r"\\(?:operatorname\*?|mathrm|text(?:rm)?|mathop|mbox)\s?\{\s*(arc(?:sin|cos|tan|cot|tg)|(?:sin|cos|tan)h?|cot|csc|ln|log|lg|exp|c?tg)\s*\}"
)
_OTHER_NAME: Final = re.compile(r"\\(arctg|ctg|tg|lg)(?![A-Za-z])")
_NAMES: Final = {"tg": "\\tan ", "ctg": "\\cot ", "arctg": "\\arctan ", "lg": "\\log_{10} "}
_TRANSPOSED: Final = re.compile(
    r"\A\s*(?:[(\[]|\\begin\s?\{[pb]matrix\})(?P<entries>[^()\[\]\\]*(?:\\(?!begin|end|\\)[^()\[\]\\]*)*?)"
    r"(?:[)\]]|\\end\s?\{[pb]matrix\})\s*\^\s*\{?\s*(?:T|\\top|\\intercal|\\mathsf\s?\{?T\}?|\\mathrm\s?\{?T\}?)\s*\}?\s*\Z"
)
_ANGLED: Final = re.compile(r"\A\s*<([^<>=]*,[^<>=]*)>\s*\Z")
_ONE_COLUMN: Final = re.compile(
    r"\A\s*\\begin\s?\{array\}\s?\{\s*[lcr]\s*\}([^&\\]*(?:\\(?!begin|end)[^&][^&\\]*)*)\\end\s?\{array\}\s*\Z"
)
_REALS: Final = re.compile(
    r"\A\s*(?:\\(?:text|mbox|mathrm)\s?\{)?\s*(?i:all|any|every)\s+(?i:reals?)(?:\s+(?i:numbers?|values?))?"
    r"(?:\s+(?i:of)\s+[a-z])?\s*\}?[\s.]*\Z"
)
_DOTTED: Final = re.compile(
    r"(?<![0-9.])([0-9]{0,9}\.[0-9]{0,9})\\dot\s?\{?\s?([0-9])\s?\}?(?:([0-9]{0,9})\\dot\s?\{?\s?([0-9])\s?\}?)?"
)
_IN_BRACKETS: Final = re.compile(r"(?<![0-9.])([0-9]{1,9}\.)\(([0-9]{1,9})\)(?![0-9^])")
_GOES_ON: Final = re.compile(
    r"(?<![0-9.])([0-9]{0,9}\.[0-9]{0,9}?)(?:([0-9])\2{2,}|([0-9]{2,6})\3+)(?:\\[lc]?dots[cb]?(?![A-Za-z])|\.\.\.|\u2026)\s*\Z"
)
_REVERSED: Final = re.compile(r"([\]\[])([^\[\]()]*?[^\[\]();,]\s*)[,;]([^\[\]()]*?)([\]\[])")
_IS_REVERSED: Final = re.compile(r"\A\s*(?:[A-Za-z]\s*\\in\s*)?\]|\[\s*\Z|\[\s*\\cup|\\cup\s*\]")
_MICRO: Final = re.compile(
    r"(?:\\text\s?\{\s*)?(?:\\mu(?![A-Za-z])|[\u03bc\u00b5])\s*(?:\\(?:text|mathrm|rm)\s?\{\s*)?([mgsLlAFVC])\s*\}?\s*\Z"
)
_FONT: Final = r"\\(?:text|mathrm|mbox|rm)\s?\{\s*"
_FRACTION_UNIT: Final = re.compile(
    rf"(?<=[0-9}}\])\s,;:])\\[dt]?frac\s?\{{\s*{_FONT}([A-Za-z ]{{1,20}})\}}\s*\}}"
    rf"\s?\{{\s*{_FONT}([A-Za-z ]{{1,20}})\}}(?:\s?\^\s?\{{?([23])\}}?)?\s*\}}\s*\Z"
)
_INVERSE_UNIT: Final = re.compile(
    rf"{_FONT}([A-Za-z]{{1,12}})(?:\s|\}}(?:\s|\\[,;: ]|\\cdot|\u00b7)*{_FONT}|\\[,;: ]|\\cdot\s?)\s*([A-Za-z]{{1,12}})"
    r"\s*\}?\s?\^\s?\{?-([123])\}{0,2}\s*\Z"
)
_ONE_LETTER: Final = {
    "m": "meter", "g": "gram", "s": "second", "h": "hour", "l": "liter", "L": "liter", "J": "joule", "N": "newton",
    "W": "watt", "V": "volt", "K": "kelvin",
}  # fmt: skip
_UNIT_OF_ONE_LETTER: Final = re.compile(
    rf"(?<=[)}}])(?:(?:\s|\\[,;: ]|~)+{_FONT}|\\text\s?\{{\s+)([mgshlLJNWVK])\s*\}}\s*\Z"
)
_CLOCK: Final = re.compile(
    r"(?<=[0-9])(?:\s|\\[,; ]|~)*(?:\\(?:text|mathrm)\s?\{)?\s*([aApP])\.?\s?[mM]\.?\s*(?:\})?[\s.]*\Z"
)
_OHM: Final = re.compile(r"(?<=[0-9])((?:\s|\\[,;: ]|~)*)(?:\\Omega|\u03a9|\u2126)\s*\Z")


def in_one_dialect(latex: str) -> str:
    """Return an answer without what says nothing, in the spelling that the cleaner reads."""
    text = latex
    if "&" in text:
        for entity, character in _ENTITIES:
            text = text.replace(entity, character)
    for pattern, written in _SPELLED:
        text = pattern.sub(written, text)
    text = _without_groups(_NOTHING.sub(" ", text))
    text = _OLD_FONT_TO_END.sub(r"\\text{\1}", _OLD_FONT.sub(r"\\text{\1}", text))
    text = _units(text)
    text = _FUNCTION.sub(lambda name: "\\" + name[1] + " ", text)
    text = _OTHER_NAME.sub(lambda name: _NAMES[name[1]], text)
    text = _FOR.sub("", _AT_START.sub("", _AT_END.sub("", text)))
    return _whole(_repeating(text))


def _units(text: str) -> str:
    """Write units in the one way that ``talan_eval.grading.units`` reads."""
    text = _CLOCK.sub(lambda half: f"\\text{{ {half[1].lower()}m}}", text)
    text = _FRACTION_UNIT.sub(_quotient, _INVERSE_UNIT.sub(_quotient, text))
    text = _UNIT_OF_ONE_LETTER.sub(lambda letter: f"\\text{{ {_ONE_LETTER[letter[1]]}}}", text)
    return _OHM.sub(r"\1\\text{ ohm}", _MICRO.sub(r"\\text{ u\1}", text))


def _quotient(unit: re.Match[str]) -> str:
    power = "" if unit[3] in {None, "1"} else f"^{unit[3]}"
    return f"\\text{{ {unit[1].strip()}/{unit[2].strip()}{power}}}"


def _without_groups(text: str) -> str:
    """Return a text without fonts and decorations around a group, and without that group's braces."""
    for _ in range(20):
        found = _AROUND.search(text)
        if found is None:
            break
        depth, place = 0, found.end()
        for place in range(found.end(), len(text)):
            depth += {"{": 1, "}": -1}.get(text[place], 0)
            if depth == 0:
                break
        else:
            break
        text = f"{text[: found.start()]} {text[found.end() + 1 : place]} {text[place + 1 :]}"
    return text


def _repeating(text: str) -> str:
    r"""Write repeating decimals with ``\overline``: dots above, digits in brackets, or three dots behind."""
    if "." not in text:
        return text
    text = _DOTTED.sub(lambda at: f"{at[1]}\\overline{{{at[2]}{at[3] or ''}{at[4] or ''}}}", text)
    text = _IN_BRACKETS.sub(r"\1\\overline{\2}", text)
    return _GOES_ON.sub(lambda at: f"{at[1]}\\overline{{{at[2] or at[3]}}}", text)


def _whole(text: str) -> str:
    """Rewrite what an answer is as a whole: a column, a vector, the reals, open intervals."""
    column = _TRANSPOSED.match(text)
    if column is not None and ("," in column["entries"]) != ("&" in column["entries"]):
        rows = "\\\\".join(re.split("[,&]", column["entries"]))
        return f"\\begin{{pmatrix}}{rows}\\end{{pmatrix}}"
    angled = _ANGLED.match(text)
    if angled is not None:
        return f"\\langle {angled[1]}\\rangle"
    rows_of_one = _ONE_COLUMN.match(text)
    if rows_of_one is not None:
        return ", ".join(row.strip() for row in rows_of_one[1].split("\\\\") if row.strip())
    if _REALS.match(text) is not None:
        return "\\mathbb{R}"
    bare = text.replace("\\left", "").replace("\\right", "")
    if _IS_REVERSED.search(bare) is not None and bare.count("]") + bare.count("[") > 1:
        return _REVERSED.sub(_round, bare)
    return text


def _round(interval: re.Match[str]) -> str:
    before, behind = "(" if interval[1] == "]" else "[", ")" if interval[4] == "[" else "]"
    return f"{before}{interval[2]},{interval[3]}{behind}"
