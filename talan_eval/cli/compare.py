"""``talan-eval compare``: train both arms with paired seeds, evaluate, and print the table."""

from __future__ import annotations

import contextlib
import os
import sys
from typing import TYPE_CHECKING

from talan_eval.cli.options import command_of
from talan_eval.request import CompareRequest

if TYPE_CHECKING:
    from collections.abc import Iterator

DOC = """Train both arms with paired seeds, evaluate them on the same items, and say whether they differ.

Writes report.md, result.json, manifest.json and the graded answers. Killed at any point, the same command goes on
where it stopped. The default backbone and benchmarks are bundled: nothing is downloaded.
"""
EXAMPLES = (
    "Examples:  talan-eval compare --base lora --treat talan+lora --seeds 7  |  "
    "talan-eval compare --base dora --treat 'talan[slots=4]+dora' --seeds 0,3,5 --tasks gsm8k_micro"
)


def perform(request: CompareRequest) -> None:
    """Run the comparison and print its table."""
    # Progress is shown by one display of ours; the libraries' bars would write into it.
    os.environ.setdefault("TQDM_DISABLE", "1")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")

    from rich.console import Console  # noqa: PLC0415 - --help must not wait for it

    from talan_eval.cli.progress import progress_for  # noqa: PLC0415 - as above
    from talan_eval.execution.attempts import Attempts  # noqa: PLC0415 - as above
    from talan_eval.execution.local import LocalExecutor  # noqa: PLC0415 - as above
    from talan_eval.execution.prepare import prepare  # noqa: PLC0415 - as above
    from talan_eval.execution.session import open_session  # noqa: PLC0415 - as above
    from talan_eval.report.terminal import TerminalReport  # noqa: PLC0415 - as above

    console = Console(highlight=False)
    prepared = prepare(request)
    with open_session(prepared) as session:
        for problem in session.problems:
            console.print(problem, markup=False)
        if session.missing:
            finished = len(session.runs) - len(session.missing)
            with progress_for(console, runs=len(session.missing), cached=finished) as progress, _interruptible():
                attempts = Attempts(session.store, session.missing, prepared.retries, progress)
                LocalExecutor(prepared.workers).perform_all(prepared.assignment, attempts, progress)
        result = session.write_reports(also=request.json)
    console.print(TerminalReport(result))
    console.print(
        f"Written to {session.store.directory}: report.md, result.json, manifest.json, samples/",
        markup=False,
        soft_wrap=True,
    )
    session.check_complete()


@contextlib.contextmanager
def _interruptible() -> Iterator[None]:
    """Say what an interrupt leaves; typer turns the interrupt itself into exit code 130."""
    try:
        yield
    except KeyboardInterrupt:
        sys.stderr.write("Interrupted. Finished cells are kept: the same command goes on from here.\n")
        raise


command = command_of(CompareRequest, perform, DOC)
