"""What trains and what answers: two identities, so that another version of what answers trains nothing again.

A checkpoint depends on what trains, an answer on both. Which questions are asked, and with which settings, is said by
``talan_eval.experiment``.
"""

from __future__ import annotations

import platform
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Final

from packaging.version import Version

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

TRAINING_PACKAGES: Final = ("talan-eval", "torch", "transformers", "peft", "tokenizers", "numpy")
"""Packages that can change a checkpoint. lm-eval is none: what it makes of training items is hashed with the items."""

ANSWERING_PACKAGES: Final = ("lm-eval", "math-verify", "sympy")
"""Packages beside those that can change an answer or its grade: prompts and decoding, equal formulas."""

LOSS_VERSION: Final = "1"
"""Of what held-out loss is; see ``talan_eval.generation.solution_loss``."""

_ABSENT: Final = "absent"
_OURS: Final = "talan-eval"


@dataclass(frozen=True, slots=True)
class TrainingIdentity:
    """What trains.

    Attributes:
        python: Version of Python.
        packages: Version of each of ``TRAINING_PACKAGES`` by name.
    """

    python: str
    packages: Mapping[str, str]

    @classmethod
    def here(cls) -> TrainingIdentity:
        """Return that of this environment."""
        return cls(platform.python_version(), installed(TRAINING_PACKAGES))

    def versions(self) -> dict[str, str]:
        """Return all versions by name."""
        return {"python": self.python, **self.packages}


@dataclass(frozen=True, slots=True)
class AnsweringIdentity:
    """What takes and grades answers.

    Attributes:
        packages: Version of each of ``ANSWERING_PACKAGES`` by name.
        grading: Version of the graders.
        backend: What the backend says of itself: name, version, dtype, attention.
        loss: Version of the held-out loss; None where it is not measured, so that answers keep their identity.
    """

    packages: Mapping[str, str]
    grading: str
    backend: Mapping[str, str]
    loss: str | None = None

    @classmethod
    def here(cls, grading: str, backend: Mapping[str, str], *, loss: bool = False) -> AnsweringIdentity:
        """Return that of this environment.

        Args:
            grading: Version of the graders.
            backend: From ``Backend.identity()``.
            loss: Whether the held-out loss is measured too.
        """
        return cls(installed(ANSWERING_PACKAGES), grading, dict(backend), LOSS_VERSION if loss else None)

    def versions(self) -> dict[str, str]:
        """Return all versions by name, those of the backend as "backend.name", "backend.version" and so on."""
        backend = {f"backend.{name}": value for name, value in self.backend.items()}
        loss = {} if self.loss is None else {"loss": self.loss}
        return {**self.packages, "grading": self.grading, **loss, **backend}


def installed(packages: Sequence[str]) -> dict[str, str]:
    """Return the version of each package, "absent" for one that is not installed."""
    return {name: _version(name) for name in packages}


def _version(name: str) -> str:
    try:
        # between releases our own version names a commit, most of which change no number
        return Version(version(name)).base_version if name == _OURS else version(name)
    except PackageNotFoundError:
        return _ABSENT
