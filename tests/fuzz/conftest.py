"""A table of what came of the inputs: how many, refused, accepted; tracebacks and silent acceptances."""

from __future__ import annotations

import pytest

from .harness import INPUTS, TALLY

PROPERTY = "inputs"
CONTROLS = "test_the_fuzzer_catches"


def pytest_runtest_setup():
    """Begin to count."""
    TALLY.clear()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_makereport(item, call):
    """Hand the counts of a test to its report, which travels between processes."""
    if call.when == "call" and not item.name.startswith(CONTROLS):
        for name, count in TALLY.items():
            item.user_properties.append((PROPERTY, [name, count.inputs, count.refused, count.accepted]))


def pytest_terminal_summary(terminalreporter):
    """Show the table after a long run; a test stops at its first bad input, and is named above."""
    if INPUTS == 300:
        return
    terminalreporter.section(f"{INPUTS} inputs for each reader")
    form = "{:<40} {:>8} {:>8} {:>8} {:>10} {:>17}"
    terminalreporter.line(form.format("reader", "inputs", "refused", "accepted", "tracebacks", "silently accepted"))
    reports = [one for kind in ("passed", "failed") for one in terminalreporter.stats.get(kind, ())]
    for report in reports:
        rows = [row for name, row in report.user_properties if name == PROPERTY]
        silent = report.failed and "SilentlyAcceptedError" in str(report.longrepr)
        for row in rows:
            is_bad = report.failed and row is rows[-1]
            terminalreporter.line(form.format(*row, int(is_bad and not silent), int(is_bad and silent)))
