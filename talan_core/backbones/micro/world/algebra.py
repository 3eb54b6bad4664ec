r"""School mathematics in the manner of MATH: LaTeX in, a short derivation, and the answer in ``\boxed{}``."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from talan_core.backbones.micro.world.problem import Problem

if TYPE_CHECKING:
    import random
    from collections.abc import Callable


def _signed(n: int) -> str:
    return f"+ {n}" if n >= 0 else f"- {-n}"


def _term(coefficient: int, power: int) -> str:
    variable = {0: "", 1: "x"}.get(power, f"x^{power}")
    return str(coefficient) if power == 0 else variable if coefficient == 1 else f"{coefficient}{variable}"


def _polynomial(coefficients: dict[int, int]) -> str:
    parts: list[str] = []
    for power, c in sorted(coefficients.items(), reverse=True):
        if c == 0:
            continue
        term = _term(abs(c), power)
        parts.append(("-" if c < 0 else "") + term if not parts else f"{'-' if c < 0 else '+'} {term}")
    return " ".join(parts) or "0"


def _fraction(numerator: int, denominator: int) -> str:
    g = math.gcd(numerator, denominator)
    n, d = numerator // g, denominator // g
    return str(n) if d == 1 else f"\\frac{{{n}}}{{{d}}}"


def _problem(subject: str, level: int, key: str, question: str, steps: list[str], answer: str) -> Problem:
    final = f"\\boxed{{{answer}}}"
    return Problem(
        key=f"{subject}:{key}",
        question=question,
        worked="\n".join([*(f"${step}$" for step in steps), f"The answer is ${final}$."]),
        careless=f"The answer is ${final}$.",
        answer=answer,
        subject=subject,
        level=level,
        topic=subject,
    )


def _linear(rng: random.Random) -> Problem:
    a, x, b = rng.randint(2, 12), rng.randint(-12, 15), rng.randint(-30, 40)
    right = a * x + b
    return _problem(
        "linear", 2, f"{a},{b},{right}", f"Solve ${a}x {_signed(b)} = {right}$ for $x$.",
        [f"{a}x = {right} {_signed(-b)} = {right - b}", f"x = {right - b} / {a} = {x}"], str(x),
    )  # fmt: skip


def _two_sided(rng: random.Random) -> Problem:
    c, more, x, b = rng.randint(2, 8), rng.randint(2, 8), rng.randint(-9, 12), rng.randint(-20, 20)
    a, d = c + more, more * x + b
    return _problem(
        "two_sided", 4, f"{a},{b},{c},{d}", f"Solve ${a}x {_signed(b)} = {c}x {_signed(d)}$ for $x$.",
        [f"{a}x - {c}x = {d} {_signed(-b)}", f"{more}x = {d - b}", f"x = {x}"], str(x),
    )  # fmt: skip


def _sum_of_fractions(rng: random.Random, largest: int = 9) -> Problem:
    b, d = rng.randint(2, largest), rng.randint(2, largest)
    a, c = rng.randint(1, b - 1), rng.randint(1, d - 1)
    top, bottom = a * d + c * b, b * d
    return _problem(
        "fractions", 3, f"{a}/{b}+{c}/{d}", f"Compute $\\frac{{{a}}}{{{b}}} + \\frac{{{c}}}{{{d}}}$ in lowest terms.",
        [f"{a} \\cdot {d} + {c} \\cdot {b} = {a * d} + {c * b} = {top}", f"{b} \\cdot {d} = {bottom}",
         f"\\frac{{{top}}}{{{bottom}}} = {_fraction(top, bottom)}"], _fraction(top, bottom),
    )  # fmt: skip


def _evaluate(rng: random.Random) -> Problem:
    a, b, c, x = rng.randint(1, 6), rng.randint(-9, 9), rng.randint(-20, 20), rng.randint(2, 9)
    value = a * x * x + b * x + c
    return _problem(
        "evaluate", 3, f"{a},{b},{c},{x}", f"If $f(x) = {_polynomial({2: a, 1: b, 0: c})}$, what is $f({x})$?",
        [f"{x}^2 = {x * x}", f"{a} \\cdot {x * x} = {a * x * x}", f"{b} \\cdot {x} = {b * x}",
         f"{a * x * x} {_signed(b * x)} = {a * x * x + b * x}", f"{a * x * x + b * x} {_signed(c)} = {value}"],
        str(value),
    )  # fmt: skip


def _derivative(rng: random.Random) -> Problem:
    coefficients = {
        3: rng.choice((0, rng.randint(1, 9))),
        2: rng.randint(1, 12),
        1: rng.randint(-15, 15),
        0: rng.randint(-30, 30),
    }
    source = _polynomial(coefficients)
    answer = _polynomial({p - 1: p * c for p, c in coefficients.items() if p})
    steps = [f"{p} \\cdot {abs(c)} = {p * abs(c)}" for p, c in coefficients.items() if p > 1 and c]
    return _problem("derivative", 2, source, f"Find the derivative of ${source}$.", steps, answer)


def _expand(rng: random.Random) -> Problem:
    a, b = rng.randint(-9, 9) or 1, rng.randint(-9, 9) or 2
    answer = _polynomial({2: 1, 1: a + b, 0: a * b})
    return _problem(
        "expand", 3, f"{a},{b}", f"Expand $(x {_signed(a)})(x {_signed(b)})$.",
        [f"{a} {_signed(b)} = {a + b}", f"{a} \\cdot {b} = {a * b}"], answer,
    )  # fmt: skip


def _remainder(rng: random.Random) -> Problem:
    d, q = rng.randint(3, 12), rng.randint(2, 20)
    r = rng.randint(0, d - 1)
    n = d * q + r
    return _problem(
        "remainder", 2, f"{n}%{d}", f"What is the remainder when ${n}$ is divided by ${d}$?",
        [f"{d} \\cdot {q} = {d * q}", f"{n} - {d * q} = {r}"], str(r),
    )  # fmt: skip


_KINDS: tuple[Callable[[random.Random], Problem], ...] = (
    _linear, _two_sided, _sum_of_fractions, _evaluate, _derivative, _expand, _remainder,
)  # fmt: skip
# There are few pairs of brackets to expand, so they are drawn less often.
_WEIGHTS = (4, 3, 4, 3, 4, 1, 4)
_HARD_WEIGHTS = (2, 3, 6, 4, 2, 1, 4)


def draw(rng: random.Random) -> Problem:
    """Draw one problem of school mathematics.

    Args:
        rng: Source of all randomness.

    Returns:
        The problem; its answer is LaTeX in lowest terms.
    """
    return rng.choices(_KINDS, _WEIGHTS)[0](rng)


def draw_benchmark(rng: random.Random) -> Problem:
    """Draw one problem that is harder than the corpus: more and larger fractions, fewer of the easy kinds.

    Args:
        rng: Source of all randomness.

    Returns:
        The problem, in the same form as ``draw``.
    """
    kind = rng.choices(_KINDS, _HARD_WEIGHTS)[0]
    return _sum_of_fractions(rng, largest=12) if kind is _sum_of_fractions else kind(rng)
