"""``talan-eval calibrate``: simulate how often the intervals hold what they promise."""

from __future__ import annotations

from talan_eval.cli.help import examples
from talan_eval.cli.output import terminal
from talan_eval.requests.commands import command_of
from talan_eval.requests.power import CalibrateRequest

DOC = """Simulate experiments whose true gain is known, and count what the intervals, tests and gates make of them.

Prints the tables of coverage, false claims, families, gates and peeking. With --out records, manifest and tables are
written, and the same command goes on where a killed one stopped.
"""
EXAMPLES = examples(
    "talan-eval calibrate",
    "talan-eval calibrate --settings full --replicates 2000 --seed 0 --out results/calibration",
)


def perform(request: CalibrateRequest) -> None:
    """Run the study and print its tables."""
    import tempfile  # noqa: PLC0415 - --help must not wait for what follows
    from pathlib import Path  # noqa: PLC0415 - as above

    from rich.markdown import Markdown  # noqa: PLC0415 - as above
    from rich.progress import Progress  # noqa: PLC0415 - as above

    from talan_eval.calibration.study import make_study, run_study  # noqa: PLC0415 - as above
    from talan_eval.calibration.study_tables import all_tables  # noqa: PLC0415 - as above

    study = make_study(request.settings, request.replicates, request.seed)
    console = terminal()
    with tempfile.TemporaryDirectory() as scratch, Progress(console=console, transient=True) as shown:
        task = shown.add_task("settings", total=len(study.settings))
        directory = Path(scratch) if request.out is None else request.out
        records = run_study(study, directory, lambda done, total: shown.update(task, completed=done, total=total))
    console.print(Markdown(all_tables(records)))
    if request.out is not None:
        console.print(
            f"Written to {request.out}: records.jsonl, manifest.json, tables.md", markup=False, soft_wrap=True
        )


command = command_of(CalibrateRequest, perform, DOC)
