"""Checkpoints in memory, and what is shared of their passes: each is loaded once, and run once for all that need it.

State 00 is the backbone whatever the checkpoint, so one pass of the bare backbone serves all. State 10 of a checkpoint
is also what others of its backbone are set against. What is kept is bounded; what was dropped is loaded, or run, again.
"""

from __future__ import annotations

import contextlib
import threading
from collections import OrderedDict
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final, cast

import talan_core
from talan_core.analysis.capture import trace
from talan_core.backbones.load import load_model

if TYPE_CHECKING:
    from collections.abc import Iterator

    import torch
    from peft import PeftModel
    from transformers import PreTrainedModel

    from talan_core.analysis.capture import Positions, TokenBatch, Trace
    from talan_core.backbones.load import Revision
    from talan_core.plain import PlainModel
    from talan_eval.internals.subjects import StoredRun

    Model = PeftModel | PlainModel

BYTES_OF_MODELS: Final = 2**31
BYTES_OF_TRACES: Final = 2**30
_BACKBONE: Final = ""
"""Stands for the bare backbone where the name of a training does."""


@dataclass(frozen=True, slots=True)
class RunSetup:
    """How checkpoints are run.

    Attributes:
        revision: The backbone's files.
        dtype: "float32", beside which the depth is measured in bfloat16, or "bfloat16".
        device: torch device.
        positions: Which positions count.
    """

    revision: Revision
    dtype: str
    device: torch.device
    positions: Positions


@dataclass
class _Loaded:
    """A model in memory; one thread at a time runs it, because hooks see every pass."""

    model: Any
    bytes: int
    lock: threading.RLock = field(default_factory=threading.RLock)


class SharedPasses:
    """The models of one backbone and the traces that more than one of its measurements need; for several threads.

    Args:
        setup: How they are run.
        libraries: Held while libraries load: they change what all threads share.
    """

    def __init__(self, setup: RunSetup, libraries: threading.Lock) -> None:
        self.setup = setup
        self._libraries = libraries
        self._lock = threading.Lock()
        # By the name of a training, not by its weights: two arms may have the same and another layer or block.
        self._models: OrderedDict[tuple[str, str], _Loaded] = OrderedDict()
        self._traces: OrderedDict[tuple[str, str], Trace] = OrderedDict()

    @contextlib.contextmanager
    def model(self, run: StoredRun, dtype: str | None = None) -> Iterator[Model]:
        """Give a checkpoint in the type of all others or in another; no other thread runs it inside."""
        loaded = self._loaded(run, dtype or self.setup.dtype)
        with loaded.lock:
            yield loaded.model

    @contextlib.contextmanager
    def backbone(self) -> Iterator[PreTrainedModel]:
        """Give the bare backbone; no other thread runs it inside."""
        loaded = self._loaded(None, self.setup.dtype)
        with loaded.lock:
            yield loaded.model

    def plain(self, name: str, batch: TokenBatch) -> Trace:
        """Return the backbone's trace of a batch.

        Args:
            name: Name of the batch, the same for the same batch.
            batch: The batch.
        """
        return self._traced(None, name, batch)

    def adapted(self, run: StoredRun, name: str, batch: TokenBatch) -> Trace:
        """Return a checkpoint's trace of a batch in state 10; arguments as for `plain`."""
        return self._traced(run, name, batch)

    def stream_of(self, run: StoredRun, name: str, batch: TokenBatch) -> Trace:
        """Return the same, perhaps without logits."""
        return self._traced(run, name, batch, needs_logits=False)

    def forget_logits(self, run: StoredRun, name: str) -> None:
        """Drop the logits of a checkpoint's trace: it was measured, and others are set against its stream alone."""
        with self._lock:
            kept = self._traces.get((run.cell_id, name))
            if kept is not None:
                self._traces[run.cell_id, name] = replace(kept, logits=kept.logits[:0].clone())

    def take(self, run: StoredRun) -> Model:
        """Give a checkpoint away: it may be changed, and is loaded again if it is needed again."""
        loaded = self._loaded(run, self.setup.dtype)
        with loaded.lock, self._lock:
            self._models.pop((run.cell_id, self.setup.dtype), None)
        return cast("Model", loaded.model)

    def trim(self, done: StoredRun) -> None:
        """Drop models beyond what may be kept, least recently used first, and what was kept of a subject alone."""
        with self._lock:
            self._models.pop((done.cell_id, "bfloat16"), None)
            while len(self._models) > 1 and sum(one.bytes for one in self._models.values()) > BYTES_OF_MODELS:
                self._models.popitem(last=False)

    def _loaded(self, run: StoredRun | None, dtype: str) -> _Loaded:
        key = (_BACKBONE if run is None else run.cell_id, dtype)
        with self._libraries:
            with self._lock:
                kept = self._models.get(key)
                if kept is not None:
                    self._models.move_to_end(key)
                    return kept
            model: Any = load_model(self.setup.revision, dtype, self.setup.device)
            if run is not None:
                model = talan_core.load(run.directory, model).eval()
            loaded = _Loaded(model, sum(one.numel() * one.element_size() for one in model.parameters()))
            with self._lock:
                self._models[key] = loaded
            return loaded

    def _traced(self, run: StoredRun | None, name: str, batch: TokenBatch, *, needs_logits: bool = True) -> Trace:
        key = (_BACKBONE if run is None else run.cell_id, name)
        kept = self._kept(key, needs_logits=needs_logits)
        if kept is not None:
            return kept
        loaded = self._loaded(run, self.setup.dtype)
        with loaded.lock:  # whoever needs the same waits for it here
            kept = self._kept(key, needs_logits=needs_logits)
            if kept is not None:
                return kept
            found = trace(loaded.model, batch, "00" if run is None else "10")
        with self._lock:
            self._traces[key] = found
            while len(self._traces) > 1 and sum(map(_size, self._traces.values())) > BYTES_OF_TRACES:
                self._traces.popitem(last=False)
        return replace(found)

    def _kept(self, key: tuple[str, str], *, needs_logits: bool) -> Trace | None:
        """Return what is kept, as a copy: what is derived of it goes with whoever asked."""
        with self._lock:
            kept = self._traces.get(key)
            if kept is None or (needs_logits and len(kept.logits) == 0):
                return None
            self._traces.move_to_end(key)
            return replace(kept)


def _size(one: Trace) -> int:
    return sum(part.numel() * part.element_size() for part in (one.hidden, one.logits))
