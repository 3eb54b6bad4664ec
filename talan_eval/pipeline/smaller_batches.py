"""Fewer prompts at a time for all arms, where those of one did not fit into memory.

In low precision an answer can depend on its batch, so no arm may be answered in another one than those that it is
compared with: the whole comparison goes on in a directory of its own, which takes over what was trained.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from talan_eval.execution.attempts import TooManyPromptsError
from talan_eval.generation.registry import BATCHES

if TYPE_CHECKING:
    from collections.abc import Callable

    from talan_eval.intake.prepare import Prepared
    from talan_eval.requests.grid import GridRequest

_Request = TypeVar("_Request", bound="GridRequest")
_Found = TypeVar("_Found")


def in_batches_that_fit(
    work: Callable[[_Request, Prepared], _Found], request: _Request, prepared: Prepared, hear: Callable[[str], None]
) -> _Found:
    """Compute a request, with half as many prompts at a time as often as an evaluation runs out of memory.

    A batch that was typed is kept, and so is that of a backend that makes its own: there the failures are the outcome.

    Args:
        work: Computes it; where `Prepared.may_stop`, memory that does not suffice is a `TooManyPromptsError`.
        request: The options as typed.
        prepared: What was made of them.
        hear: Told that all arms are asked again.
    """
    from talan_eval.intake.prepare import prepare  # noqa: PLC0415 - heavy

    typed, may_restart = request, request.eval_batch is None and prepared.assignments[0].backend not in BATCHES
    while True:
        batches = [one.eval_batch for one in prepared.experiment.backbones]
        smallest = min(batches)  # one number is for all backbones, and none of them may get a larger one
        try:
            return work(request, replace(prepared, may_stop=may_restart and smallest > 1))
        except TooManyPromptsError as error:
            smaller = smallest // 2
            place = None if typed.out is None else typed.out.resolve()
            out = None if place is None else place.with_name(f"{place.name}-{smaller}")
            request = replace(typed, eval_batch=smaller, out=out)
            prepared = prepare(request)
            hear(
                f"{error}: out of memory with {' or '.join(map(str, dict.fromkeys(batches)))} prompts at a time. All "
                f"arms are asked again with {smaller}, in {prepared.assignments[0].directory}, which takes over what "
                f"was trained. To ask with more again, type --eval-batch {smallest}"
            )
