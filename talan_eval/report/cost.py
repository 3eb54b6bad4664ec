"""What each arm cost: trained parameters, memory, and time of training and answering."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from talan_eval.report import format as fmt
from talan_eval.report.table import Column, Table

if TYPE_CHECKING:
    from collections.abc import Mapping

    from talan_eval.result.schema import Result

_MILLI: Final = 1000
_GIGABYTE: Final = 1e9
_TITLE: Final = "Cost; wall-clock times are summed over seeds, and processes side by side slow each other"


@dataclass(frozen=True, slots=True)
class _Arm:
    """What was recorded of an arm.

    Attributes:
        training: Seconds over all seeds.
        evaluation: Seconds over all seeds, grading included.
        parameters: Trained parameters; None where that was not recorded.
        memory: Most bytes of GPU memory in a training; None as well where there was no GPU.
    """

    training: float
    evaluation: float
    parameters: int | None
    memory: int | None


def cost_table(result: Result) -> Table:
    """Build the table of what each arm cost; no rows where its times were not recorded.

    Per fine-tuning and per answer only where no cell was given up: the times count those too, the numbers would not.
    Trained parameters and GPU memory (the most of a training, backbone included) have columns where a result records
    them; the memory of a CPU's processes is mostly that of libraries, and is not recorded.
    """
    arms = _recorded(result)
    names = ["fine-tunings", "training s", "s per fine-tuning", "training, relative"]
    names += ["answers", "evaluation s", "ms per answer", "evaluation, relative"]
    has_parameters = any(arm.parameters is not None for arm in arms.values())
    has_memory = any(arm.memory is not None for arm in arms.values())
    names = ["trained parameters"] * has_parameters + ["training GPU GB"] * has_memory + names
    columns = (Column(("arm",), "arm", "left"), *(Column((name,), name) for name in names))
    base = arms.get(result.base)
    if base is None:
        return Table(_TITLE, columns, ())
    whole = not result.failed_cells
    trained = Counter(probe.arm for probe in result.live_probes if whole)
    answers = _answers(result) if whole else 0
    rows = tuple(
        (
            name,
            *((fmt.MISSING if arm.parameters is None else f"{arm.parameters:,}",) * has_parameters),
            *((fmt.MISSING if arm.memory is None else f"{arm.memory / _GIGABYTE:.2f}",) * has_memory),
            *_time(arm.training, base.training, trained[name] if arm.training else 0, 1),  # the backbone is not trained
            *_time(arm.evaluation, base.evaluation, answers, _MILLI),
        )
        for name, arm in arms.items()
    )
    return Table(_TITLE, columns, rows)


def _recorded(result: Result) -> Mapping[str, _Arm]:
    """Read what each arm cost; the base arm first. Empty where the provenance does not say."""
    times = result.provenance.get("times")
    arms = times.get("by_arm") if isinstance(times, dict) else None
    if not isinstance(arms, dict):
        return {}
    found = {}
    for arm in (result.base, result.treat):
        own = arms.get(arm)
        if isinstance(own, dict):
            training, evaluation = own.get("training_seconds"), own.get("evaluation_seconds")
            if isinstance(training, int | float) and isinstance(evaluation, int | float):
                sizes = [own.get("trained_parameters"), own.get("peak_memory_bytes")]
                found[arm] = _Arm(
                    float(training), float(evaluation), *(size if isinstance(size, int) else None for size in sizes)
                )
    return found


def _answers(result: Result) -> int:
    """Return how many answers each arm gave."""
    return sum((cell.n_items + cell.n_dropped) * cell.n_seeds * cell.k for cell in result.cells)


def _time(seconds: float, base: float, count: int, unit: float) -> tuple[str, ...]:
    """Return how many (0: not known), their seconds, seconds times unit of one, and the ratio to the base arm."""
    known = f"{count:,}" if count else fmt.MISSING
    return known, f"{seconds:.1f}", f"{unit * seconds / count:.1f}" if count else fmt.MISSING, _ratio(seconds, base)


def _ratio(value: float, base: float) -> str:
    return f"{value / base:.2f}x" if base > 0 else fmt.MISSING
