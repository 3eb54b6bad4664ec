"""What each arm cost: trained parameters, memory, and time of training and answering."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from talan_eval.report.own_recipes import own_recipe
from talan_eval.report.table import ColumnOf, Table, tabulate

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from talan_eval.report import format as fmt
    from talan_eval.result.schema import Result

_MILLI: Final = 1000
_TITLE: Final = "Cost; wall-clock times are summed over seeds, and processes side by side slow each other"


@dataclass(frozen=True, slots=True)
class _Time:
    """How long something took in all.

    Attributes:
        seconds: Over all seeds.
        count: How often it was done; None where that is not known.
        base: Seconds of the base arm.
    """

    seconds: float
    count: int | None
    base: float

    def each(self, unit: float) -> float | None:
        """Return the time of one, in seconds over the unit."""
        return unit * self.seconds / self.count if self.count else None

    @property
    def ratio(self) -> float | None:
        """Times the base arm's; None where that took no time."""
        return self.seconds / self.base if self.base > 0 else None


@dataclass(frozen=True, slots=True)
class _Arm:
    """What was recorded of an arm.

    Attributes:
        name: The arm.
        training: Its trainings.
        evaluation: Its answers, grading included.
        parameters: Trained parameters; None where that was not recorded.
        memory: Most bytes of GPU memory in a training; None as well where there was no GPU.
        recipe: What of its recipe is not that of all arms; None for nothing.
        stages: Its trainings one after the other, with steps and trained parameters; None where it is one.
    """

    name: str
    training: _Time
    evaluation: _Time
    parameters: int | None
    memory: int | None
    recipe: str | None
    stages: str | None = None


def _timed(names: tuple[str, str, str, str], unit: float, of: Callable[[_Arm], _Time]) -> tuple[ColumnOf[_Arm], ...]:
    """Return the columns of how many, their seconds, the time of one, and the ratio to the base arm."""
    count, seconds, each, ratio = names
    return (
        ColumnOf((count,), count, kind="count", value=lambda arm: of(arm).count),
        ColumnOf((seconds,), seconds, kind="seconds", value=lambda arm: of(arm).seconds),
        ColumnOf((each,), each, kind="seconds", value=lambda arm: of(arm).each(unit)),
        ColumnOf((ratio,), ratio, kind="ratio", value=lambda arm: of(arm).ratio),
    )


def _parameters(arm: _Arm) -> fmt.Value:
    return arm.parameters


def _memory(arm: _Arm) -> fmt.Value:
    return arm.memory


def _recipe(arm: _Arm) -> fmt.Value:
    return arm.recipe


def _stages(arm: _Arm) -> fmt.Value:
    return arm.stages


_COLUMNS: Final[tuple[ColumnOf[_Arm], ...]] = (
    ColumnOf(("arm",), "arm", "left", value=lambda arm: arm.name),
    ColumnOf(("own recipe",), "own recipe", "left", optional=True, value=_recipe),
    ColumnOf(("stages",), "stages", "left", optional=True, value=_stages),
    ColumnOf(("trained parameters",), "trained parameters", kind="count", optional=True, value=_parameters),
    ColumnOf(("training GPU GB",), "training GPU GB", kind="gigabytes", optional=True, value=_memory),
    *_timed(
        ("fine-tunings", "training s", "s per fine-tuning", "training, relative"), 1, lambda arm: arm.training
    ),
    *_timed(
        ("answers", "evaluation s", "ms per answer", "evaluation, relative"), _MILLI, lambda arm: arm.evaluation
    ),
)  # fmt: skip


def cost_table(result: Result) -> Table:
    """Build the table of what each arm cost; no rows where its times were not recorded.

    Per fine-tuning and per answer only where no cell was given up: the times count those too, the numbers would not.
    Trained parameters and GPU memory (the most of a training, backbone included) have columns where a result records
    them; the memory of a CPU's processes is mostly that of libraries, and is not recorded. Times are compared with
    those of the primary contrast's base arm.
    """
    return tabulate(_TITLE, _COLUMNS, _recorded(result))


def _recorded(result: Result) -> list[_Arm]:
    """Read what each arm cost, in the order of the result. Empty where the provenance does not say of the base arm."""
    times = result.provenance.get("times")
    arms = times.get("by_arm") if isinstance(times, dict) else None
    if not isinstance(arms, dict):
        return []
    spent = {name: _seconds(arms.get(name)) for name in dict.fromkeys(arm.name for arm in result.arms)}
    base = spent.get(result.primary.contrast.base)
    if base is None:
        return []
    whole = not result.failed_cells
    trained = Counter(probe.arm for probe in result.probes if whole)
    answers = _answers(result) if whole else {}
    found = []
    for name, seconds in spent.items():
        own = arms.get(name)
        if seconds is None or not isinstance(own, dict):
            continue
        count = trained[name] if seconds[0] else 0  # the backbone is not trained
        sizes = [own.get("trained_parameters"), own.get("peak_memory_bytes")]
        parameters, memory = (size if isinstance(size, int) else None for size in sizes)
        training = _Time(seconds[0], count or None, base[0])
        evaluation = _Time(seconds[1], answers.get(name), base[1])
        found.append(_Arm(name, training, evaluation, parameters, memory, own_recipe(result, name), _said(own)))
    return found


def _said(own: Mapping[str, object]) -> str | None:
    """Say the stages of an arm: name, steps and trained parameters of each; None where they were not recorded."""
    stages = own.get("stages")
    if not isinstance(stages, list):
        return None
    try:
        said = (
            f"{a['name']}: {a['steps']} steps, {a['tokens']:,} tokens, {a['trained_parameters']:,} parameters"
            for a in stages
        )
        return "; ".join(said) or None
    except (KeyError, TypeError, ValueError):  # a result may have been written by hand
        return None


def _seconds(own: object) -> tuple[float, float] | None:
    if not isinstance(own, dict):
        return None
    training, evaluation = own.get("training_seconds"), own.get("evaluation_seconds")
    if isinstance(training, int | float) and isinstance(evaluation, int | float):
        return float(training), float(evaluation)
    return None


def _answers(result: Result) -> Mapping[str, int]:
    """Return how many answers each arm gave: every evaluation once, however many contrasts it is in.

    Those on the seeds of a confirmation are among them, as their time is: all items were asked there.
    """
    given: dict[tuple[str, str, str], int] = {}
    items: dict[tuple[str, str], int] = {}
    for contrast in result.contrasts:
        for cell in contrast.cells:
            asked = (cell.n_items + cell.n_dropped) * cell.k
            items[cell.backbone, cell.task] = asked
            given[contrast.base, cell.backbone, cell.task] = asked * len(cell.base_by_seed)
            given[contrast.treatment, cell.backbone, cell.task] = asked * len(cell.seeds)
    for record in () if result.selection is None else result.selection.arms:
        for score in record.scores if record.kind != "fixed" else ():
            given[record.name, record.backbone, score.task] += items[record.backbone, score.task] * len(score.seeds)
    total: Counter[str] = Counter()
    for (arm, _, _), count in given.items():
        total[arm] += count
    return total
