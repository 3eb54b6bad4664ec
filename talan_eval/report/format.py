"""How a number becomes text; decided once for every report."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

from talan_eval.result.evidence import POINTS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

MISSING = "n/a"
BREAK: Final = "\n"
"""Between the lines of one cell of a table; text that others wrote has lost its line breaks before."""
_SMALL: Final = 0.1  # below it two decimals show too little
_MOST_DECIMALS = 9  # what is smaller is the rounding of binary fractions


class Flipped(NamedTuple):
    """Items on which the treatment scored less and more, summed over seeds."""

    lost: int
    gained: int


class Spread(NamedTuple):
    """A difference and the half-width of its E1 interval, points."""

    delta: float | None
    half_width: float | None


class Effect(NamedTuple):
    """One cell of the matrix: difference, half-width, adjusted p and verdict."""

    delta: float | None
    half_width: float | None
    p: float | None
    verdict: str


class Fraction(NamedTuple):
    """So many of so many."""

    part: int
    whole: int


Value = str | int | float | tuple[float, float] | Flipped | Spread | Effect | Fraction | None
"""What a table holds before a format decides the text; None where it cannot be estimated."""

Kind = Literal[
    "text", "count", "score", "gain", "interval", "p", "floor", "flips", "spread", "effect", "share", "percent",
    "percents", "range", "decimals", "ratio", "seconds", "gigabytes",
]  # fmt: skip
"""What a column's values are, hence how they are shown."""


def shown(value: Value, kind: Kind, alpha: float | None = None) -> str:
    """Return the text of a value.

    Args:
        value: The value, of the type that belongs to its kind.
        kind: What it is.
        alpha: The error rate that p-values are compared with, if any.
    """
    return MISSING if value is None else _TEXTS[kind](value, alpha)


def spread(value: Spread) -> str:
    """Format a difference with the half-width of its interval, where it has one."""
    if value.half_width is None:
        return gain(value.delta)
    return f"{gain(value.delta)} \N{PLUS-MINUS SIGN} {value.half_width:.2f}"


def equals(p: float | None, alpha: float | None = None) -> str:
    """Format a p-value behind its letter: "p = 0.0123", but "p < 0.0001"."""
    text = p_value(p, alpha)
    return f"p < {text[1:]}" if text.startswith("<") else f"p = {text}"


def _effect(value: Effect, alpha: float | None) -> str:
    return BREAK.join((spread(Spread(value.delta, value.half_width)), equals(value.p, alpha), value.verdict))


def score(value: float | None) -> str:
    """Format a score in points with two decimals."""
    return MISSING if value is None else f"{value:.2f}"


def score_range(ci: tuple[float, float] | None) -> str:
    """Format an interval of a score in points as "low to high"; scores have no sign."""
    return MISSING if ci is None else f"{score(ci[0])} to {score(ci[1])}"


def gain(value: float | None) -> str:
    """Format a difference in points with its sign; zero has none."""
    if value is None:
        return MISSING
    text = f"{value:+.2f}"
    return "0.00" if text in {"+0.00", "-0.00"} else text


def interval(ci: tuple[float, float] | None) -> str:
    """Format an interval in points as "low to high".

    An end that is not zero gets more decimals rather than be shown as zero: an interval that excludes zero must look
    like one.
    """
    return MISSING if ci is None else f"{_end(ci[0])} to {_end(ci[1])}"


def bound(value: float | None, *limits: float) -> str:
    """Format a bound in points with its sign, never rounded across (or onto) one of the limits it is compared with."""
    if value is None:
        return MISSING
    decimals = 2
    while decimals < _MOST_DECIMALS and any(_side(round(value, decimals), x) != _side(value, x) for x in limits):
        decimals += 1
    text = f"{value:+.{decimals}f}"
    return "0.00" if text in {"+0.00", "-0.00"} else text


def _side(value: float, limit: float) -> int:
    return (value > limit) - (value < limit)


def p_value(p: float | None, alpha: float | None = None) -> str:
    """Format a p-value: four decimals below 0.1, where thresholds lie, three above; never "0".

    Args:
        p: The p-value.
        alpha: The error rate that it is compared with, if any. A p-value below it gets more decimals rather than be
            shown as not below it, and the other way round.
    """
    if p is None:
        return MISSING
    if p < 0.0001 and (alpha is None or alpha >= 0.0001):  # noqa: PLR2004 - the last of the four decimals
        return "<0.0001"
    decimals = 4 if p < 0.1 else 3  # noqa: PLR2004 - see above
    while alpha is not None and decimals < _MOST_DECIMALS and (round(p, decimals) < alpha) != (p < alpha):
        decimals += 1
    return f"{p:.{decimals}f}"


def _end(value: float) -> str:
    decimals = next((n for n in range(2, _MOST_DECIMALS) if round(value, n) != 0), 2)
    text = f"{value:+.{decimals}f}"
    return "0.00" if text in {"+0.00", "-0.00"} else text


def change(difference: float | None, unit: str) -> str:
    """Return a difference with its sign; small ones of a unit other than points get the digits that show them."""
    small = difference is not None and unit != POINTS and 0 < abs(difference) < _SMALL
    return f"{difference:+.3g}" if small else gain(difference)


def amount(size: float, unit: str) -> str:
    """Format a margin or a planned gain, as it was typed, with its unit."""
    return "1 point" if size == 1 and unit == POINTS else f"{size:g} {unit}"


def percent(share: float) -> str:
    """Format a share or level in [0, 1] as a percentage without needless decimals."""
    return f"{100 * share:.4g} %"


def count(number: int, noun: str) -> str:
    """Format a count with its noun, in the plural where needed."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


_TEXTS: Final[Mapping[Kind, Callable[[Any, float | None], str]]] = {
    "text": lambda value, _: str(value),
    "count": lambda value, _: f"{value:,}",
    "score": lambda value, _: score(value),
    "gain": lambda value, _: gain(value),
    "interval": lambda value, _: interval(value),
    "p": p_value,
    "floor": lambda value, _: f"{value:.3g}",
    "flips": lambda value, _: f"{value.lost}/{value.gained}",
    "spread": lambda value, _: spread(value),
    "effect": _effect,
    "share": lambda value, _: f"{value.part} of {value.whole}",
    "percent": lambda value, _: percent(value),
    "range": lambda value, _: score_range(value),
    "percents": lambda value, _: f"{percent(value[0])} to {percent(value[1])}",
    "decimals": lambda value, _: f"{value:.2f}",
    "seconds": lambda value, _: f"{value:.1f}",
    "ratio": lambda value, _: f"{value:.2f}x",
    "gigabytes": lambda value, _: f"{value / 1e9:.2f}",
}
