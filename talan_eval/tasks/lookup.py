"""What ``--tasks`` names: our benchmarks, tasks and groups of lm-eval, names below a directory, and YAML files.

A name that is found below ``--include-path`` comes first, then our benchmarks, then lm-eval's own tasks. Nothing is
loaded here: a task becomes the YAML file that describes it, which every worker process then loads by itself, because
the whole index of lm-eval takes twenty seconds to build.
"""

from __future__ import annotations

import difflib
import functools
import importlib.util
import logging
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from talan_core.bounded import open_regular
from talan_core.errors import Problems, UserError, unknown_name
from talan_eval.tasks.benchmark import check_names, task_files

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_YAML: Final = (".yaml", ".yml")
_MOST_MEMBERS: Final = 200
_PREFIX: Final = "talan_"
_NEAR: Final = 0.8


@dataclass(frozen=True, slots=True)
class NamedTasks:
    """Tasks by name, in the order in which they were typed; a group stands as its members.

    Attributes:
        names: The tasks; ours have the short name.
        files: The YAML file of each task that is not ours, by name.
        groups: Members of each group that was typed.
    """

    names: tuple[str, ...] = ()
    files: tuple[tuple[str, Path], ...] = ()
    groups: tuple[tuple[str, tuple[str, ...]], ...] = ()


@functools.cache
def named_tasks(typed: tuple[str, ...], include: tuple[Path, ...] = ()) -> NamedTasks:
    """Find tasks.

    Args:
        typed: Names, or paths of YAML files.
        include: Directories in which names are looked up first.

    Raises:
        UserError: A name or file that is nowhere, one that is named twice, or a group that changes its tasks; of all
            at once.
    """
    ours = task_files()
    if not typed or (not include and all(name.removeprefix(_PREFIX) in ours for name in typed)):
        return NamedTasks(check_names(typed))
    problems = Problems()
    for directory in include:
        if not directory.is_dir():
            problems.add(UserError(f"--include-path {directory} is no directory.", "Name one that holds YAML files."))
    problems.raise_any()
    names: list[str] = []
    files: dict[str, Path] = {}
    groups: dict[str, tuple[str, ...]] = {}
    for name in typed:
        with problems.collecting():
            found = _of_file(Path(name)) if name.endswith(_YAML) else _of_name(name, include)
            own = dict(found)
            if own.keys() & set(names):
                raise UserError(f"The task {min(own.keys() & set(names))!r} is named twice.", "Type each task once.")
            names += own
            files |= {task: file for task, file in own.items() if file is not None}
            if list(own) not in ([name], [name.removeprefix(_PREFIX)]) and not name.endswith(_YAML):
                groups[name] = tuple(own)
    problems.raise_any()
    return NamedTasks(tuple(names), tuple(files.items()), tuple(groups.items()))


_TaskFiles = list[tuple[str, Path | None]]  # tasks with their files; None for ours


def _of_file(path: Path) -> _TaskFiles:
    if not path.is_file():
        raise UserError(f"There is no task file {path}.", "Name an existing YAML file of a task.")
    name = _config(path).get("task")
    if not isinstance(name, str):
        raise UserError(f"{path} describes no single task: it has no text under 'task'.", "Name a task's YAML file.")
    return [(name, path.resolve())]


def _of_name(name: str, include: Sequence[Path]) -> _TaskFiles:
    """Return the tasks that a name stands for."""
    for directory in include:
        if (file := _describing(name, directory)) is not None:
            return [(name, file)]
    short = name.removeprefix(_PREFIX)
    if short in task_files():
        return [(short, None)]
    if (file := _describing(name, _defaults())) is not None:
        return [(name, file)]
    return _of_group(name, include)


def _describing(name: str, directory: Path) -> Path | None:
    """Return the file whose ``task`` is the name: looked for as text, because parsing thousands of files is slow."""
    quoted = rb"[\"']?"
    start, end = rb"^" + quoted + rb"task" + quoted + rb":[ \t]*" + quoted, quoted + rb"[ \t]*(?:#.*)?\r?$"
    line = re.compile(start + re.escape(name.encode()) + end, re.MULTILINE)
    for path in sorted(directory.glob("**/*.yaml")):
        if line.search(_content(path)):
            return path.resolve()
    return None


def _content(path: Path) -> bytes:
    try:
        with open_regular(path) as file:
            return file.read()
    except OSError as error:
        raise UserError(f"Cannot read {path}: {error.strerror}.", "Take it out of --include-path DIR.") from error


def _of_group(name: str, include: Sequence[Path]) -> _TaskFiles:
    """Return the members of a group or tag, from the whole index."""
    if difflib.get_close_matches(name, task_files(), n=1, cutoff=_NEAR):
        raise unknown_name("task", name, task_files())  # mistyped; the index takes twenty seconds
    index = _index(tuple(include))
    if name not in index:
        roots = [directory.resolve() for directory in include]
        places = {task: entry.yaml_path for task, entry in index.items() if entry.yaml_path is not None}
        own = [task for task, path in places.items() if any(path.resolve().is_relative_to(root) for root in roots)]
        wrong = unknown_name("task", name, [*task_files(), *own])
        raise UserError(
            f"{wrong.problem} It is neither ours, nor one of lm-eval, nor below --include-path.",
            f"{wrong.fix} Names of lm-eval: lm_eval ls tasks",
        )
    members: dict[str, Path] = {}
    _collect(name, name, index, members)
    if len(members) > _MOST_MEMBERS:
        raise UserError(f"The group {name} has {len(members)} tasks, each a cell of its own.", "Name some of them.")
    return list(members.items())


def _collect(name: str, group: str, index: Mapping[str, Any], members: dict[str, Path]) -> None:
    entry = index.get(name)
    if entry is None:
        raise UserError(f"The group {group} names {name!r}, which is nowhere.", "Name the tasks that you want.")
    if entry.kind.name == "TAG":
        children: list[object] = sorted(entry.tags)
    elif entry.kind.name == "GROUP":
        changed = sorted(set(entry.cfg) - _OF_A_GROUP)
        if changed:
            raise UserError(
                f"The group {name} changes its tasks ({', '.join(changed)}), which is not read here.",
                "Write these settings into the tasks' own YAML files, and name those.",
            )
        children = list(entry.cfg.get("task") or ())
    else:
        members[name] = entry.yaml_path.resolve()
        return
    for child in children:
        if isinstance(child, dict) and set(child) == {"task"}:
            child = child["task"]  # noqa: PLW2901 - the longer way to write a name
        if not isinstance(child, str):
            raise UserError(
                f"The group {name} describes tasks inside itself, which is not read here.",
                "Give each of them a YAML file, and name those.",
            )
        _collect(child, group, index, members)


_OF_A_GROUP: Final = frozenset({"group", "group_alias", "task", "aggregate_metric_list", "metadata", "tag", "version"})


@functools.cache
def _index(include: tuple[Path, ...]) -> Mapping[str, Any]:
    logging.getLogger("lm_eval").setLevel(logging.ERROR)
    from lm_eval.tasks import TaskManager  # noqa: PLC0415 - heavy

    index: Mapping[str, Any] = TaskManager(include_path=[str(path) for path in include]).task_index
    return index


def _config(path: Path) -> dict[str, Any]:
    """Return a YAML file with what it includes; functions that it names are not imported."""
    from lm_eval.tasks._yaml_loader import load_yaml  # noqa: PLC0415 - heavy

    try:
        found: Any = load_yaml(path, resolve_func=False)
    except Exception as error:
        raise UserError(f"{path} cannot be read as a task: {error}.", "Mend the YAML file.") from error
    return found if isinstance(found, dict) else {}


def _defaults() -> Path:
    spec = importlib.util.find_spec("lm_eval.tasks")  # imports lm_eval, not its tasks
    assert spec is not None  # noqa: S101 - a dependency
    assert spec.origin is not None  # noqa: S101 - a package of files
    return Path(spec.origin).parent
