"""The backends by name. A new one is a file that implements ``talan_eval.generation.backend.Backend``, and a line.

One of another package is an entry point; see :mod:`talan_core.extensions`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Final, cast

from talan_core.errors import unknown_name
from talan_core.extensions import Extended

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from talan_eval.generation.backend import Backend, BackendOptions

    _Place = str | Callable[[BackendOptions], Backend]

BACKENDS: Final[Extended[_Place]] = Extended(
    "talan_eval.backends",
    {
        "transformers": "talan_eval.generation.transformers_backend:TransformersBackend",
        "vllm": "talan_eval.generation.vllm_backend:VllmBackend",
        "openai": "talan_eval.generation.openai_backend:OpenaiBackend",
    },
    lambda _, found: "" if callable(found) else "it cannot be called with BackendOptions",
)
"""Where each backend's class is; its module is imported when it is made, because it loads a heavy library."""


AUTO: Final = "auto"
"""As a name: what is fastest here; see :mod:`talan_eval.intake.backend_choice`."""
BATCHES: Final[Mapping[str, int]] = {"vllm": 256, "openai": 64}
"""Prompts at a time where none are asked for and a backend schedules them by itself; the backbone's otherwise."""


def check_backend_name(name: str, known: Mapping[str, _Place] = BACKENDS) -> str:
    """Return the name of a backend if there is one.

    Raises:
        UserError: There is none of that name.
    """
    if name not in known and name != AUTO:
        raise unknown_name("backend", name, [*known, AUTO])
    return name


def make_backend(name: str, options: BackendOptions, known: Mapping[str, _Place] = BACKENDS) -> Backend:
    """Make a backend; no weights are loaded.

    Args:
        name: As registered.
        options: What every backend is made from.
        known: The registry.

    Raises:
        UserError: There is none of that name.
    """
    place = known[check_backend_name(name, known)]
    if not isinstance(place, str):  # of another package
        return place(options)
    module, _, cls = place.partition(":")
    return cast("Backend", getattr(import_module(module), cls)(options))
