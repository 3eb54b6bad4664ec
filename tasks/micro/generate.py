"""Write the bundled twins' items: ``python tasks/micro/generate.py``.

The items are a function of the seeds below and of the generators in ``talan_core.backbones.micro.world``. After a
change there, run this, and copy the printed hashes into the YAML files with a new version.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING

from talan_core.backbones.micro.world.draws import BENCHMARKS
from talan_core.backbones.micro.world.problem import draw_distinct

if TYPE_CHECKING:
    from talan_core.backbones.micro.world.problem import Problem, Split

DATA = Path(__file__).parent / "data"
SEEDS: dict[Split, int] = {"test": 1, "train": 2}
FILES: dict[str, tuple[Split, int]] = {"test": ("test", 200), "test_1000": ("test", 1000), "train": ("train", 600)}
"""Which split and how many of its items are in the file of that name; the first 200 test items are in both files."""


def row(family: str, problem: Problem) -> dict[str, object]:
    """Return the JSON fields of one item; its id is a hash of its content, so it does not depend on the order."""
    digest = hashlib.sha256(problem.key.encode()).hexdigest()[:10]
    fields: dict[str, object] = {
        "id": f"{family}-{digest}",
        "question": problem.question,
        "worked": problem.worked,
        "answer": problem.answer,
        "subject": problem.subject,
        "level": problem.level,
    }
    if problem.tests:
        fields["tests"] = list(problem.tests)
    return fields


def lines(family: str, name: str) -> str:
    """Return the JSON lines of one file of one family."""
    split, count = FILES[name]
    problems = draw_distinct(BENCHMARKS[family], split, count, SEEDS[split])
    return "".join(json.dumps(row(family, p), ensure_ascii=False) + "\n" for p in problems)


def main() -> None:
    """Write all files and print their hashes."""
    DATA.mkdir(exist_ok=True)
    for family in BENCHMARKS:
        for name, (_, count) in FILES.items():
            path = DATA / f"{family}_{name}.jsonl"
            text = lines(family, name)
            path.write_text(text, encoding="utf-8")
            print(path.name, count, hashlib.sha256(text.encode()).hexdigest())  # noqa: T201 - a script's output


if __name__ == "__main__":
    main()
