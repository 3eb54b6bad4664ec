"""What lm-eval's ``results_<time>.json`` says: settings, versions, the model, and what the samples are checked against.

Read are ``n-samples``, ``config``, ``results``, ``configs``, ``versions``, ``n-shot`` and ``higher_is_better``, as
lm-eval 0.4.13 writes them; what an older version does not write is not checked.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from talan_core.bounded import parse_json, said, shown
from talan_core.errors import UserError
from talan_eval.importers.logged import Claims

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from talan_eval.importers.files import FileReader
    from talan_eval.importers.logged import Stamp

_COMMON_SETTINGS: Final = ("chat_template_sha", "system_instruction_sha", "fewshot_as_multiturn")
_ADAPTERS: Final = ("peft", "delta")
MODELS: Final = ("pretrained", "model", "path", "engine")
_WHICH: Final = (*_ADAPTERS, *MODELS, "revision", "subfolder")
_MEANS: Final = frozenset({"acc", "acc_norm", "acc_bytes", "exact_match"})  # whose aggregation is the mean unless said


@dataclass(frozen=True, slots=True)
class Summary:
    """One results file; all empty where it is missing.

    Attributes:
        content: As read.
        file: Where, or None.
    """

    content: Mapping[str, Any]
    file: Path | None = None

    def of_task(self, key: str, task: str) -> Any:  # noqa: ANN401 - JSON
        """Return what a table of the file says of a task, or None."""
        table = self.content.get(key)
        return table.get(task) if isinstance(table, dict) else None

    def settings(self, task: str) -> dict[str, str]:
        """Return what must be equal for the same questions."""
        shots = self.of_task("n-shot", task)
        found = {} if shots is None else {"num_fewshot": str(shots)}
        found |= {key: str(self.content[key]) for key in _COMMON_SETTINGS if self.content.get(key) is not None}
        return found | ({"limit": self.limit or "none"} if "limit" in self._config() else {})

    def version(self, task: str) -> str | None:
        """Return the task's version, or None where it states none."""
        version = self.of_task("versions", task)
        return None if version in (None, "N/A", "Yaml") else str(version)

    def lower_is_better(self, task: str) -> frozenset[str]:
        """Return the metrics of which less is better."""
        table = self.of_task("higher_is_better", task)
        named = table.items() if isinstance(table, dict) else ()
        return frozenset(name for name, higher in named if higher is False)

    def argument(self, names: Sequence[str]) -> str | None:
        """Return the first of some arguments of the model that is there."""
        arguments = self._arguments()
        return next((str(arguments[name]) for name in names if arguments.get(name)), None)

    def model(self, path: Path) -> str | None:
        """Return the model's name: of its adapter, else its own; None where the file does not say."""
        # lm-eval makes up a random name for a model whose arguments name none; the directory bears it then
        named = self.argument((*_ADAPTERS, *MODELS))
        if named is not None or self.content.get("model_source") is None:
            return named or (None if self.content else path.name)
        return str(self.content["model_source"])

    @property
    def checkpoint(self) -> str | None:
        """Which weights answered, for comparison with those of another file; None where the file does not say."""
        arguments = self._arguments()
        found = [f"{name}={arguments[name]}" for name in _WHICH if arguments.get(name)]
        return ",".join(found) or None

    @property
    def limit(self) -> str:
        """``--limit`` as typed, or "" for none."""
        value = self._config().get("limit")
        return f"{value:g}" if _is_number(value) else ""

    @property
    def tasks(self) -> tuple[str, ...]:
        """The tasks that were scored, groups left out; empty where the file does not say."""
        table = self.content.get("n-samples") or self.content.get("configs")
        return tuple(map(str, table)) if isinstance(table, dict) else ()

    def claims(self, task: str) -> Claims | None:
        """Return what the file says of a task's samples, or None without a file."""
        if self.file is None:
            return None
        reported = dict(self._reported(task))
        samples = self.of_task("n-samples", task)
        samples = samples if isinstance(samples, dict) else {}
        total, scored = (_whole(samples.get(key)) for key in ("original", "effective"))
        counts = [] if scored is None else [scored]
        if counts and total is not None and self.limit:  # which versions before 0.4.13 miscount for a share
            limit = float(self.limit)
            counts.append(math.ceil(total * limit) if limit < 1 else min(int(limit), total))
        return Claims(
            source=self.file,
            counts=tuple(dict.fromkeys(counts)),
            total=total,
            limit=self.limit,
            filters=self.filters(task),
            means={key: value for key, value in reported.items() if key[1] in self._means(task)},
        )

    def filters(self, task: str) -> tuple[str, ...]:
        """Return the filters of a task in the order in which lm-eval writes their samples, as far as it is known."""
        listed = self._task_config(task).get("filter_list")
        named = [str(one.get("name")) for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []
        return tuple(dict.fromkeys(named or (name for (name, _), _ in self._reported(task))))

    def _reported(self, task: str) -> Iterator[tuple[tuple[str, str], float]]:
        table = self.of_task("results", task)
        for key, value in table.items() if isinstance(table, dict) else ():
            metric, comma, name = str(key).partition(",")
            if comma and not metric.endswith("_stderr") and _is_number(value):
                yield (name, metric), float(value)

    def _means(self, task: str) -> frozenset[str]:
        listed = self._task_config(task).get("metric_list")
        entries = [one for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []
        said = {str(one.get("metric")): one.get("aggregation") for one in entries}
        return frozenset(name for name, how in said.items() if how == "mean") | {
            name for name in _MEANS if said.get(name) is None
        }

    def _config(self) -> Mapping[str, Any]:
        config = self.content.get("config")
        return config if isinstance(config, dict) else {}

    def _task_config(self, task: str) -> Mapping[str, Any]:
        config = self.of_task("configs", task)
        return config if isinstance(config, dict) else {}

    def _arguments(self) -> Mapping[str, Any]:
        arguments = self._config().get("model_args")
        if isinstance(arguments, str):
            return dict(part.split("=", 1) for part in arguments.split(",") if "=" in part)
        return arguments if isinstance(arguments, dict) else {}


def read_summary(file: Path, reader: FileReader, stamps: list[Stamp]) -> Summary:
    """Read a results file and stamp it.

    Raises:
        UserError: It is no JSON.
    """
    data, pending = reader.read(file)
    stamps.append(pending.stamp())
    try:
        content = parse_json(data, unique=True)
    except ValueError as error:
        raise UserError(
            f"{file} is not JSON or was cut off ({said(error)}).",
            f"Score this run again, or move the file away (the samples are then not checked): mv '{file}' '{file}.bad'",
        ) from error
    if not isinstance(content, dict) or not content:
        raise UserError(
            f"{file} is {shown(content)}, and no results of lm-eval.",
            f"Score this run again, or move the file away (the samples are then not checked): mv '{file}' '{file}.bad'",
        )
    return Summary(content, file)


def _whole(value: object) -> int | None:
    return int(value) if isinstance(value, int | float) and _is_number(value) else None


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
