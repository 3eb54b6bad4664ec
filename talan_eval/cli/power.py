"""``talan-eval power``: what an experiment of this size would see."""

from __future__ import annotations

from typing import TYPE_CHECKING

from talan_eval.cli.displayed import show_table
from talan_eval.cli.help import examples
from talan_eval.cli.output import terminal
from talan_eval.cli.outputs import write_named
from talan_eval.requests.commands import command_of
from talan_eval.requests.power import PowerRequest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from talan_eval.planning.forecast import Plan, Row
    from talan_eval.report.table import Table

DOC = """Say which true gain an experiment would find, and how many seeds or samples a given gain needs.

What is planned is the verdict of a comparison: guarded t, sign flips and, for a single benchmark, the adjustment
for all others (--cells, --contrasts). The plain t over seeds, which other planners have, stands beside it. Without
--from the variance components are assumptions: the defaults are those of a hard benchmark.
"""
EXAMPLES = examples(
    "talan-eval power --seeds 7 --items 500 --delta 1.4",
    "talan-eval power --items 500 --delta 1.4 --cells 4 --contrasts 3",
    "talan-eval power --from results/NAME --seeds 14 --delta 1",
    "talan-eval power --from results/NAME --contrast talan+lora:lora",
)

_VERDICT_SEEDS = 3
_POINTS = "points"


def perform(request: PowerRequest) -> None:
    """Print the plan."""
    import dataclasses  # noqa: PLC0415 - --help must not wait for what follows
    import json  # noqa: PLC0415 - as above

    from talan_eval.planning.forecast import make_plan  # noqa: PLC0415 - as above

    plan = make_plan(request)
    if request.json is not None:
        write_named(request.json, (json.dumps(dataclasses.asdict(plan), indent=2) + "\n").encode(), "--json")
    console = terminal()
    console.soft_wrap = not console.is_terminal
    console.print(
        f"{plan.n_seeds} seeds, {_count(plan.k, 'sample')} per item, two-sided alpha {plan.alpha:g}, "
        f"power {plan.power:.0%}. Variance components {plan.basis}.{_of_unit(plan)}",
        markup=False,
    )
    console.print()
    if dropped := show_table(console, main_table(plan)):
        names = ", ".join(column.name for column in dropped)
        console.print(f"Left out at this width: {names}. A pipe and --json FILE have every column.", markup=False)
    for line in legend(plan):
        console.print(line, markup=False)
    console.print()
    # the mean over benchmarks is the primary test; the tables of its parts are in --json
    for row in plan.rows if plan.rows[-1].n_items is not None else plan.rows[-1:]:
        show_table(console, size_table(row, plan))
    for line in floors(plan):
        console.print(line, markup=False)


def floors(plan: Plan) -> tuple[str, ...]:
    """Say what sign flips can and cannot show with so many seeds and benchmarks."""
    family = _count(plan.n_cells, "benchmark")
    if plan.n_contrasts > 1:
        family = f"the {plan.n_cells} cells of {plan.n_contrasts} contrasts"
    if plan.floor > plan.alpha:
        first = f"Sign flips of {plan.n_seeds} seeds give no p below {plan.floor:.4g}: nothing can be confirmed."
    else:
        first = f"Sign flips of {plan.n_seeds} seeds give no p below {plan.floor:.4g}; joint max-T keeps that floor."
    cannot = plan.holm_floor > plan.alpha
    second = f"Holm over {family} gives no sign-flip p below {plan.holm_floor:.4g}" + (
        f", so it can never reject; it could from {plan.seeds_for_holm} seeds on." if cannot else "."
    )
    return (first, second)


def main_table(plan: Plan) -> Table:
    """Build the table of benchmarks; the columns of rank 0 fit into 80 characters beside a name of 18."""
    from talan_eval.report.table import Column, Table  # noqa: PLC0415 - --help must not wait for it

    columns = [
        Column(("benchmark",), "benchmark", "left"),
        Column(("items",), "items", rank=2),
        Column(("sd of", "seed"), "sd of a seed", rank=3),
        Column(("MDE", f"{plan.power:.0%}"), f"MDE {plan.power:.0%}"),
        Column(("MDE", "of the t"), "MDE of the t", rank=1),
        Column(("gate", "margin"), "gate margin", rank=1),
    ]
    if plan.delta is not None:
        columns += [
            Column(("power", f"at {plan.delta:+g}"), f"power at {plan.delta:+g}"),
            Column(("of", "the t"), "power of the t", rank=1),
            Column(("seeds", "needed"), "seeds needed"),
            Column(("by", "the t"), "seeds needed by the t", rank=2),
            Column(("samples", "needed"), "samples needed", rank=1),
            Column(("over-", "stated"), "overstated", rank=2),
            Column(("PASS", f"at {abs(plan.delta):g}"), f"PASS at {abs(plan.delta):g}", rank=1),
        ]
    rows = []
    for row in plan.rows:
        cells = [row.name, "" if row.n_items is None else f"{row.n_items:,}", _gain(row.seed_sd, plan)]
        cells += [_gain(row.mde, plan), _gain(row.t_mde, plan), _gain(row.gate_margin, plan)]
        if plan.delta is not None:
            cells += ["" if chance is None else f"{chance:.0%}" for chance in (row.power, row.t_power)]
            cells.append(">1,000" if row.seeds is None else f"{row.seeds:,}")
            cells.append(">10,000" if row.t_seeds is None else f"{row.t_seeds:,}")
            cells.append(_range(row.samples))
            cells.append("" if row.exaggeration is None else f"{row.exaggeration.type_m:.1f} x")
            cells.append("n/a" if row.gate_pass is None else f"{row.gate_pass:.0%}")
        rows.append(tuple(cells))
    return Table(plan.unit.capitalize(), tuple(columns), tuple(rows))


def legend(plan: Plan) -> tuple[str, ...]:
    """Say what the columns mean."""
    power = f"{plan.power:.0%}"
    family = f"; of one benchmark after adjustment for {plan.n_cells} tests" if plan.n_cells > 1 else ""
    lines = [
        f"MDE {power}: true gain that is called better in {power} of experiments{family}.",
        "of the t: the same of the plain paired t over seeds, unadjusted, which no verdict rests on.",
    ]
    if plan.n_cells > 1:
        lines.append("Other benchmarks are taken to gain nothing, and the noise of benchmarks to be independent.")
    if plan.n_seeds < _VERDICT_SEEDS or any(row.mde is None for row in plan.rows):
        lines.append("n/a: so few seeds allow no verdict (3 for the mean, 5 for one benchmark among several).")
    if plan.delta is not None:
        lines.append("overstated: how many times the true gain a significant result shows on average.")
    if any(row.gate_margin is not None for row in plan.rows):
        lines.append(
            f"gate margin: with this margin (one-sided alpha {plan.alpha:g}) a gate says PASS in {power} of "
            "experiments in which nothing changed."
        )
        if plan.delta is not None:
            lines.append(f"PASS at {abs(plan.delta):g}: the same chance with a margin of {abs(plan.delta):g}.")
    if any(len(set(row.samples)) > 1 for row in plan.rows):
        lines.append("samples needed: 5+ is 5 at best, and never where decoding is no part of the noise.")
    return tuple(lines)


def _gain(size: float | None, plan: Plan) -> str:
    if size is None:
        return "n/a"
    return f"{size:.2f}" if plan.unit == _POINTS else f"{size:.3g}"


def _of_unit(plan: Plan) -> str:
    return "" if plan.unit == _POINTS else f" Gains, whatever their direction, are in {plan.unit}."


def _range(samples: Sequence[int | None]) -> str:
    """Return samples at best and at worst; None is never."""
    least, most = samples[0], samples[-1]
    if least is None:
        return "never"
    return f"{least:,}+" if most is None else "-".join(dict.fromkeys(f"{count:,}" for count in (least, most)))


def size_table(row: Row, plan: Plan) -> Table:
    """Build the table of the MDE over seeds and samples of the mean, or of one benchmark."""
    from talan_eval.planning.forecast import TABLE_SAMPLES, TABLE_SEEDS  # noqa: PLC0415 - --help must not wait for it
    from talan_eval.report.table import Column, Table  # noqa: PLC0415 - as above

    columns = (Column(("seeds",), "seeds"), *(Column((f"k = {k}",), f"k = {k}") for k in TABLE_SAMPLES))
    rows = tuple(
        (str(seeds), *(" to ".join(dict.fromkeys(_gain(size, plan) for size in cell)) for cell in line))
        for seeds, line in zip(TABLE_SEEDS, row.table, strict=True)
    )
    return Table(f"MDE {plan.power:.0%} of the verdict, {plan.unit}: {row.name}", columns, rows)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")


command = command_of(PowerRequest, perform, DOC)
