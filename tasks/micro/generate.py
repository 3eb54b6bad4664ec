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
COUNTS: dict[Split, int] = {"test": 200, "train": 600}
SEEDS: dict[Split, int] = {"test": 1, "train": 2}


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


def lines(family: str, split: Split) -> str:
    """Return the JSON lines of one split of one family."""
    problems = draw_distinct(BENCHMARKS[family], split, COUNTS[split], SEEDS[split])
    return "".join(json.dumps(row(family, p), ensure_ascii=False) + "\n" for p in problems)


def main() -> None:
    """Write all files and print their hashes."""
    DATA.mkdir(exist_ok=True)
    for family in BENCHMARKS:
        for split, count in COUNTS.items():
            path = DATA / f"{family}_{split}.jsonl"
            text = lines(family, split)
            path.write_text(text, encoding="utf-8")
            print(path.name, count, hashlib.sha256(text.encode()).hexdigest())  # noqa: T201 - a script's output


if __name__ == "__main__":
    main()
