"""``talan-eval tasks``: which benchmarks there are."""

from __future__ import annotations

import sys

from talan_eval.tasks import task_files, tasks_directory

EXAMPLES = "Example:  talan-eval tasks"


def command() -> None:
    """List the benchmarks by the names that --tasks takes; lm-eval reads the same files with --include_path."""
    names = task_files()
    for name, path in names.items():
        sys.stdout.write(f"{name:<20} {path.relative_to(tasks_directory())}\n")
    sys.stdout.write(f"\nFiles are in {tasks_directory()}\n")
