"""``talan-eval runs``: what is in a results directory, whether it is sound, and what is not needed any more."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from talan_core.errors import UserError, printable
from talan_eval.cli.help import HelpfulCommand, HelpfulGroup, examples
from talan_eval.cli.output import say

if TYPE_CHECKING:
    from collections.abc import Iterator

    from talan_eval.records.listing import ExperimentStatus, Unlisted
    from talan_eval.store.store import Store

EXAMPLES = examples(
    "talan-eval runs",
    "talan-eval runs results/NAME",
    "talan-eval runs verify",
    "talan-eval runs gc --finished --yes",
)
_DEFAULT: Final = Path("results")
_MEGABYTE: Final = 2**20
Directory = Annotated[
    Path, typer.Argument(help="A results root (results when left out), or the directory of one experiment.")
]


class _ListByDefault(HelpfulGroup):
    """``runs DIR`` is ``runs list DIR``."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:  # noqa: ANN401 - the types of typer's private click
        """Take a first word that is no command for a directory."""
        known = args and args[0] in self.list_commands(ctx)
        return super().resolve_command(ctx, args if known else ["list", *args])


app = typer.Typer(
    cls=_ListByDefault,
    help="List experiments and cells, check every checksum, remove checkpoints that nothing needs.",
    epilog=EXAMPLES,
    rich_markup_mode=None,
    invoke_without_command=True,
)


@app.callback()
def runs(context: typer.Context) -> None:
    """List experiments and cells, check every checksum, remove checkpoints that nothing needs."""
    if context.invoked_subcommand is None:
        list_runs(_DEFAULT)


@app.command("list", cls=HelpfulCommand)
def list_runs(directory: Directory = _DEFAULT) -> None:
    """List the experiments of a results root with their status; of one experiment, its cells."""
    from talan_eval.records.listing import Unlisted, experiments_in, status_of  # noqa: PLC0415 - --help must not wait

    entries = experiments_in(directory)
    found = [entry if isinstance(entry, Unlisted) else status_of(entry) for entry in entries]
    if found[0].directory == directory:
        _write(_cells(found[0]))
    else:
        _write(_experiments(found))


@app.command(cls=HelpfulCommand)
def verify(directory: Directory = _DEFAULT) -> None:
    """Check every checksum of records, samples, checkpoints and reports; exit code 1 if any is damaged or gone."""
    from talan_eval.records.listing import HARMLESS, Unlisted, experiments_in  # noqa: PLC0415 - --help must not wait

    damaged = unchecked = 0
    for entry in experiments_in(directory):
        if isinstance(entry, Unlisted):
            unchecked += entry.state not in HARMLESS
            _write([f"{entry.directory}: {entry.state}, not checked: {entry.reason}"])
            continue
        sound, problems = _verified(entry)
        damaged += len(problems)
        _write([*problems, f"{entry.directory}: {sound} sound, {len(problems)} damaged"])
    if damaged:
        _write(["The same compare command computes what is damaged again, and nothing else."])
    if damaged or unchecked:
        raise typer.Exit(1)


@app.command(cls=HelpfulCommand)
def gc(
    directory: Directory = _DEFAULT,
    finished: Annotated[
        bool,
        typer.Option("--finished", help="Also those whose evaluations are all finished: nothing is left to ask them."),
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Remove them; without it they are only listed.")] = False,
) -> None:
    """Remove orphan checkpoints: those of no cell of their experiment, damaged ones, and what killed writers left."""
    from talan_eval.records.listing import HARMLESS, Unlisted, experiments_in, orphans  # noqa: PLC0415 - as above

    total = 0.0
    for store in experiments_in(directory):
        if isinstance(store, Unlisted):
            if store.state not in HARMLESS:
                _write([f"{store.directory}: {store.state}, left alone: {store.reason}"])
            continue
        with store.lock():  # which removes what killed writers left
            for name in orphans(store, finished=finished):
                checkpoint = store.directory / "checkpoints" / name
                size = sum(file.stat().st_size for file in checkpoint.rglob("*") if file.is_file()) / _MEGABYTE
                total += size
                if yes:
                    store.remove_checkpoint(name)
                _write([f"{'removed' if yes else 'removable'}  {size:8.1f} MB  {checkpoint}"])
    if not total:
        _write(["Nothing to remove."])
    elif yes:
        _write([f"{total:.1f} MB removed; what another experiment has adopted stays there."])
    else:
        again = f"talan-eval runs gc {directory}{' --finished' if finished else ''} --yes"
        _write([f"{total:.1f} MB could be removed. Nothing was; type: {again}"])


def _verified(store: Store) -> tuple[int, list[str]]:
    """Return how many records and checkpoints are sound, and a sentence for each that is not, and for each report."""
    from talan_eval.records.listing import report_faults  # noqa: PLC0415 - as below
    from talan_eval.store.records import CorruptedError  # noqa: PLC0415 - --help must not wait for it

    state = store.verify()
    problems = list(state.problems)
    names = store.checkpoint_names()
    for name in names:
        try:
            store.check_checkpoint(name)
        except CorruptedError as error:
            problems.append(f"Checkpoint {name} counts as missing: {error}.")
    return len(state.records) + len(names) + len(state.problems) - len(problems), [*problems, *report_faults(store)]


def _experiments(found: list[ExperimentStatus | Unlisted]) -> Iterator[str]:
    from talan_eval.records.listing import ExperimentStatus  # noqa: PLC0415 - --help must not wait for it

    yield f"{'evaluations':>14}{'failed':>8}  {'state':<14}{'created':<27}experiment"
    for one in found:
        name = one.directory.name
        if isinstance(one, ExperimentStatus):
            done = f"{one.count('finished')}/{one.evaluations}" if one.experiment is not None else "?"
            yield f"{done:>14}{one.count('failed'):>8}  {_state(one):<14}{one.created:<27}{name}"
        else:
            yield f"{'?':>14}{'?':>8}  {one.state:<14}{'':<27}{name} ({one.reason})"


def _cells(one: ExperimentStatus | Unlisted) -> Iterator[str]:
    from talan_eval.records.listing import Unlisted  # noqa: PLC0415 - --help must not wait for it

    if isinstance(one, Unlisted):
        fix = "Restore it from a copy, or move it away: the same compare command then starts again."
        raise UserError(f"{one.directory} cannot be listed ({one.state}): {one.reason}.", fix)
    if one.experiment is None:
        raise UserError(
            f"{one.directory} was written by a version whose experiments this one cannot list.",
            "Its report.md and result.json can be read as they are.",
        )
    yield f"{one.directory}: {_state(one)}{f' by {one.holder}' if one.holder else ''}"
    for arm in one.experiment.stored:
        yield f"stored    {arm.what}, {arm.where}: {arm.name}"
    for cell in one.cells:
        what = cell.task or "training"
        yield f"{cell.status:<9} {what:<20} {cell.arm} seed {cell.seed}"


def _state(one: ExperimentStatus) -> str:
    if one.experiment is None:
        return "other version"
    if one.holder:
        return "running"
    if one.count("finished") == one.evaluations:
        return "complete" if one.reported else "computed"
    return "incomplete"


def _write(lines: Iterator[str] | list[str]) -> None:
    """Write lines; a name in them can neither end a line nor steer the terminal."""
    say("".join(printable(line).replace("\n", "\\n") + "\n" for line in lines))
