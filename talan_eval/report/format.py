"""How a number becomes text; decided once for every report."""

from __future__ import annotations

MISSING = "n/a"


def score(value: float | None) -> str:
    """Format a score in points with two decimals."""
    return MISSING if value is None else f"{value:.2f}"


def gain(value: float | None) -> str:
    """Format a difference in points with its sign; zero has none."""
    if value is None:
        return MISSING
    text = f"{value:+.2f}"
    return "0.00" if text in {"+0.00", "-0.00"} else text


def interval(ci: tuple[float, float] | None) -> str:
    """Format an interval in points as "low to high"."""
    return MISSING if ci is None else f"{gain(ci[0])} to {gain(ci[1])}"


def p_value(p: float | None) -> str:
    """Format a p-value: four decimals below 0.1, where thresholds lie, three above; never "0"."""
    if p is None:
        return MISSING
    if p < 0.0001:  # noqa: PLR2004 - the last of the four decimals
        return "<0.0001"
    return f"{p:.4f}" if p < 0.1 else f"{p:.3f}"  # noqa: PLR2004 - see above


def percent(share: float) -> str:
    """Format a share or level in [0, 1] as a percentage without needless decimals."""
    return f"{100 * share:.4g} %"


def count(number: int, noun: str) -> str:
    """Format a count with its noun, in the plural where needed."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
