"""The draws of problems by family: as the backbone read them, and as the benchmarks ask them."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from talan_core.backbones.micro.world import algebra, holdings, programs, science, word_problems

if TYPE_CHECKING:
    from talan_core.backbones.micro.world.problem import Draw

CORPUS: Final[dict[str, Draw]] = {
    "gsm8k": word_problems.draw,
    "math500": algebra.draw,
    "gpqa_diamond": science.draw,
    "mbpp": programs.draw,
}
# Three of the benchmarks are harder than the corpus, so that a trained adapter does not solve all of them.
BENCHMARKS: Final[dict[str, Draw]] = {
    **CORPUS,
    "gsm8k": partial(word_problems.draw, limits=word_problems.BENCHMARK),
    "math500": algebra.draw_benchmark,
    "mbpp": programs.draw_benchmark,
    "ledger": holdings.draw,
}
