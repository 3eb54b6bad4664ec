"""Writes the numbers of docs/findings.md from the committed results, so that none of them is typed.

    python benchmarks/findings_page.py

A study that is not committed has no row; a claim that no committed result speaks of says so.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from talan_core.backbones.operating_points import OPERATING_POINTS
from talan_core.size import block_share
from talan_eval.internals.findings import Internals
from talan_eval.internals.sentences import with_interval
from talan_eval.report.markdown import escape
from talan_eval.result.reading import read_result

if TYPE_CHECKING:
    from collections.abc import Iterator

    from talan_eval.internals.findings import ArmFindings, TaskFindings
    from talan_eval.result.schema import Contrast, Result

ROOT: Final = Path(__file__).parents[1]
PAGE: Final = ROOT / "docs" / "findings.md"
RESULTS: Final = ROOT / "results"
PAPER: Final = 1.41
"""The gain over LoRA that the paper reports, points."""
INSIDE: Final = ("internals_micro", "internals_smollm2")
_BEGIN: Final = "<!-- {}: begin (python benchmarks/findings_page.py writes this) -->\n"
_END: Final = "<!-- {}: end -->\n"


@dataclass(frozen=True, slots=True)
class Study:
    """A committed comparison.

    Attributes:
        directory: Below results/.
        scale: On what, in words.
    """

    directory: str
    scale: str


STUDIES: Final = (
    Study("micro_lora_vs_talan+lora", "bundled backbone, 1.3 M parameters; four bundled twins of 200 items"),
    Study("smollm2-135m_lora_vs_talan+lora", "SmolLM2-135M; 60 real GSM8K problems"),
)


def gains() -> str:
    """Write a row for each contrast of each study."""
    lines = [
        f"| study | arms | seeds | gain, points (E1 95 % interval) | E2 | p | positive | verdict | {PAPER:+.2f} is |",
        "|---|---|---:|---:|---:|---:|---|---|---|",
    ]
    for study in STUDIES:
        result = read_result(RESULTS / study.directory)
        lines += [_gain(study, result, contrast) for contrast in result.contrasts]
    return "\n".join(lines) + "\n"


def _gain(study: Study, result: Result, contrast: Contrast) -> str:
    mean = contrast.aggregate
    interval = "no interval" if mean.e1 is None else f"{mean.e1.ci[0]:+.2f} to {mean.e1.ci[1]:+.2f}"
    p = mean.adjusted_p if contrast == result.contrasts[0] else mean.family_p
    positive = "" if mean.positive is None else f"{mean.positive.positive} of {mean.positive.n_cells}"
    if mean.positive is not None and mean.positive.all_positive is not None:
        positive += f" (all by chance: {mean.positive.all_positive:.3f})"
    ends = [one.ci for one in (mean.e1, mean.e2) if one is not None]
    outside = [name for name, (low, high) in zip(("E1", "E2"), ends, strict=False) if not low <= PAPER <= high]
    e2 = "none" if mean.e2 is None else f"{mean.e2.ci[0]:+.2f} to {mean.e2.ci[1]:+.2f}"
    excluded = f"outside {' and '.join(outside)}" if outside else "inside both"
    return (
        f"| [{study.scale}](../results/{study.directory}/report.md) | {escape(contrast.name)} | {len(mean.seeds)} | "
        f"{mean.delta:+.2f} ({interval}) | {e2} | {p:.3f} | {positive} | {mean.verdict} | {excluded} |"
    )


def sizes() -> str:
    """Write how large a block is beside its backbone at the paper's operating points."""
    lines = ["| backbone | block, share of the backbone's parameters |", "|---|---:|"]
    for hub_id, point in OPERATING_POINTS.items():
        share = block_share(point.config, point.hidden_size, point.num_layers, point.parameters)
        lines.append(f"| {hub_id} | {100 * share:.3f} % |")
    return "\n".join(lines) + "\n"


def inside() -> str:
    """Write what the committed measurements say of the paper's sentences about the inside, by backbone and layer."""
    lines = ["| backbone, block, seeds | sentence of the paper | block | control |", "|---|---|---:|---:|"]
    for directory in INSIDE:
        found = Internals.from_json((RESULTS / directory / "internals.json").read_text("utf-8"))
        for arm in found.arms:
            if arm.layer is not None and arm.arm in ("talan+lora", "talan[layer=3]+lora"):
                lines += [f"| {row} |" for row in _sentences(arm, arm.tasks[0])]
    return "\n".join(lines) + "\n"


def _sentences(arm: ArmFindings, task: TaskFindings) -> Iterator[str]:
    where = f"{arm.backbone}, {escape(arm.arm)} (l\\* = {arm.layer}), {len(arm.seeds)}"
    values = task.values
    random = "random direction"
    own = with_interval(values["ratio_at_end"])
    yield f"{where} | adapter's update over the write, at L | {own} | the same by definition"
    control = f"{with_interval(values['random_ratio_of_effects'])} ({random})"
    yield f"{where} | the same of effects | {with_interval(values['ratio_of_effects'])} | {control}"
    control = f"{with_interval(values['random_end_cosine'])} ({random})"
    yield f"{where} | near-zero cosine at L | {with_interval(values['end_cosine'])} | {control}"
    yield f"{where} | the same, block minus random | {with_interval(values['end_cosine_over_random'])} | 0"
    for name, dtype in (("amplification", "float32"), ("amplification_bf16", "bfloat16")):
        control = f"{with_interval(values[f'random_{name}'])} ({random})"
        yield f"{where} | growth from l\\* to L, {dtype} | {with_interval(values[name])} | {control}"
    for name, dtype in (("amplification", "float32"), ("amplification_bf16", "bfloat16")):
        own = with_interval(values[f"{name}_over_random"])
        yield f"{where} | the same, block minus random, {dtype} | {own} | 0"
    control = f"{with_interval(values['random_kl'])} ({random})"
    yield f"{where} | next-token distributions, KL of the block | {with_interval(values['block_kl'])} | {control}"
    yield f"{where} | the same, block minus random | {with_interval(values['kl_over_random'])} | 0"


BLOCKS: Final = {"gains": gains, "sizes": sizes, "inside": inside}


def updated(page: str) -> str:
    """Return the page with its numbers written anew.

    Raises:
        ValueError: It lacks the place of one of them.
    """
    for name, write in BLOCKS.items():
        first, last = _BEGIN.format(name), _END.format(name)
        begin, end = page.find(first), page.find(last)
        if begin < 0 or end < begin:
            raise ValueError(f"the page has no place for {name}")
        page = f"{page[: begin + len(first)]}\n{write()}\n{page[end:]}"
    return page


if __name__ == "__main__":
    PAGE.write_text(updated(PAGE.read_text("utf-8")), "utf-8")
