"""What adapters are trained on, by name: benchmarks, files, data sets of the Hub, or a mixture; nothing is opened."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from talan_core.errors import UserError, mistakes_of, refuse
from talan_core.training_sources import LINES, SourceSpec, is_data, parse_sources
from talan_eval.tasks.lookup import NamedTasks

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_PACKED: Final = (".gz", ".zst", ".bz2", ".xz", ".zip")
_OTHER_FILES: Final = (".json", ".jsonl", ".ndjson", ".csv", ".parquet", ".txt")
_FORMS: Final = "Type a benchmark, FILE.jsonl or owner/dataset@split, such as --train-data gsm8k,mine.jsonl"


@dataclass(frozen=True, slots=True)
class TrainingNames:
    """Sources of training items by name, in a form that can be sent to a worker.

    Attributes:
        specs: Name and weight of each; a file by its absolute path.
        labels: What each is called in results: a file without its directory, so that a moved one is the same.
        tasks: Those of them that are benchmarks, whose worked solutions are learned.
        weighted: Whether each is drawn by its weight; otherwise every item is drawn as often as any other.
        data_dir: As for the benchmarks.
    """

    specs: tuple[SourceSpec, ...]
    labels: tuple[str, ...]
    tasks: tuple[str, ...]
    weighted: bool
    data_dir: Path | None = None


def of_benchmarks(tasks: Sequence[str]) -> TrainingNames:
    """Return benchmarks as sources, whose worked solutions are learned without weights."""
    names = tuple(tasks)
    return TrainingNames(tuple(SourceSpec(name, 1.0) for name in names), names, names, weighted=False)


def of_typed(
    text: str, find_tasks: Callable[[str], NamedTasks], data_dir: Path | None
) -> tuple[TrainingNames, NamedTasks]:
    """Read ``--train-data``; nothing is opened.

    Args:
        text: Sources with their weights; see ``talan_core.training.sources``. Every benchmark with a training split
            is a source as well.
        find_tasks: Finds the benchmarks of comma-separated names.
        data_dir: As for the benchmarks.

    Returns:
        The sources, and the benchmarks among them.

    Raises:
        UserError: A source cannot be meant; one error names all that is wrong.
    """
    specs = parse_sources(text)
    refuse(mistakes_of(*(partial(_refuse_file, spec.name) for spec in specs)))
    asked = [spec.name for spec in specs if not is_data(spec.name)]
    try:
        found = find_tasks(",".join(asked)) if asked else NamedTasks()
    except UserError as error:
        raise UserError(error.problem, f"{error.fix} {_FORMS}") from error
    if len(found.names) != len(asked):
        raise UserError("A group of tasks has no weight of its own in training data.", f"Name its tasks. {_FORMS}")
    known = dict(zip(asked, found.names, strict=True))
    _refuse_same_file(specs)
    placed = tuple(replace(spec, name=known.get(spec.name, _absolute(spec.name))) for spec in specs)
    short = [Path(spec.name).name if _is_file(spec.name) else spec.name for spec in placed]
    labels = tuple(label if short.count(label) == 1 else typed.name for label, typed in zip(short, specs, strict=True))
    return TrainingNames(placed, labels, found.names, weighted=len(placed) > 1, data_dir=data_dir), found


def _refuse_file(name: str) -> None:
    """Refuse a file that is no JSON lines by its name: it would be looked up as a task."""
    lower = name.lower()
    if lower.endswith(_PACKED):
        fix = f"Unpack it, and name what comes out: gunzip -k {name}"
        raise UserError(f"{name} is packed, and training data are read as they are.", fix)
    if not is_data(name) and (lower.endswith(_OTHER_FILES) or Path(name).expanduser().is_file()):
        raise UserError(
            f"{name} is no file of JSON lines by its name.",
            f"Write one object per line into a file such as mine.jsonl. {_FORMS}",
        )


def _refuse_same_file(specs: Sequence[SourceSpec]) -> None:
    """Refuse one file under two names, whose items would count twice."""
    seen: dict[Path, str] = {}
    for spec in specs:
        if _is_file(spec.name):
            known = seen.setdefault(Path(spec.name).expanduser().resolve(), spec.name)
            if known != spec.name:
                raise UserError(f"{known} and {spec.name} are one file.", f"Name it once: --train-data {known}")


def _is_file(name: str) -> bool:
    return name.endswith(LINES)


def _absolute(name: str) -> str:
    """Return the absolute path of a file, since a worker may run elsewhere; other names as they are."""
    return str(Path(name).expanduser().absolute()) if _is_file(name) else name
