"""Science questions with four choices, in the manner of GPQA: formulas, molar masses, base pairs, the periodic table.

The choices stand in an order that is a function of the problem's key, never of a generator's state.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from talan_core.backbones.micro.world.problem import Problem

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

LETTERS = "ABCD"
# Atomic numbers and rounded molar masses (g/mol) of common elements.
ELEMENTS = {
    "hydrogen": (1, 1), "helium": (2, 4), "lithium": (3, 7), "carbon": (6, 12), "nitrogen": (7, 14),
    "oxygen": (8, 16), "fluorine": (9, 19), "neon": (10, 20), "sodium": (11, 23), "magnesium": (12, 24),
    "aluminium": (13, 27), "silicon": (14, 28), "phosphorus": (15, 31), "sulfur": (16, 32), "argon": (18, 40),
    "potassium": (19, 39), "calcium": (20, 40), "titanium": (22, 48), "chromium": (24, 52), "iron": (26, 56),
    "nickel": (28, 59), "copper": (29, 64), "zinc": (30, 65), "bromine": (35, 80), "silver": (47, 108),
    "tin": (50, 119), "iodine": (53, 127), "gold": (79, 197), "mercury": (80, 201), "lead": (82, 207),
}  # fmt: skip
_ATOMS = {"H": 1, "C": 12, "N": 14, "O": 16, "S": 32, "P": 31, "F": 19}


@dataclass(frozen=True, slots=True)
class Formula:
    """A law of the form result = left * right, with names and units."""

    name: str
    symbol: str
    left: tuple[str, str]
    right: tuple[str, str]
    unit: str


_LAWS = (
    Formula("force", "F", ("mass", "kg"), ("acceleration", "m/s^2"), "N"),
    Formula("momentum", "p", ("mass", "kg"), ("velocity", "m/s"), "kg m/s"),
    Formula("voltage", "V", ("current", "A"), ("resistance", "ohm"), "V"),
    Formula("distance", "d", ("velocity", "m/s"), ("time", "s"), "m"),
    Formula("charge", "Q", ("current", "A"), ("time", "s"), "C"),
    Formula("energy", "E", ("power", "W"), ("time", "s"), "J"),
)


def _ordered(key: str, options: list[str]) -> list[str]:
    """Return the choices in an order that only the key and their text decide."""
    return sorted(options, key=lambda option: hashlib.sha256(f"{key}|{option}".encode()).digest())


def _checked(options: list[str], right: str) -> list[str]:
    """Go through the choices up to the right one."""
    upto = options.index(right)
    return [f"({LETTERS[i]}) {option} {'yes' if i == upto else 'no'}" for i, option in enumerate(options[: upto + 1])]


def _problem(
    kind: tuple[str, int], key: str, question: str, options: list[str], answer: tuple[str, list[str]]
) -> Problem:
    """Assemble a problem from its ordered choices, the right one, and the steps that lead to its letter."""
    (subject, level), (right, steps) = kind, answer
    letter = LETTERS[options.index(right)]
    listing = "\n".join(f"({mark}) {option}" for mark, option in zip(LETTERS, options, strict=True))
    return Problem(
        key=key,
        question=f"{question}\n{listing}",
        worked="\n".join([*steps, f"Answer: ({letter})"]),
        careless=f"Answer: ({letter})",
        answer=letter,
        subject=subject,
        level=level,
        topic=subject,
        choices=tuple(options),
    )


def _distinct_numbers(right: int, candidates: list[int], rng: random.Random) -> list[int]:
    """Return three wrong numbers: mistakes that people make first, then near misses."""
    wrong = [n for n in dict.fromkeys(candidates) if n not in (right, 0) and n > 0][:3]
    while len(wrong) < 3:  # noqa: PLR2004 - three wrong choices beside the right one
        near = right + rng.choice((-10, -3, -2, -1, 1, 2, 3, 10))
        if near > 0 and near != right and near not in wrong:
            wrong.append(near)
    return wrong


def _law(rng: random.Random) -> Problem:
    law, a, b = rng.choice(_LAWS), rng.randint(2, 19), rng.randint(2, 9)
    (left, left_unit), (right, right_unit) = law.left, law.right
    if rng.random() < 0.5:  # noqa: PLR2004 - forwards or backwards, equally often
        result, unit = a * b, law.unit
        question = f"What is the {law.name} if the {left} is {a} {left_unit} and the {right} is {b} {right_unit}?"
        steps = [f"{law.name} = {left} * {right}", f"{a} * {b} = {result}"]
        key, wrong = f"{law.name},{a},{b},forward", [a + b, a * (b + 1), a * b + 10]
    else:
        result, unit = a, left_unit
        question = f"The {law.name} is {a * b} {law.unit} and the {right} is {b} {right_unit}. What is the {left}?"
        steps = [f"{left} = {law.name} / {right}", f"{a * b} / {b} = {a}"]
        key, wrong = f"{law.name},{a},{b},backward", [a * b - b, a * b + b, a + 1]
    numbers = _distinct_numbers(result, wrong, rng)
    options = _ordered(f"physics:{key}", [f"{n} {unit}" for n in (result, *numbers)])
    right_option = f"{result} {unit}"
    return _problem(
        ("physics", 2), f"physics:{key}", question, options, (right_option, [*steps, *_checked(options, right_option)])
    )


def _molar_mass(rng: random.Random) -> Problem:
    atoms = rng.sample(sorted(_ATOMS), rng.choice((2, 3)))
    counts = [rng.randint(1, 6) for _ in atoms]
    formula = "".join(atom + (str(n) if n > 1 else "") for atom, n in zip(atoms, counts, strict=True))
    masses = [_ATOMS[atom] * n for atom, n in zip(atoms, counts, strict=True)]
    steps = [f"{atom}: {n} * {_ATOMS[atom]} = {mass}" for atom, n, mass in zip(atoms, counts, masses, strict=True)]
    total = masses[0]
    for mass in masses[1:]:
        steps.append(f"{total} + {mass} = {total + mass}")
        total += mass
    wrong = _distinct_numbers(
        total, [total + _ATOMS[atoms[0]], total - masses[-1] + _ATOMS[atoms[-1]], sum(_ATOMS[a] for a in atoms)], rng
    )
    key, right = f"chemistry:{formula}", f"{total} g/mol"
    options = _ordered(key, [right, *(f"{n} g/mol" for n in wrong)])
    question = f"What is the molar mass of {formula}?"
    return _problem(("chemistry", 3), key, question, options, (right, [*steps, *_checked(options, right)]))


def _complement(rng: random.Random) -> Problem:
    strand = "".join(rng.choice("ACGT") for _ in range(rng.randint(4, 7)))
    right = strand.translate(str.maketrans("ACGT", "TGCA"))
    wrong: list[str] = []
    while len(wrong) < 3:  # noqa: PLR2004 - three wrong choices beside the right one
        at = rng.randrange(len(right))
        other = right[:at] + rng.choice("ACGT") + right[at + 1 :]
        if other != right and other not in wrong:
            wrong.append(other)
    key, spaced = f"biology:{strand}", [" ".join(s) for s in (right, *wrong)]
    options = _ordered(key, spaced)
    steps = [f"{a} - {b}" for a, b in zip(strand, right, strict=True)]
    question = f"Which strand pairs with {' '.join(strand)}?"
    return _problem(("biology", 2), key, question, options, (spaced[0], [*steps, *_checked(options, spaced[0])]))


def _periodic(rng: random.Random) -> Problem:
    which, word = rng.choice(((0, "atomic number"), (1, "molar mass")))
    pick = max if rng.random() < 0.5 else min  # noqa: PLR2004 - highest or lowest, equally often
    names: list[str] = []
    while len({ELEMENTS[n][which] for n in names}) < 4:  # noqa: PLR2004 - four different values, so that one is extreme
        names = rng.sample(sorted(ELEMENTS), 4)
    right = pick(names, key=lambda n: ELEMENTS[n][which])
    extreme = "highest" if pick is max else "lowest"
    key = f"periodic table:{extreme},{which}," + ",".join(sorted(names))
    options = _ordered(key, names)
    # The letter stands behind the value, where a reader who has found the value sees it next.
    steps = [f"{name}: {ELEMENTS[name][which]} ({mark})" for mark, name in zip(LETTERS, options, strict=True)]
    steps.append(f"{extreme}: {ELEMENTS[right][which]} ({LETTERS[options.index(right)]})")
    question = f"Which element has the {extreme} {word}?"
    return _problem(("periodic table", 3), key, question, options, (right, steps))


_KINDS: tuple[Callable[[random.Random], Problem], ...] = (_law, _molar_mass, _complement, _periodic)


def draw(rng: random.Random) -> Problem:
    """Draw one science question with four choices.

    Args:
        rng: Source of all randomness.

    Returns:
        The problem; ``answer`` is the letter of the right choice.
    """
    return rng.choice(_KINDS)(rng)
