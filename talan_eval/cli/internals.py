"""``talan-eval internals``: what the trained checkpoints of a comparison do inside their backbone."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Self

from talan_core.errors import UserError
from talan_core.extras import need_train
from talan_eval.cli.completion import COMPLETED
from talan_eval.cli.help import examples
from talan_eval.cli.output import terminal
from talan_eval.requests.commands import command_of
from talan_eval.requests.internals import InternalsRequest

if TYPE_CHECKING:
    from pathlib import Path

    from rich.console import Console

    from talan_eval.internals.findings import Internals
    from talan_eval.internals.sitting import MeasuringStep

DOC = """Measure what block and adapter do inside the model, each number beside its control, from stored checkpoints.

Writes internals.json, internals.md and figures (SVG and PNG, extra "plots") to RESULTS/internals. Nothing is trained.
Killed at any point, the same command goes on where it stopped. docs/internals.md says what each quantity is and how to
read it. A directory that holds results and no checkpoints is archived: the command then says what to run.
"""
EXAMPLES = examples(
    "talan-eval internals results/NAME",
    "talan-eval internals results/NAME --task gsm8k_micro --examples 200",
    "talan-eval internals results/NAME --positions prompt --out inside/",
)


def perform(request: InternalsRequest) -> None:
    """Measure and write every face."""
    # Progress is shown by one display of ours; the libraries' bars would write into it.
    os.environ.setdefault("TQDM_DISABLE", "1")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")

    need_train("Measuring inside a model")
    from talan_eval.internals import faces  # noqa: PLC0415 - --help must not wait for it
    from talan_eval.internals.sitting import check_request, measure_comparison  # noqa: PLC0415 - as above

    check_request(request)
    if request.results.is_file():
        raise UserError(
            f"{request.results} is a file; the checkpoints are in the directory of the comparison.",
            f"Type: talan-eval internals {request.results.parent}",
        )
    out = request.out or request.results / "internals"
    console = terminal()
    with _Progress(console) as progress:
        found = measure_comparison(request, out, progress)
    files = faces.render(found)
    _write(files, out)
    _summarise(console, found, out, sorted(files))


def _summarise(console: Console, found: Internals, out: Path, names: list[str]) -> None:
    from talan_eval.internals.sentences import sentences  # noqa: PLC0415 - see perform

    for line in sentences(found):
        console.print(f"- {line}", markup=False, soft_wrap=True)
    for warning in found.warnings:
        console.print(f"Note: {warning}", markup=False, soft_wrap=True)
    shown = [name for name in names if not name.endswith(".png")]
    console.print(f"Written to {out}: {', '.join(shown)}", markup=False, soft_wrap=True)


def _write(files: dict[str, bytes], out: Path) -> None:
    from talan_eval.internals.faces import FIGURE_FILE  # noqa: PLC0415 - see perform
    from talan_eval.store.atomic import atomic_write_bytes  # noqa: PLC0415 - as above

    for name, content in files.items():
        atomic_write_bytes(out / name, content)
    for path in out.iterdir():  # figures of what was measured here before, which this write-up does not have
        if FIGURE_FILE.fullmatch(path.name) and path.name not in files:
            path.unlink()


class _Progress:
    """One line per finished measurement; on a terminal a bar with the examples of the one that is under way."""

    def __init__(self, console: Console) -> None:
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn  # noqa: PLC0415 - see perform

        self._console = console
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            TextColumn("{task.completed:.0f} of {task.total:.0f}"),
            TimeElapsedColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._row = self._bar.add_task("checkpoints", total=None)
        self._began = time.monotonic()
        self._first: int | None = None

    def __enter__(self) -> Self:
        """Start the display."""
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop and clear it."""
        self._bar.stop()

    def __call__(self, step: MeasuringStep) -> None:
        """Show one step."""
        if self._first is None:
            self._first = step.finished
            if step.finished:
                self._console.print(f"{step.finished} of {step.total} measurements were there before")
        run = step.subject.run
        label = f"{run.arm} seed {run.seed}: {step.task}"
        whole = step.finished + (step.done / step.examples if step.task != "weights" else 0)
        self._bar.update(self._row, description=label, completed=whole, total=step.total)
        if not self._console.is_terminal and step.done == step.examples and step.task == "weights":
            seconds = time.monotonic() - self._began
            left = seconds * (step.total - step.finished) / max(step.finished - self._first, 1)
            rest = f", about {left:.0f} s left" if step.finished < step.total else ""
            self._console.print(
                f"[{step.finished}/{step.total}] {run.arm} seed {run.seed} on {run.backbone} ({seconds:.0f} s{rest})",
                markup=False,
                soft_wrap=True,
            )


command = command_of(InternalsRequest, perform, DOC, completed=COMPLETED)
