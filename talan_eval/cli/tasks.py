"""``talan-eval tasks``: which benchmarks there are, and what one question looks like."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from talan_core.errors import UserError, unknown_name
from talan_core.extras import need_train
from talan_eval.cli.completion import backbones, tasks
from talan_eval.cli.displayed import show_table
from talan_eval.cli.help import HelpfulCommand, HelpfulGroup, examples
from talan_eval.cli.output import note, say, terminal

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from talan_eval.generation_settings import GenerationSettings
    from talan_eval.report.table import Table
    from talan_eval.tasks.benchmark import Benchmark, Item
    from talan_eval.tasks.catalog import Entry

EXAMPLES = examples(
    "talan-eval tasks --data-dir DIR",
    "talan-eval tasks show gsm8k_micro --few-shot 2",
    "talan-eval tasks show gsm8k --item test/3 --answer '#### 540'",
)
PROTECTED = "Reminder: the authors ask that no item is published in plain text; name items by their id.\n"
_DATA_DIR = Annotated[
    Path | None, typer.Option(help="Directory of the real benchmarks' data (or set TALAN_EVAL_DATA_DIR); else the Hub.")
]

app = typer.Typer(
    cls=HelpfulGroup,
    help="List the benchmarks by the names that --tasks takes, with counts, versions and where the data was found. "
    "lm-eval reads the same files with --include_path.",
    epilog=EXAMPLES,
    invoke_without_command=True,
    rich_markup_mode=None,
)


@app.callback()
def listing(context: typer.Context, data_dir: _DATA_DIR = None) -> None:
    """List the benchmarks by the names that --tasks takes, with counts, versions and where the data was found.

    lm-eval reads the same files with --include_path.
    """
    if context.invoked_subcommand is not None:
        if data_dir is not None:
            raise UserError(
                "--data-dir stands before the subcommand.", "Type it behind: tasks show NAME --data-dir DIR."
            )
        return
    from talan_eval.tasks.benchmark import tasks_directory  # noqa: PLC0415 - as above
    from talan_eval.tasks.catalog import catalog  # noqa: PLC0415 - --help must not wait for it

    entries = catalog(data_dir)
    console = terminal()
    show_table(console, _table(entries))
    for text in _where(entries):
        console.print(text, markup=False, soft_wrap=not console.is_terminal)
    console.print(f"Files of the tasks: {tasks_directory()}", markup=False, soft_wrap=True)
    console.print("One item: talan-eval tasks show NAME --item ID", markup=False, soft_wrap=True)


def _table(entries: Sequence[Entry]) -> Table:
    from talan_eval.report.table import ColumnOf, tabulate  # noqa: PLC0415 - as above

    columns: tuple[ColumnOf[Entry], ...] = (
        ColumnOf(("benchmark",), "benchmark", "left", value=lambda one: one.name),
        ColumnOf(("items",), "items", kind="count", value=lambda one: one.n_items),
        ColumnOf(("train",), "train", kind="count", value=lambda one: one.n_train),
        ColumnOf(("version",), "version", "left", value=lambda one: one.version),
        ColumnOf(("grader",), "grader", "left", value=lambda one: one.grader),
        ColumnOf(("data",), "data", "left", value=lambda one: one.data.state),
    )
    return tabulate("Benchmarks", columns, entries)


def _where(entries: Sequence[Entry]) -> Iterator[str]:
    """Say once of each state what it means, and where the items are."""
    said = {
        "checked": "checked: complete and unchanged.",
        "unusable": "unusable: this data directory cannot be compared on.",
        "Hub": "Hub: no data directory is named (--data-dir, or TALAN_EVAL_DATA_DIR), so pinned revisions are read.",
    }
    for state, meaning in said.items():
        of_state = [entry for entry in entries if entry.data.state == state]
        if of_state:
            yield meaning
            yield from (f"  {entry.name}: {entry.data.detail}" for entry in of_state)


@app.command(cls=HelpfulCommand, epilog=EXAMPLES)
def show(
    name: Annotated[str, typer.Argument(help="A benchmark, such as gsm8k.", autocompletion=tasks)],
    item: Annotated[str | None, typer.Option(help="Id of the item; the first when left out.")] = None,
    data_dir: _DATA_DIR = None,
    few_shot: Annotated[int, typer.Option(help="Worked examples before the question.")] = 0,
    backbone: Annotated[
        str | None, typer.Option(help="Render with this backbone's chat template.", autocompletion=backbones)
    ] = None,
    thinking: Annotated[bool, typer.Option("--thinking", help="Let the model think first; needs --backbone.")] = False,
    answer: Annotated[str | None, typer.Option(help="Grade this answer to the item as well.")] = None,
) -> None:
    """Print one prompt as a model sees it, its target, and how an answer is graded."""
    need_train("Showing an item as a model is asked it")
    os.environ.setdefault("TQDM_DISABLE", "1")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    from talan_eval.generation_settings import GenerationSettings  # noqa: PLC0415 - --help must not wait for it
    from talan_eval.grading.graders import EXPLANATIONS, grade_answers  # noqa: PLC0415 - as above
    from talan_eval.tasks.benchmark import check_names, load_benchmark  # noqa: PLC0415 - as above

    (short,) = check_names([name])
    settings = GenerationSettings(few_shot=few_shot, thinking=thinking)
    benchmark = load_benchmark(short, data_dir=data_dir, limit=None, settings=settings)
    chosen = _chosen(benchmark, item)
    spec = benchmark.spec
    ends = f"after {spec.max_tokens} tokens" + (f" or at {', '.join(map(repr, spec.stop))}" if spec.stop else "")
    sections = [
        f"{spec.name} {spec.version}, item {chosen.item_id}",
        f"--- prompt\n{_prompt(benchmark, chosen, settings, backbone)}",
        f"--- target\n{_target(benchmark, chosen)}",
        f"--- grading ({spec.grader}, {spec.metric})\n{EXPLANATIONS[spec.grader]} An answer ends {ends}.",
    ]
    if answer is not None:
        (grade,) = grade_answers(spec.grader, [chosen.doc], [answer])
        sections.append(f"--- verdict on the given answer\n{grade.verdict} (score {grade.score:g}): {grade.reason}")
    say("\n\n".join(sections) + "\n")
    if not spec.publish_text:
        note(PROTECTED)


def _chosen(benchmark: Benchmark, item_id: str | None) -> Item:
    if item_id is None:
        return benchmark.items[0]
    for item in benchmark.items:
        if item.item_id == item_id:
            return item
    known = [item.item_id for item in benchmark.items]
    error = unknown_name("item", item_id, known)
    hint = error.fix.partition("Valid:")[0]
    raise UserError(error.problem, f"{hint}{benchmark.spec.name} has {len(known)} items; type --item {known[0]}.")


def _prompt(benchmark: Benchmark, item: Item, settings: GenerationSettings, backbone: str | None) -> str:
    place = benchmark.items.index(item)
    render = None
    if backbone is not None:
        from talan_core.backbones.load import locate  # noqa: PLC0415 - heavy
        from talan_core.backbones.names import find_backbone  # noqa: PLC0415 - as above
        from talan_eval.generation.prompts import chat_renderer, open_tokenizer  # noqa: PLC0415 - as above
        from talan_eval.generation_settings import DEFAULT_TEMPLATE_DATE  # noqa: PLC0415 - as above

        dated = dataclasses.replace(settings, template_date=DEFAULT_TEMPLATE_DATE)
        render = chat_renderer(open_tokenizer(locate(find_backbone(backbone)), dated), settings)
    return str(benchmark.requests(render)[place].args[0])


def _target(benchmark: Benchmark, item: Item) -> str:
    """Return what an answer is compared with: the tests of a program, else the answer."""
    return "\n".join(item.doc["tests"]) if benchmark.spec.runs_code else str(item.doc["answer"])
