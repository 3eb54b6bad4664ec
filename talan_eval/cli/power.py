"""``talan-eval power``: what an experiment of this size would see."""

from __future__ import annotations

from typing import TYPE_CHECKING

from talan_eval.cli.files import write_named
from talan_eval.cli.options import command_of
from talan_eval.power_request import PowerRequest

if TYPE_CHECKING:
    from rich.table import Table

    from talan_eval.planning import Plan, Row

DOC = """Say which true gain an experiment would find, and how many seeds or samples a given gain needs.

The t test over seeds is planned with the noncentral t distribution; "guarded" is the test that verdicts rest on.
Without --from the variance components are assumptions: the defaults are those of a hard benchmark.
"""
EXAMPLES = (
    "Examples:  talan-eval power --seeds 7 --items 500 --delta 1.4  |  "
    "talan-eval power --items 198 --samples 8  |  talan-eval power --from results/NAME --seeds 14 --delta 1"
)


def perform(request: PowerRequest) -> None:
    """Print the plan."""
    import dataclasses  # noqa: PLC0415 - --help must not wait for what follows
    import json  # noqa: PLC0415 - as above

    from rich.console import Console  # noqa: PLC0415 - as above

    from talan_eval.planning import make_plan  # noqa: PLC0415 - as above

    plan = make_plan(request)
    if request.json is not None:
        write_named(request.json, (json.dumps(dataclasses.asdict(plan), indent=2) + "\n").encode(), "--json")
    console = Console(highlight=False)
    console.print(
        f"{plan.n_seeds} seeds, {_count(plan.k, 'sample')} per item, two-sided alpha {plan.alpha:g}, "
        f"power {plan.power:.0%}. Variance components {plan.basis}.",
        markup=False,
    )
    console.print(_main(plan))
    # the mean over benchmarks is the primary test; the tables of its parts are in --json
    for row in plan.rows if plan.rows[-1].n_items is not None else plan.rows[-1:]:
        console.print(_by_size(row, plan))
    for line in floors(plan):
        console.print(line, markup=False)


def floors(plan: Plan) -> tuple[str, ...]:
    """Say what sign flips can and cannot show with so many seeds and benchmarks."""
    family = _count(plan.n_cells, "benchmark")
    if plan.floor > plan.alpha:
        first = f"Sign flips of {plan.n_seeds} seeds give no p below {plan.floor:.4g}: nothing can be confirmed."
    else:
        first = f"Sign flips of {plan.n_seeds} seeds give no p below {plan.floor:.4g}; joint max-T keeps that floor."
    cannot = plan.holm_floor > plan.alpha
    second = f"Holm over {family} gives no sign-flip p below {plan.holm_floor:.4g}" + (
        f", so it can never reject; it could from {plan.seeds_for_holm} seeds on." if cannot else "."
    )
    return (first, second)


def _main(plan: Plan) -> Table:
    from rich import box  # noqa: PLC0415 - --help must not wait for it
    from rich.table import Table  # noqa: PLC0415 - as above

    table = Table(box=box.SIMPLE_HEAD, title="Points", title_justify="left")
    headings = ["benchmark", "items", "sd of a seed", f"MDE {plan.power:.0%}", "guarded"]
    if plan.delta is not None:
        headings += [f"power at {plan.delta:+g}", "seeds needed", "samples needed", "exaggeration"]
    for heading in headings:
        table.add_column(heading, justify="left" if heading == "benchmark" else "right")
    for row in plan.rows:
        cells = [row.name, "" if row.n_items is None else f"{row.n_items:,}", f"{row.seed_sd:.2f}", f"{row.mde:.2f}"]
        cells.append("" if row.guarded_mde is None else f"{row.guarded_mde:.2f}")
        if plan.delta is not None:
            cells.append("" if row.power is None else f"{row.power:.0%}")
            cells.append("over 10,000" if row.seeds is None else f"{row.seeds:,}")
            needs = dict.fromkeys("never" if count is None else f"{count:,}" for count in row.samples)
            cells.append(" to ".join(needs))
            cells.append("" if row.exaggeration is None else f"{row.exaggeration.type_m:.1f} times")
        table.add_row(*cells)
    return table


def _by_size(row: Row, plan: Plan) -> Table:
    from rich import box  # noqa: PLC0415 - --help must not wait for it
    from rich.table import Table  # noqa: PLC0415 - as above

    from talan_eval.planning import TABLE_SAMPLES, TABLE_SEEDS  # noqa: PLC0415 - as above

    table = Table(box=box.SIMPLE_HEAD, title=f"MDE {plan.power:.0%}, points: {row.name}", title_justify="left")
    table.add_column("seeds", justify="right")
    for samples in TABLE_SAMPLES:
        table.add_column(f"k = {samples}", justify="right")
    for seeds, line in zip(TABLE_SEEDS, row.table, strict=True):
        table.add_row(str(seeds), *(" to ".join(dict.fromkeys(f"{value:.2f}" for value in cell)) for cell in line))
    return table


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")


command = command_of(PowerRequest, perform, DOC)
