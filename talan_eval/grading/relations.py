r"""What an answer with a relation in it claims: a value, an interval, or nothing that is one.

- ``x = 5`` names an unknown and gives its value; so do ``f(2) = 5``, ``AB = 5``, ``\angle ABC = 5`` and
  ``(x,y) = (1,2)``. What the question asks for is such a name, too ("find $m+n$", ``m+n = 5``).
- ``x = 2 + 3 = 5`` and ``2 + 3 = 5`` count by the last side, if all sides are equal.
- ``2x = 10`` counts by its solution, if it is linear in one unknown.
- ``x < 3`` and ``-2 \le x \le 7`` are intervals; ``x \in S`` is S.
- ``\frac13 \approx 0.33`` and ``x = \frac13 \approx 0.33`` count by what stands before the sign.
- Everything else (``|x| = 3``, ``x^2 = 4``, ``3a = 7b``, ``4 = 5``, ``x \approx 3``, ``3 \mod 5``) is no value.

A list of assignments (``x = 1, x = 2``) is the list of its values.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

_OPEN: Final = frozenset({"{", "(", "[", "\\{", "\\begin"})
_CLOSE: Final = frozenset({"}", ")", "]", "\\}", "\\end"})
_TOKEN: Final = re.compile(
    r"\\(?:begin|end)\s?\{[A-Za-z*]{1,20}\}|\\(?:text|mbox)\s?\{\s*(?:and|or|,)\s*\}|\\[A-Za-z]+|\\.|\b(?:and|or)\b|[<>]=|(?<![0-9)}\]])!=|.",
    re.DOTALL,
)
_SIGNS: Final = {
    "=": "=",
    "<": "<",
    ">": ">",
    "\\lt": "<",
    "\\gt": ">",
    "\\le": "\\le",
    "\\leq": "\\le",
    "\\leqslant": "\\le",
    "<=": "\\le",
    "\\ge": "\\ge",
    "\\geq": "\\ge",
    "\\geqslant": "\\ge",
    ">=": "\\ge",
    "\\in": "\\in",
    "\\ne": "\\ne",
    "\\neq": "\\ne",
    "!=": "\\ne",
}
_NO_VALUE: Final = {
    "\\approx": "\\approx",
    "\\simeq": "\\approx",
    "\\sim": "\\sim",
    "\\cong": "\\cong",
    "\\equiv": "\\equiv",
    "\\propto": "\\propto",
    "\\to": "\\to",
    "\\rightarrow": "\\to",
    "\\Rightarrow": "\\Rightarrow",
    "\\implies": "\\Rightarrow",
    "\\iff": "\\iff",
    "\\mid": "\\mid",
    "\\nmid": "\\nmid",
    "\\mod": "\\mod",
    "\\bmod": "\\mod",
    "\\pmod": "\\mod",
    "\\pod": "\\mod",
}
_UNION: Final = frozenset({"or", "\\cup", "\\lor", "\\vee"})
_SUBSCRIPT: Final = r"(?:\s*_\s*(?:\{[^{}]{1,12}\}|[A-Za-z0-9]))?"
_LETTER: Final = (
    r"(?:[A-Za-z]|\\(?:alpha|beta|gamma|delta|theta|lambda|mu|phi|varphi|omega|sigma|tau|rho|epsilon"
    r"|varepsilon|ell|Delta|Omega|angle\s?[A-Za-z]))"
)
_VARIABLE: Final = rf"\{{?\s*{_LETTER}\s*\}}?{_SUBSCRIPT}\s*(?:'|\\prime|\^\s*\{{?\s*(?:'|\\prime|\\ast|\*)\s*\}}?)*"
_SYMBOL: Final = re.compile(rf"\s*{_VARIABLE}\s*")
_FUNCTION: Final = (
    r"(?:[fghpqruvwACDEFGHLMNPQRSTVW]|\\(?:phi|varphi|psi|Gamma|zeta|sigma|tau|mu|pi))"
    rf"{_SUBSCRIPT}\s*(?:'|\\prime)*"
)
"""What may be applied to any argument; "x(x-1)" is a product."""
_NAME: Final = re.compile(
    r"\s*(?:"
    rf"{_VARIABLE}"
    rf"|{_FUNCTION}(?:\^\s*\{{?\s*-1\s*\}}?)?\s*\([^()=<>]{{1,30}}\)"
    rf"|{_VARIABLE}\s*\(\s*(?:{_VARIABLE}|[0-9]+)\s*\)"
    r"|\\frac\s?\{\s*(?:d|\\partial)[^{}=]{0,12}\}\s?\{\s*(?:d|\\partial)[^{}=]{1,12}\}"
    r"|\\lim\s*_\s*\{[^{}]{1,30}\}[^=<>]{1,40}"
    r"|[A-Za-z](?:\s*:\s*[A-Za-z]){1,3}"
    r"|(?:m\s*)?\\?(?:measured)?\\?angle\s*[A-Z]{1,4}(?:_?\{?[0-9]?\}?)"
    r"|\|?\\?(?:overline|overrightarrow|vec|widehat|overarc|arc)?\s?\{?\s*[A-Z]{2,5}\s*\}?\|?"
    r"|\[\s*[A-Z]{3,6}\s*\]"
    r"|\|\s*(?:\\overline\s?\{)?[A-Z]{2,3}\}?\s*\|"
    r"|\\(?:text|mbox|mathrm|textbf|operatorname)\s?\{[A-Za-z][A-Za-z .'-]{0,60}\}"
    r"(?:\s*_\s*(?:\{[^{}]{1,20}\}|[A-Za-z0-9])|\s*[A-Z]{1,5})?(?:\s*\([^()=<>]{1,30}\))?"
    r"|\\(?:det|dim|deg|ker|Pr|max|min|sup|inf)(?![A-Za-z])\s*[(\[{]?[^=<>()\[\]{}+*/^-]{1,20}[)\]}]?"
    r"|(?:\\mathbb\s?\{?\s*[EPV]\s*\}?|[EP])\s*(?:\[[^=<>\[\]]{1,30}\]|\([^=<>()]{1,30}\))"
    r"|(?:\\\||\\[lr]?Vert(?![A-Za-z]))[^=<>|]{1,20}(?:\\\||\\[lr]?Vert(?![A-Za-z]))"
    rf"|\(\s*{_VARIABLE}(?:\s*,\s*{_VARIABLE}){{1,5}}\s*\)"
    r")\s*"
)
_BOUND: Final = re.compile(
    r"\\(?:sum|prod)\s*_\s*\{?\s*([a-z])\s*=|\\lim\s*_\s*\{\s*([a-z])|\\int\s*_[^=]{1,80}?d\s?([a-z])(?![A-Za-z])"
)
"""What a sum, a limit or an integral between limits runs over: no unknown."""
_TRIVIAL: Final = re.compile(r"\s*(?:\\pi|e|i)\s*")
_INFINITE: Final = {
    "<": ("(-\\infty,", ")"),
    "\\le": ("(-\\infty,", "]"),
    ">": ("(", ",\\infty)"),
    "\\ge": ("[", ",\\infty)"),
}
_FLIPPED: Final = {"<": ">", ">": "<", "\\le": "\\ge", "\\ge": "\\le"}


@dataclass(frozen=True, slots=True)
class Reading:
    """What an answer claims.

    Attributes:
        value: What is compared, as LaTeX; None where the answer is no value.
        equal: Sides that must equal the value, or the answer is none.
        equation: Both sides of an equation that is to be solved for its only unknown; ``value`` is None then.
        reason: Why it is no value; empty where it is one.
        relations: The relation signs at its top level.
        name: What the answer names, as in "x" of ``x = 5``; empty without.
    """

    value: str | None
    equal: tuple[str, ...] = ()
    equation: tuple[str, str] | None = None
    reason: str = ""
    relations: frozenset[str] = frozenset()
    name: str = ""


def read(latex: str, asked: Iterable[str] = ()) -> Reading:
    """Read a cleaned answer.

    Args:
        latex: From ``talan_eval.grading.latex_clean.clean``, without a unit.
        asked: Expressions of the question without spaces: each is a name for what it asks.
    """
    names = frozenset(asked)
    systems = _systems(latex)
    if systems is not None:
        return systems
    items = _split(latex, {",", ";", "and", "or"})
    if len(items) > 1 and any(_relations(item) for item in items):
        return _list(latex, items, names)
    return _single(latex, names)


def as_interval(latex: str) -> str | None:
    r"""Return an inequality in one unknown as an interval or a union of some, or None where it is none.

    Read are ``x < a``, ``a < x \le b``, ``x \ne a``, ``|x| < a``, ``|x| > a``, ``x \in S``, joined by "or" or "and".
    """
    parts = _split(latex, _UNION)
    if len(parts) > 1:
        unions = [as_interval(part) for part in parts]
        known = [part for part in unions if part is not None]
        return "\\cup".join(known) if len(known) == len(parts) else None
    both = _split(latex, {"and", ",", "\\land", "\\wedge"})
    if len(both) == 2:  # noqa: PLR2004 - a lower and an upper bound, or a bound and an exception
        return _intersection(*both) or _without_point(*both)
    return _bounds(*_sides(latex))


def _bounds(sides: list[str], signs: list[str]) -> str | None:
    """Return the interval of one chain of inequalities."""
    if set(signs) == {"\\in"}:
        return sides[-1].strip() if _is_unknown(sides[0]) else None
    if signs == ["\\ne"] and _SYMBOL.fullmatch(sides[0]):
        return f"(-\\infty,{sides[1]})\\cup({sides[1]},\\infty)"
    if len(signs) == 1 and signs[0] in _FLIPPED:
        return _one_sided(sides, signs[0])
    if len(signs) == 2 and set(signs) <= set(_FLIPPED) and _is_unknown(sides[1]):  # noqa: PLR2004 - two bounds
        if set(signs) <= {"<", "\\le"}:
            return _between(sides[0], signs[0], sides[2], signs[1])
        return _between(sides[2], signs[1], sides[0], signs[0]) if set(signs) <= {">", "\\ge"} else None
    return None


def split_list(latex: str) -> list[str]:
    """Return the elements of a list without brackets: "1, 2 and 2"."""
    return [item.strip() for item in _split(latex, {",", ";", "and", "or"})]


def is_set(latex: str) -> bool:
    """Tell whether a target is a set, a list or an interval, which a scalar cannot be."""
    text = latex.strip()
    return (
        len(_split(text, {",", ";", "and", "or"})) > 1
        or text.startswith(("\\{", "\\left\\{"))
        or is_interval(text)
        or "\\pm" in text
    )


def is_interval(latex: str) -> bool:
    """Tell whether a text is an interval, a pair, a union or one of the sets with a name."""
    text = latex.replace("\\left", "").replace("\\right", "").strip()
    bracketed = text[:1] in "([" and text[-1:] in ")]" and len(_split(text[1:-1], {","})) == 2  # noqa: PLR2004 - two ends
    return bracketed or "\\cup" in text or "\\setminus" in text or text in {"\\mathbb{R}", "\\emptyset", "\\mathbb R"}


def _single(latex: str, names: frozenset[str]) -> Reading:
    sides, signs = _sides(latex)
    if "\\approx" in signs and sides[0].strip() and (signs[0] == "=" or not has_unknowns(sides[0])):
        exact = signs.index("\\approx")
        sides, signs = sides[: exact + 1], signs[:exact]
    relations = frozenset(signs)
    if not signs:
        return Reading(sides[0])
    found = relations & set(_NO_VALUE.values())
    if found:
        return Reading(None, reason=f"{min(found)} gives no exact value", relations=relations)
    if signs == ["\\in"]:
        named = all(_is_name(part, names) for part in _split(sides[0], {","}))
        reason = "" if named else "a member that is no unknown"
        return Reading(sides[1] if named else None, reason=reason, relations=relations, name=sides[0].strip())
    if relations != {"="}:
        return Reading(None, reason="an inequality is no value", relations=relations)
    return _equation(sides, relations, names)


def _equation(sides: list[str], relations: frozenset[str], names: frozenset[str]) -> Reading:
    first, last = sides[0], sides[-1]
    if not all(side.strip() for side in sides):
        # "= 5" gives a value, "x =" does not.
        given = [side for side in sides if side.strip()]
        ends = bool(last.strip()) and len(given) == len(sides) - 1 and not first.strip()
        return (
            Reading(last, tuple(given[:-1]), relations=relations)
            if ends
            else Reading(None, reason="half an equation", relations=relations)
        )
    if _is_name(first, names) and not _holds(sides[1:], first):
        return Reading(last, tuple(sides[1:-1]), relations=relations, name=first.strip())
    if len(sides) == 2 and _is_name(last, names) and not _holds([first], last) and not has_unknowns(first):  # noqa: PLR2004 - "5 = x"
        return Reading(first, relations=relations, name=last.strip())
    if not any(map(has_unknowns, sides)):
        return Reading(last, tuple(sides[:-1]), relations=relations)
    if len(sides) == 2:  # noqa: PLR2004 - an equation
        return Reading(
            None,
            equation=(first, last),
            reason="an equation that is no assignment and not linear in one unknown",
            relations=relations,
        )
    return Reading(None, reason="a chain of equations that names no unknown", relations=relations)


def _list(latex: str, items: list[str], names: frozenset[str]) -> Reading:
    """Read a list in which something is assigned: ``x=1, x=2``, ``a=4,-8,-10``, ``p=5, q=2``."""
    relations = frozenset(sign for item in items for sign in _relations(item))
    readings = [_single(item, names) for item in items]
    if relations <= {"="} and all(reading.value is not None for reading in readings):
        values = ",".join(reading.value or "" for reading in readings)
        named = [reading.name for reading in readings if reading.name]
        return Reading(
            values,
            tuple(side for reading in readings for side in reading.equal),
            relations=relations,
            name=",".join(named),
        )
    whole = _single(latex, names)
    if relations == {"\\in"} and whole.value is not None:
        return whole
    sides, signs = _sides(latex)
    if signs == ["="] and _is_name(sides[0], names):  # (x,y) = (1,2), (3,4)
        return Reading(sides[1], relations=relations, name=sides[0].strip())
    return Reading(None, reason="a list that holds more than values", relations=relations)


def _systems(latex: str) -> Reading | None:
    """Read solutions of a system, ``p=5,q=2;p=7,q=2``, as points; None where that is not what stands there."""
    for separators in ({";"}, {"or", "and", ";"}):
        groups = [_split(group, {","}) for group in _split(latex, separators)]
        if len(groups) < 2 or min(map(len, groups)) < 2:  # noqa: PLR2004 - at least two points of two coordinates
            continue
        named = [[_single(item, frozenset()) for item in group] for group in groups]
        names = {tuple(reading.name for reading in group) for group in named}
        if len(names) == 1 and "" not in next(iter(names)):
            points = [f"({','.join((reading.value or '').strip() for reading in group)})" for group in named]
            return Reading(",".join(points), relations=frozenset({"="}), name=",".join(next(iter(names))))
    return None


def _is_name(side: str, names: frozenset[str]) -> bool:
    asked = "".join(side.split()) in names and not side.strip().isdigit()
    return asked or (_NAME.fullmatch(side) is not None and _TRIVIAL.fullmatch(side) is None)


def _is_unknown(side: str) -> bool:
    return _SYMBOL.fullmatch(side) is not None or re.fullmatch(rf"\s*{_VARIABLE}\s*\([a-z]\)\s*", side) is not None


def has_unknowns(side: str) -> bool:
    """Tell whether a side holds unknowns: letters that are no commands, no numbers e and i, no text."""
    for bound in _BOUND.finditer(side):
        letter = re.escape(bound[1] or bound[2] or bound[3])
        side = re.sub(rf"(?<![A-Za-z\\])d?\s?{letter}(?![A-Za-z])|(?<=[0-9])d{letter}(?![A-Za-z])", " ", side)
    bare = re.sub(r"\\(?:text|mbox|mathrm|operatorname)\s?\{[^{}]*\}|\\[A-Za-z]+", " ", side)
    greek = re.search(r"\\(?:alpha|beta|gamma|delta|theta|lambda|mu|phi|varphi|omega|sigma|tau|rho)(?![A-Za-z])", side)
    return re.search(r"[A-Za-df-hj-z]", bare) is not None or greek is not None


def _holds(sides: Iterable[str], name: str) -> bool:
    """Tell whether a named unknown stands on another side, too, as in ``x = 2x - 5``."""
    symbol = name.strip().strip("{}")
    if _SYMBOL.fullmatch(name) is None:
        return False
    return any(
        re.search(
            rf"(?<![A-Za-z\\]){re.escape(symbol)}(?![A-Za-z])",
            re.sub(r"\\[A-Za-z]+", " ", side) if len(symbol) == 1 else side,
        )
        for side in sides
    )


def _relations(latex: str) -> list[str]:
    return _sides(latex)[1]


def _sides(latex: str) -> tuple[list[str], list[str]]:
    r"""Cut at the relation signs of the top level; ``\mod`` counts wherever it stands."""
    sides, signs, depth = [""], [], 0
    for token in _TOKEN.findall(latex):
        depth += _depth_change(token)
        sign = _NO_VALUE.get(token)
        if sign == "\\to" and depth > 0:
            sign = None  # below a limit
        if sign is None and depth <= 0:
            sign = _SIGNS.get(token)
        if sign is None:
            sides[-1] += token
        else:
            signs.append(sign)
            sides.append("")
    return sides, signs


def _split(latex: str, separators: Iterable[str]) -> list[str]:
    """Cut a text at separators of the top level; a comma between digits of one number is none."""
    wanted = frozenset(separators)
    parts, depth = [""], 0
    for token in _TOKEN.findall(latex):
        depth += _depth_change(token)
        plain = (
            re.sub(r"\A\\(?:text|mbox)\s?\{\s*|\s*\}\Z", "", token) if token.startswith(("\\text", "\\mbox")) else token
        )
        if depth <= 0 and plain in wanted:
            parts.append("")
        else:
            parts[-1] += token
    return [part for part in parts if part.strip()]


def _depth_change(token: str) -> int:
    if token in _OPEN or token.startswith("\\begin"):
        return 1
    return -1 if token in _CLOSE or token.startswith("\\end") else 0


def _without_point(one: str, other: str) -> str | None:
    r"""Return an interval without a point of it: ``1 \le x \le 5, x \ne 3``."""
    sides, signs = _sides(other)
    inside = _bounds(*_sides(one))
    names = [side.strip() for side in _sides(one)[0] if _is_unknown(side)]
    if signs != ["\\ne"] or inside is None or [sides[0].strip()] != names:
        return None
    return f"{inside}\\setminus\\{{{sides[1].strip()}\\}}"


def _one_sided(sides: list[str], sign: str) -> str | None:
    left, right = sides
    absolute = re.fullmatch(r"\s*(?:\||\\[lr]?vert|\\left\|)\s*([A-Za-z])\s*(?:\||\\[lr]?vert|\\right\|)\s*", left)
    if absolute is not None:
        if sign in {"<", "\\le"}:
            return _between(f"-{right}" if not right.lstrip().startswith("-") else None, sign, right, sign)
        before, behind = "[]" if sign == "\\ge" else "()"
        return f"(-\\infty,-{right}{behind}\\cup{before}{right},\\infty)"
    if _is_unknown(left):
        value = right
    elif _is_unknown(right):
        value, sign = left, _FLIPPED[sign]
    else:
        return None
    before, behind = _INFINITE[sign]
    return f"{before}{value}{behind}"


def _between(low: str | None, low_sign: str, high: str, high_sign: str) -> str | None:
    if low is None:
        return None
    closed = {"\\le", "\\ge"}
    return f"{'[' if low_sign in closed else '('}{low},{high}{']' if high_sign in closed else ')'}"


def _intersection(one: str, other: str) -> str | None:
    """Return the interval of a lower and an upper bound of the same unknown."""
    bounds: dict[str, tuple[str, str]] = {}
    unknowns = set()
    for part in (one, other):
        sides, signs = _sides(part)
        if len(signs) != 1 or signs[0] not in _FLIPPED:
            return None
        if _is_unknown(sides[0]):
            unknown, value, sign = sides[0], sides[1], signs[0]
        elif _is_unknown(sides[1]):
            unknown, value, sign = sides[1], sides[0], _FLIPPED[signs[0]]
        else:
            return None
        unknowns.add(unknown.strip())
        bounds["high" if sign in {"<", "\\le"} else "low"] = (value, sign)
    if len(unknowns) != 1 or set(bounds) != {"low", "high"}:
        return None
    return _between(bounds["low"][0], bounds["low"][1], bounds["high"][0], bounds["high"][1])
