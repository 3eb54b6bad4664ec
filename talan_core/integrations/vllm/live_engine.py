"""What a live engine is told beside vLLM's own calls, by `LLM.collective_rpc`; vLLM mixes it into its worker."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Mapping

    import torch

    from talan_core.integrations.vllm.paged_block import PagedBlock


class TalanWorker:
    """Changes weights and block of a model. The caller resets the prefix cache afterwards, or stale keys answer."""

    def talan_reload(self, weights: Mapping[str, torch.Tensor]) -> None:
        """Take over a backbone's weights, but for its experts, which must be those that are there.

        vLLM packs experts for the processor when they are first loaded, and on CPUs computes with other numbers once
        they have been loaded again (0.32.0: log-probabilities off by 2 on a backbone that was reloaded as it was).

        Args:
            weights: By the names of files; see `talan_core.merging.plain_tensors`.
        """
        plain = ((name, value) for name, value in weights.items() if not is_expert(name))
        cast("Any", self).reload_weights(weights_iterator=plain)

    def talan_open(self, directory: str) -> None:
        """Take over the block of a checkpoint; see `PagedBlock.read`."""
        self._talan_block().read(Path(directory))

    def talan_silence(self) -> None:
        """Let the block write nothing; see `PagedBlock.silence`."""
        self._talan_block().silence()

    def _talan_block(self) -> PagedBlock:
        model = cast("Any", self).model_runner.get_model()
        return cast("PagedBlock", model.talan)


def is_expert(name: str) -> bool:
    """Say whether a weight of this name is one of an expert's."""
    return ".experts." in name
