"""``internals.md``: what was found, in tables, each number beside its control."""

from __future__ import annotations

from typing import TYPE_CHECKING

from talan_eval.internals.findings import ALL_TASKS, by_distance
from talan_eval.internals.quantities import BY_NAME, QUANTITIES
from talan_eval.internals.sentences import gain, number, sentences, span, with_interval
from talan_eval.report.markdown import escape, table
from talan_eval.report.table import Column, Table

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from talan_eval.internals.findings import ArmFindings, Band, Internals, SeedMean, TaskFindings
    from talan_eval.report.plots import Figure

HOW_TO_READ = (
    (
        "A number is a mean over positions within an example, over examples, over benchmarks, and then over training "
        "seeds; in brackets its guarded t interval over seeds, examples fixed."
    ),
    (
        "A control stands beside each quantity: what anything of that size would have done. Ranges of controls go over "
        "seeds and draws together, and are as wide as seeds differ, so a block within one may still differ from the "
        "random direction of its own seed. What decides is their difference seed by seed with its interval: the "
        'quantities that end in "over_random".'
    ),
    (
        "Controls that are drawn are shown by their whole range over seeds and draws; a random direction has at each "
        "position the norm that the block's write has there."
    ),
    (
        "Near-zero cosines are what any two directions in a space of many dimensions have, and means over many "
        "positions of unrelated ones are far nearer to 0 than single pairs: the random direction beside shows how near."
    ),
    (
        "A run differs from its base by what the block writes and by how training went on from there. What re-seeding "
        "alone does stands beside it."
    ),
)


def render(found: Internals, figures: Sequence[Figure] = ()) -> str:
    """Write everything that was found.

    Args:
        found: What was found.
        figures: The figures that stand beside it as ``NAME.svg``.
    """
    sections = [
        "# Inside the arms",
        escape(_measured(found)),
        *(f"> {escape(warning)}" for warning in found.warnings),
        "## What the paper says, measured here",
        "\n".join(f"- {escape(text)}" for text in sentences(found)),
        *(f"![{escape(one.title)}]({one.name}.svg)\n\n{escape(one.description)}" for one in figures),
        *(section for arm in found.arms for section in _arm(arm)),
        *_configurations(found),
        "## How to read this",
        "\n".join(f"- {escape(text)}" for text in HOW_TO_READ),
        "## Definitions",
        _definitions(found),
        f"Comparison {found.experiment_sha256[:12]}.",
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


def _measured(found: Internals) -> str:
    how = found.measurement
    beside = f", growth in bfloat16 beside it on at most {how.rounded}" if how.dtype == "float32" else ""
    return (
        f"Teacher-forced on prompt and reference solution of at most {how.examples} items of each of "
        f"{', '.join(how.tasks)}; {how.dtype}{beside}; positions that count: {how.positions}; {how.draws} control "
        f"draws per seed; {how.fresh} fresh draws of weights; intervals of level {1 - how.alpha:.0%}."
    )


def _arm(arm: ArmFindings) -> Iterator[str]:
    where = "no block" if arm.layer is None else f"block at l* = {arm.layer} of L = {arm.layers} layers"
    yield f"## {escape(arm.arm)} on {escape(arm.backbone)}"
    base = "" if arm.base is None else f" Set against {arm.base} on the same seeds."
    yield escape(f"Seeds {', '.join(map(str, arm.seeds))}; {where}; d = {arm.hidden_size}.{base}")
    yield table(_values(arm))
    for task in arm.tasks[: 1 if len(arm.tasks) == 2 else None]:  # noqa: PLR2004 - all of one is that one
        name = "all benchmarks" if task.task == ALL_TASKS else task.task
        yield f"### By layer, {escape(name)}"
        yield table(_by_layer(task))
    if arm.shape:
        yield "### How alike the curves of two benchmarks are"
        yield table(_shapes(arm))
    if arm.weights is not None:
        yield from _weights(arm)


def _values(arm: ArmFindings) -> Table:
    task = arm.tasks[0]
    rows = []
    for quantity in QUANTITIES:
        one = task.values.get(quantity.name)
        if one is not None and (one.mean is not None or arm.layer is not None):
            control = span(task.bands.get(quantity.band or ""))
            beside = f"{quantity.control}: {control}" if control else _chance(arm, quantity.control, quantity.unit)
            rows.append((quantity.name, quantity.formula, _shown(one), beside))
    return _table("Quantities", ("quantity", "formula", "mean over seeds", "control"), rows)


def _chance(arm: ArmFindings, control: str, unit: str) -> str:
    if unit == "cosine" and "random vectors" in control:
        return f"{control}: {number(arm.random_cosine.lower)} to {number(arm.random_cosine.upper)}"
    return control


def _shown(one: SeedMean) -> str:
    return with_interval(one) if one.mean is not None else f"n/a: {one.reason}"


def _by_layer(task: TaskFindings) -> Table:
    names = [name for name in task.curves if name not in {one.band for one in QUANTITIES}]
    headers, rows = ["l"], []
    for name in names:
        headers.append(name)
        if _band_of(task, name) is not None:
            headers.append(f"{name} of a random direction")
    for at in range(len(next(iter(task.curves.values())).points)):
        row = [str(at)]
        for name in names:
            row.append(with_interval(task.curves[name].points[at]))
            band = _band_of(task, name)
            if band is not None:
                row.append(span(band, at) or "n/a")
        rows.append(tuple(row))
    return _table("By layer", headers, rows)


def _band_of(task: TaskFindings, name: str) -> Band | None:
    return task.bands.get(BY_NAME[name].band or "")


def _shapes(arm: ArmFindings) -> Table:
    rows = [(one.quantity, number(one.mean), number(one.lowest)) for one in arm.shape]
    return _table("Shapes", ("curve", "mean correlation", "lowest"), rows)


def _weights(arm: ArmFindings) -> Iterator[str]:
    weights = arm.weights
    if weights is None:
        return
    if weights.update:
        yield "### What the adapter adds up to"
        rows = [(kind, with_interval(one)) for kind, one in weights.update.items()]
        yield table(_table("Update", ("kind of layer", "|Delta W|_F"), rows))
    if not weights.tensors:
        return
    yield f"### Weights of the block, {weights.parameters:,} numbers"
    gate = weights.gate_rms
    if gate is not None and weights.gate_largest is not None and weights.gate_of_ceiling is not None:
        yield escape(
            f"Gate: RMS {with_interval(gate)}, largest {with_interval(weights.gate_largest)}, RMS over the sum of "
            f"learning rates {with_interval(weights.gate_of_ceiling)}."
        )
    groups = [
        tuple(map(with_interval, (one.share, one.from_start, one.from_fresh, one.rms_of_ceiling)))
        for one in weights.groups
    ]
    heads = ("share of the squared update", "from its start", "from fresh draws", "RMS of the ceiling")
    named = [(one.group, *row) for one, row in zip(weights.groups, groups, strict=True)]
    yield table(_table("Groups", ("group", *heads), named))
    tensors = [
        (one.name, *map(with_interval, (one.from_start, one.from_fresh, one.start_from_fresh, one.rms_of_ceiling)))
        for one in weights.tensors
    ]
    heads = ("from its start", "from fresh draws", "its start from fresh draws (control)", "RMS of the ceiling")
    yield table(_table("Tensors", ("tensor", *heads), tensors))


def _configurations(found: Internals) -> Iterator[str]:
    for one in found.configurations:
        yield f"## Distance to the best configuration, {escape(one.kind)}, on {escape(one.backbone)}"
        rows = [
            (str(place), other.arm, number(other.distance), gain(other.gain, other.ci), str(other.left_out))
            for place, other in enumerate(by_distance(one), 1)
        ]
        heads = ("number", "configuration", f"distance to {one.best}", "gain, points", "features left out")
        if one.best_gain is not None:
            yield escape(f"{one.best} gained {gain(one.best_gain, one.best_ci)} points.")
        yield table(_table("Distances", heads, rows))
        yield escape(one.caution)


def _definitions(found: Internals) -> str:
    rows = [
        (one.name, one.formula, one.unit, one.control, "paper's name, our formula" if one.paper else "ours")
        for one in found.definitions
    ]
    return table(_table("Definitions", ("quantity", "formula", "unit", "control", "whose"), rows))


def _table(title: str, names: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    columns = tuple(Column((name,), name, "left") for name in names)
    return Table(title, columns, tuple(tuple(row) for row in rows))
