"""Everything random in a run, from one seed: one independent stream per purpose, the same in both arms of a pair.

The streams are independent of each other by hashing, so that an arm that draws more initial values (because it has a
TALAN block) sees the same partner weights, the same dropout masks and the same data as the arm that does not.
"""

from __future__ import annotations

import contextlib
import hashlib
import random
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import torch

Stream = Literal["partner-init", "talan-init", "dropout", "data-order"]
"""What a random stream is for."""


def derive_seed(seed: int, stream: Stream) -> int:
    """Derive the seed of one stream.

    Args:
        seed: The run's seed, 0 included.
        stream: What the stream is for.

    Returns:
        An integer in [0, 2^63), from SHA-256 of both; it does not depend on platform or version.
    """
    return _hashed(f"talan:{seed}:{stream}")


def data_order(seed: int, num_examples: int, num_draws: int) -> list[int]:
    """Draw the order in which examples are used.

    Args:
        seed: The run's seed.
        num_examples: Number of examples in the training set.
        num_draws: Number of examples that the run uses.

    Returns:
        `num_draws` indices: permutations of the training set, one after the other, the last one cut off.
    """
    import torch  # noqa: PLC0415 - deriving a seed must not load torch

    generator = torch.Generator().manual_seed(derive_seed(seed, "data-order"))
    order: list[int] = []
    while len(order) < num_draws:
        order.extend(torch.randperm(num_examples, generator=generator).tolist())
    return order[:num_draws]


def mixed_order(seed: int, sources: Sequence[str], weights: Mapping[str, float], num_draws: int) -> list[int]:
    """Draw the order in which the examples of several sources are used, each source with its share.

    Args:
        seed: The run's seed.
        sources: The source of each example.
        weights: A positive weight for each source; the others are not drawn from.
        num_draws: Number of examples that the run uses.

    Returns:
        `num_draws` indices. The source that is furthest behind its share comes next, so none is ever a whole draw
        ahead; the examples of a source come in permutations of it, one after the other, from a stream of its own.
    """
    import torch  # noqa: PLC0415 - deriving a seed must not load torch

    members = {name: [at for at, source in enumerate(sources) if source == name] for name in weights}
    streams = {name: torch.Generator().manual_seed(_hashed(f"talan:{seed}:data-order:{name}")) for name in weights}
    waiting: dict[str, list[int]] = {name: [] for name in weights}
    drawn = dict.fromkeys(weights, 0)
    total = sum(weights.values())
    order: list[int] = []
    for count in range(1, num_draws + 1):
        name = max(weights, key=lambda name: weights[name] / total * count - drawn[name])
        if not waiting[name]:
            permutation = torch.randperm(len(members[name]), generator=streams[name]).tolist()
            waiting[name] = [members[name][at] for at in reversed(permutation)]
        order.append(waiting[name].pop())
        drawn[name] += 1
    return order


@contextlib.contextmanager
def random_state_restored(device: torch.device) -> Iterator[None]:
    """Give the caller its global random state back afterwards: Python's, NumPy's, torch's, and the device's.

    Args:
        device: The device whose generator may be used inside.
    """
    import numpy as np  # noqa: PLC0415 - deriving a seed must not load numpy
    import torch  # noqa: PLC0415 - nor torch

    python_state = random.getstate()
    numpy_state = np.random.get_state()  # noqa: NPY002 - saved and restored because libraries use it
    own = device.type not in ("cpu", "meta")  # a model of shapes only draws nothing
    try:
        with torch.random.fork_rng(devices=[device] if own else [], device_type=device.type if own else "cuda"):
            yield
    finally:
        random.setstate(python_state)
        np.random.set_state(numpy_state)  # noqa: NPY002 - see above


def _hashed(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1
