"""Products of bfloat16 matrices on CPUs: summed in float32 and rounded once, as accelerators do, whatever the CPU has.

Without instructions for bfloat16 a CPU's own product takes ten times as long. It sums in float32 as well and rounds
once, so that the two differ where sums in another order fall on the other side of a rounding: in fewer than one element
of a thousand, and by one unit in its last place.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch.nn import functional
from torch.overrides import TorchFunctionMode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping


class _ProductsInFloat32(TorchFunctionMode):
    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:  # noqa: ANN401 - what func returns
        """Compute a linear map of bfloat16 on the CPU in float32, and anything else as it is."""
        del types
        named = dict(kwargs or {})
        if func is functional.linear and args and args[0].dtype == torch.bfloat16 and args[0].device.type == "cpu":
            exact = [None if one is None else one.float() for one in args]
            return func(
                *exact, **{name: None if one is None else one.float() for name, one in named.items()}
            ).bfloat16()
        return func(*args, **named)


def products_in_float32() -> TorchFunctionMode:
    """Return a context in which this thread's linear maps of bfloat16 on the CPU are summed in float32."""
    return _ProductsInFloat32()
