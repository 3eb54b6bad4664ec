"""A pytest fixture, for projects whose tests hold a result to account: a thin use of the same gate.

    def test_the_adapter_is_no_worse(talan_gate):
        talan_gate("results/main", margin=1.0)

The fixture fails the test when a loss was shown or something is missing; what could not be decided fails too, and says
that it is no regression, unless ``allow_inconclusive`` is given.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import pytest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from talan_eval.gate.facts import GateReport


class TalanGate(Protocol):
    """What the fixture is."""

    def __call__(
        self,
        result: str | Path,
        *,
        margin: float,
        per_cell: bool = False,
        allow_inconclusive: bool = False,
        contrast: str | Sequence[str] = (),
    ) -> GateReport:
        """Gate a result; see ``talan-eval gate``. ``contrast`` is TREATMENT:BASE, or several; all when empty."""


@pytest.fixture
def talan_gate() -> TalanGate:
    """Return the gate as a function that fails the test where the gate does not pass."""

    def gate(
        result: str | Path,
        *,
        margin: float,
        per_cell: bool = False,
        allow_inconclusive: bool = False,
        contrast: str | Sequence[str] = (),
    ) -> GateReport:
        from talan_eval.gate import CheckOutcome, GateSettings, decide  # noqa: PLC0415 - pytest starts without them
        from talan_eval.gate.wording import headline  # noqa: PLC0415 - as above
        from talan_eval.report.clean import clean  # noqa: PLC0415 - as above
        from talan_eval.report.command_breaking import without_commands  # noqa: PLC0415 - as above
        from talan_eval.result.choosing import chosen_contrasts  # noqa: PLC0415 - as above
        from talan_eval.result.reading import read_result  # noqa: PLC0415 - as above

        found = read_result(Path(result), f'talan_gate("results/NAME", margin={margin:g})')
        names = (contrast,) if isinstance(contrast, str) else tuple(contrast)
        chosen = chosen_contrasts(found, names) if names else ()
        settings = GateSettings(margin, per_cell=per_cell, unit=found.measure.unit)
        report = decide(found, settings, contrasts=chosen)
        accepted = {CheckOutcome.PASS, *([CheckOutcome.INCONCLUSIVE] if allow_inconclusive else [])}
        if report.outcome not in accepted:
            pytest.fail(without_commands(clean(headline(report))), pytrace=False)
        return report

    return gate
