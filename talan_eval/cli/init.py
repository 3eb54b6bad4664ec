"""``talan-eval init``: a commented experiment file, to be kept beside the paper."""

from __future__ import annotations

import json
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from talan_core.errors import UserError
from talan_eval.cli.help import examples
from talan_eval.cli.output import say
from talan_eval.requests.compare import CompareRequest
from talan_eval.requests.fields import declared

if TYPE_CHECKING:
    from collections.abc import Mapping
    from dataclasses import Field

EXAMPLES = examples(
    "talan-eval init",
    "talan-eval init paper/main.toml",
    "talan-eval compare experiment.toml --seeds 5",
)
_WIDTH = 100
_ACTIVE = ("base", "treat", "seeds", "backbone")
_FOR_EXAMPLE: Final[Mapping[str, str | int | float | list[str]]] = {
    "seeds": "7",
    "tasks": "gsm8k_micro,mbpp_micro",
    "fixed": ["lora"],
    "include_path": ["my_tasks"],
    "metric": ["arc_easy=acc_norm"],
    "few_shot": 5,
    "limit": 50,
    "data_dir": "data",
    "base_url": "http://127.0.0.1:8000/v1",
    "served": ["mine=mine-{seed}"],
    "max_tokens": 256,
    "temperature": 0.7,
    "template_date": "2024-07-26",
    "out": "results/main",
    "json": "result.json",
    "recipe": ["epochs=2", "packing=true"],
    "contrast": ["talan+dora:dora"],
    "steps": 96,
    "batch_size": 8,
    "learning_rate": 0.003,
    "eval_batch": 64,
    "train_tasks": "gsm8k_micro",
    "train_data": "mine.jsonl:2,gsm8k:1",
    "workers": 2,
    "ray_address": "auto",
    "sbatch": ["partition=gpu", "time=240", "mem=32G"],
    "gpus_per_run": 0.5,
    "slices": "subject,level",
    "also": "wilcoxon,cmh",
    "margin": 1.0,
    "reduce": "pass@4",
    "weights": ["gsm8k_micro=2"],
}
"""What may stand in options that have no default."""


def command(
    file: Annotated[Path, typer.Argument(help="Where to write it.")] = Path("experiment.toml"),
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
) -> None:
    """Write a commented experiment file with every option of compare, at its default where it has one.

    Run it with: talan-eval compare experiment.toml. What is typed on the command line comes before the file.
    """
    from talan_eval.store.atomic import atomic_write_bytes, make_directory  # noqa: PLC0415 - --help must not wait for it

    if file.exists() and not force:
        raise UserError(f"{file} exists.", f"Choose another name, or replace it: talan-eval init {file} --force")
    make_directory(file.parent)
    atomic_write_bytes(file, experiment_file().encode())
    say(f"Written {file}. Run it with: talan-eval compare {file}\n")


def experiment_file() -> str:
    """Return the file: every option of ``compare`` with its help and default, all but the first few as comments."""
    head = (
        "# An experiment of talan-eval. Run it with: talan-eval compare FILE\n"
        "# What is typed on the command line comes before it. Every option: talan-eval compare --help\n"
    )
    return head + "".join(_entry(field) for field in declared(CompareRequest))


def _entry(field: Field[Any]) -> str:
    name, default = field.name.rstrip("_"), field.default
    comment = textwrap.fill(field.metadata["help"], _WIDTH, initial_indent="# ", subsequent_indent="# ")
    mark = "" if field.name in _ACTIVE else "# "
    if default is None or default == ():
        example = f"{name} = {json.dumps(_FOR_EXAMPLE[name])}"
        return f"\n{comment}\n{example}\n" if mark == "" else f"\n{comment}\n# {example}  # for example\n"
    value = json.dumps(str(default) if isinstance(default, Path) else default)
    return f"\n{comment}\n{mark}{name} = {value}\n"
