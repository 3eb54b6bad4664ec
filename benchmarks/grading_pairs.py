"""Grade pairs of answer and target that others hold to be right or wrong, and show every disagreement.

    python benchmarks/grading_pairs.py table     # the tables of docs/grading.md
    python benchmarks/grading_pairs.py check     # grade all again; exit status 1 where a verdict is another one

The pairs are facts from the tests of math-verify, inspect_ai, lm-eval and lighteval and from public reports of users,
each with its source: what was answered, what is right, and what the source says (``theirs``). ``before`` is what this
project's grader said before its present rules, ``ours`` what it says now; where that differs from the source,
``why`` was judged by hand, and ``kind`` says whether the source is wrong ("judged") or this grader is ("limit").
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from talan_eval.grading.graders import grade_answers

PAIRS = Path(__file__).with_name("grading_pairs.json")
GRADERS = ("math", "number", "choice")


@dataclass(frozen=True, slots=True)
class Pair:
    """One answer with its target and what is said of it; see the module's text."""

    source: str
    grader: str
    answer: str
    target: str
    theirs: int
    before: int
    ours: int
    kind: str = ""
    why: str = ""

    @property
    def right(self) -> int:
        """What the verdict should be: the source's, unless it was judged to be wrong."""
        return self.ours if self.kind == "judged" else self.theirs


def read_pairs() -> list[Pair]:
    """Return all pairs."""
    return [Pair(**row) for row in json.loads(PAIRS.read_text(encoding="utf-8"))]


def graded(pairs: list[Pair]) -> dict[Pair, int]:
    """Return the score of each pair by the code that runs."""
    scores: dict[Pair, int] = {}
    for grader in GRADERS:
        some = [pair for pair in pairs if pair.grader == grader]
        grades = grade_answers(grader, [{"answer": pair.target} for pair in some], [pair.answer for pair in some])
        scores |= {pair: int(grade.score) for pair, grade in zip(some, grades, strict=True)}
    return scores


def group(source: str) -> str:
    """Return the row of the table that a source belongs to."""
    return "public reports" if source.startswith("reported: ") else source.partition(" ")[0] + "'s tests"


def tables(pairs: list[Pair]) -> str:
    """Return the tables of docs/grading.md in Markdown, from the recorded verdicts."""
    lines = [
        "| pairs from | pairs | agree, before | agree, now | right, before | right, now | right before, wrong now |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    groups = dict.fromkeys(group(pair.source) for pair in pairs)
    for name in (*groups, "all"):
        some = [pair for pair in pairs if name in (group(pair.source), "all")]
        counts = Counter(
            what
            for pair in some
            for what, holds in (
                ("agree before", pair.before == pair.theirs),
                ("agree now", pair.ours == pair.theirs),
                ("right before", pair.before == pair.right),
                ("right now", pair.ours == pair.right),
                ("lost", pair.before == pair.right != pair.ours),
            )
            if holds
        )
        cells = (
            len(some),
            *(counts[key] for key in ("agree before", "agree now", "right before", "right now", "lost")),
        )
        lines.append(f"| {name} | {' | '.join(map(str, cells))} |")
    lines += ["", "| source | answer | target | theirs | ours | why |", "|---|---|---|---:|---:|---|"]
    for pair in pairs:
        if pair.ours != pair.theirs:
            why = f"{'Known limit. ' if pair.kind == 'limit' else ''}{pair.why}"
            source = pair.source.removeprefix("reported: ")
            lines.append(
                f"| {source} | {shown(pair.answer)} | {shown(pair.target)} | {pair.theirs} | {pair.ours} | {why} |"
            )
    return "\n".join(lines)


def shown(text: str) -> str:
    """Return a text as code in a cell of a Markdown table."""
    return "`" + text.replace("\n", " / ").replace("|", "\\|") + "`"


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("action", choices=("table", "check"))
    action = parser.parse_args().action
    pairs = read_pairs()
    if action == "table":
        print(tables(pairs))
        return
    other = [(pair, score) for pair, score in graded(pairs).items() if score != pair.ours]
    print(f"{len(pairs)} pairs, {len(other)} with another verdict than the recorded one")
    for pair, score in other:
        print(f"{pair.source}: {pair.answer!r} for {pair.target!r}: {score}, recorded {pair.ours}")
    sys.exit(bool(other))


if __name__ == "__main__":
    main()
