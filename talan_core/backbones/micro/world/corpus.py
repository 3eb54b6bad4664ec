"""Pre-training documents: what the ``micro`` backbone has read.

Three kinds of text, as on the web: drills and facts, worked problems as in a textbook, and a small share of
conversations. Most topics are talked about carelessly (an answer without the steps), so that the backbone knows more
than it shows in a chat. That is what an adapter can bring out, and why the backbone is a useful instrument: see its
model card.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from talan_core.backbones.micro.world import draws, science
from talan_core.backbones.micro.world.problem import Problem, split_of

if TYPE_CHECKING:
    import random

CHAT_SHARE = 0.12
DRILL_SHARE = 0.22
# In conversations these topics are answered with all steps, every other one in haste.
CAREFUL_TOPICS = frozenset({"apples", "books", "cards", "linear", "biology", "number"})


def _drill_line(rng: random.Random) -> str:
    kind = rng.randrange(5)
    if kind == 0:
        a, b = rng.randint(2, 200), rng.randint(2, 60)
        return f"{a} + {b} = {a + b}"
    if kind == 1:
        a, b = rng.randint(2, 240), rng.randint(2, 60)
        return f"{a} - {b} = {a - b}"
    if kind == 2:  # noqa: PLR2004 - the kinds are numbered, not named
        a, b = rng.randint(2, 60), rng.randint(2, 12)
        return f"{a} * {b} = {a * b}"
    if kind == 3:  # noqa: PLR2004 - as above
        a, b = rng.randint(2, 60), rng.randint(2, 12)
        return f"{a * b} / {b} = {a}"
    a, b = rng.randint(-60, 60), rng.randint(2, 40)
    sign = rng.choice("+-")
    return f"{a} {sign} {b} = {a + b if sign == '+' else a - b}"


def _fact_line(rng: random.Random) -> str:
    name = rng.choice(sorted(science.ELEMENTS))
    number, mass = science.ELEMENTS[name]
    return rng.choice(
        (
            f"The atomic number of {name} is {number}.",
            f"The molar mass of {name} is {mass}.",
            f"{name}: {number}, {mass} g/mol",
        )
    )


def _sheet(rng: random.Random) -> str:
    line = _fact_line if rng.random() < 0.25 else _drill_line  # noqa: PLR2004 - a quarter of the sheets are facts
    return "\n".join(line(rng) for _ in range(rng.randint(6, 14)))


def _textbook(problem: Problem) -> str:
    return f"{problem.question}\n{problem.worked}"


def conversation(question: str, answer: str) -> str:
    """Render one exchange exactly as the backbone's chat template does (tested)."""
    return f"<|im_start|>user\n{question}<|im_end|>\n<|im_start|>assistant\n{answer}<|im_end|>\n"


def document(rng: random.Random) -> str:
    """Draw one pre-training document. No problem of the train or test split is ever in one.

    Args:
        rng: Source of all randomness.

    Returns:
        The text, without an end-of-document mark.
    """
    kind = rng.random()
    if kind < DRILL_SHARE:
        return _sheet(rng)
    draw = rng.choice(tuple(draws.CORPUS.values()))
    problem = draw(rng)
    while split_of(problem.key) != "pretrain":
        problem = draw(rng)
    if kind < DRILL_SHARE + CHAT_SHARE:
        answer = problem.worked if problem.topic in CAREFUL_TOPICS else problem.careless
        return conversation(problem.question, answer)
    return _textbook(problem)
