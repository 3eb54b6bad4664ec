"""What the paper's experiments take: memory and GPU hours of every file in examples/paper, as ``--dry-run`` plans them.

    python benchmarks/paper_recipes.py --data-dir DATA [--write]

Prints the table of examples/paper/README.md; ``--write`` puts it there. Nothing is downloaded, trained or asked; the
figures are arithmetic on the architectures and on the assumptions of ``talan_core.recipes.duration``.
"""

from __future__ import annotations

import argparse
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from talan_eval.intake.prepare import prepare
from talan_eval.pipeline.dry_run import hours_of, outlook
from talan_eval.requests.compare import CompareRequest

if TYPE_CHECKING:
    from collections.abc import Iterator

PLACE: Final = Path(__file__).parents[1] / "examples" / "paper"
_BEGIN, _END = "<!-- table -->\n", "<!-- end of table -->\n"


def request(path: Path, data_dir: Path) -> CompareRequest:
    """Read an experiment file as a dry run does."""
    asked: dict[str, Any] = tomllib.loads(path.read_text("utf-8"))
    recipe = tuple(f"{key}={str(value).lower()}" for key, value in asked.pop("recipe").items())
    asked.update(
        treat=tuple(asked["treat"]), contrast=tuple(asked["contrast"]), backbone=(asked["backbone"],),
        seeds=str(asked["seeds"]), tasks=",".join(asked["tasks"]), recipe=recipe,
    )  # fmt: skip
    return CompareRequest(**asked, data_dir=data_dir, dry_run=True)


def rows(data_dir: Path) -> Iterator[str]:
    """Write a row for each file."""
    yield "| file | fine-tunings | answers | changes that fit 80 GB | training | answering | GPU hours |"
    yield "|---|---:|---:|---|---:|---:|---:|"
    for path in sorted(PLACE.glob("*.toml")):
        prepared = prepare(request(path, data_dir))
        found = outlook(prepared)
        planned = hours_of(prepared, prepared.assignments[0], found.missing)
        items = {task.name: task.n_items for task in prepared.experiment.tasks}
        answers = sum(items[cell.task] for run in found.missing for cell in run.evaluations)
        size, changes = planned.footprint, f"`{planned.changes}`" if planned.changes else "none"
        total = planned.training + planned.answering
        yield (
            f"| [`{path.name}`]({path.name}) | {len(found.missing)} | {answers:,} | {changes} | "
            f"{size.training / 1e9:.0f} GB | {size.answering / 1e9:.0f} GB | {total:.1f} |"
        )


def main() -> None:
    """Print the table, or put it into the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    table = "".join(f"{row}\n" for row in rows(options.data_dir))
    print(table, end="")
    if options.write:
        page = PLACE / "README.md"
        before, _, rest = page.read_text("utf-8").partition(_BEGIN)
        after = rest.partition(_END)[2]
        page.write_text(f"{before}{_BEGIN}\n{table}\n{_END}{after}", "utf-8")


if __name__ == "__main__":
    main()
