"""Runs the study setting by setting; a killed run goes on where it stopped."""

from __future__ import annotations

import ast
import hashlib
import inspect
import json
import platform
import time
import zlib
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import talan_eval.calibration
from talan_core.errors import UserError
from talan_eval.calibration.averages import Average, Outcome
from talan_eval.calibration.counting import Share
from talan_eval.calibration.full_study import SMALL, Setting, full_study, key
from talan_eval.calibration.study_tables import all_tables
from talan_eval.calibration.table_text import Record

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

RECORDS = "records.jsonl"
MANIFEST = "manifest.json"
TABLES = "tables.md"
_STUDIED = ("talan_eval.stats", "talan_eval.calibration")


@dataclass(frozen=True)
class Study:
    """What is simulated.

    Attributes:
        settings: In the order in which they run.
        replicates: Experiments per setting.
        seed: Seed of the simulation; each setting has a generator of its own, so that the order does not matter.
    """

    settings: tuple[Setting, ...]
    replicates: int
    seed: int


def make_study(settings: str, replicates: int, seed: int) -> Study:
    """Check what was typed.

    Raises:
        UserError: For an unknown number of settings, or numbers out of range.
    """
    every = full_study()
    named = {"small": SMALL, "full": len(every)}
    if settings not in named and not settings.isdecimal():
        raise UserError(f"Unknown settings {settings!r}.", "Type --settings small, --settings full, or a number.")
    count = named.get(settings) or int(settings)
    if not 1 <= count <= len(every):
        raise UserError(f"There are {len(every)} settings, not {count}.", f"Type --settings 1 to {len(every)}.")
    if replicates < 100:  # noqa: PLR2004 - a tenth of them makes the table of small spreads
        raise UserError(f"{replicates} replicates say nothing about 95 %.", "Type --replicates 100 or more.")
    if seed < 0:
        raise UserError(f"The seed {seed} is negative.", "Type --seed 0 or more.")
    return Study(every[:count], replicates, seed)


def simulate(setting: Setting, replicates: int, seed: int) -> Record:
    """Run one setting with a generator that depends on the setting and the seed alone."""
    began = time.process_time()
    found = setting.run(replicates, _generator(setting, seed))
    outcome = found if isinstance(found, Outcome) else Outcome(found, {})
    return Record(setting, outcome.shares, time.process_time() - began, outcome.averages)


def _generator(setting: Setting, seed: int) -> np.random.Generator:
    return np.random.default_rng([seed, zlib.crc32(key(setting).encode())])


def run_study(study: Study, directory: Path, progress: Callable[[int, int], None]) -> tuple[Record, ...]:
    """Run what is missing, and write records, manifest and tables.

    Args:
        study: What to run.
        directory: Where to write; created.
        progress: Called with finished and all settings.

    Returns:
        The records of the study, in its order.

    Raises:
        UserError: If the directory holds a study with other replicates, seed or code.
    """
    directory.mkdir(parents=True, exist_ok=True)
    _check_same(study, directory)
    path = directory / RECORDS
    done = read_records(path)
    finished = {key(record.setting): record for record in done}
    (directory / MANIFEST).write_text(_manifest(study, done), encoding="utf-8")
    for number, setting in enumerate(study.settings):
        progress(number, len(study.settings))
        if key(setting) not in finished:
            record = simulate(setting, study.replicates, study.seed)
            with path.open("a", encoding="utf-8") as file:
                file.write(_line(record) + "\n")
            finished[key(setting)] = record
    progress(len(study.settings), len(study.settings))
    records = tuple(finished[key(setting)] for setting in study.settings)
    path.write_text("".join(_line(record) + "\n" for record in records), encoding="utf-8")
    (directory / MANIFEST).write_text(_manifest(study, records), encoding="utf-8")
    (directory / TABLES).write_text(all_tables(records), encoding="utf-8")
    return records


def read_records(path: Path) -> tuple[Record, ...]:
    """Read stored records; a line that a kill cut short is left out and simulated again."""
    if not path.exists():
        return ()
    known = {key(setting): setting for setting in full_study()}
    whole = path.read_text(encoding="utf-8")
    kept = whole[: whole.rfind("\n") + 1]
    if kept != whole:
        path.write_text(kept, encoding="utf-8")
    records = []
    for line in kept.splitlines():
        stored = json.loads(line)
        shares = {name: Share(hits, trials) for name, (hits, trials) in stored["shares"].items()}
        averages = {name: Average(*sums) for name, sums in stored.get("averages", {}).items()}
        if stored["setting"] in known:
            records.append(Record(known[stored["setting"]], shares, stored["seconds"], averages))
    return tuple(records)


def code_digest(kind: type[Setting]) -> str:
    """Return a digest of the code that a kind of setting runs: its module and all that it imports of this study.

    Docstrings, comments and the types of arguments do not count. A new statistic, or a new kind of setting, therefore
    leaves the records of the others valid.
    """
    digest = hashlib.sha256(_bare(inspect.getsource(_generator)).encode())
    for module in sorted(_closure(kind.__module__)):
        digest.update(_bare(_source(module)).encode())
    return digest.hexdigest()


def _closure(module: str) -> set[str]:
    """Return a module of the study and every other that it imports, directly or through others."""
    found, left = set(), [module]
    while left:
        name = left.pop()
        if name not in found and _path(name).exists():
            found.add(name)
            left += [
                inner
                for node in ast.walk(ast.parse(_source(name)))
                if isinstance(node, ast.ImportFrom) and node.module is not None and node.module.startswith(_STUDIED)
                for inner in (node.module, *(f"{node.module}.{alias.name}" for alias in node.names))
            ]
    return found


def _path(module: str) -> Path:
    root = Path(talan_eval.calibration.__path__[0]).parents[1]
    return (root / module.replace(".", "/")).with_suffix(".py")


def _source(module: str) -> str:
    return _path(module).read_text(encoding="utf-8")


def _bare(source: str) -> str:
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)) and ast.get_docstring(node) is not None:
            node.body = node.body[1:]
        if isinstance(node, ast.FunctionDef):
            node.returns = None
        if isinstance(node, ast.arg):
            node.annotation = None
    return ast.dump(tree)


def _digests(study: Study) -> dict[str, str]:
    kinds = {type(setting).__name__: type(setting) for setting in study.settings}
    return {name: code_digest(kinds[name]) for name in sorted(kinds)}


def _check_same(study: Study, directory: Path) -> None:
    path = directory / MANIFEST
    if not path.exists():
        return
    stored: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    differing = [name for name in ("replicates", "seed") if stored.get(name) != getattr(study, name)]
    code = stored.get("code")
    own = code if isinstance(code, dict) else {}
    changed = [name for name, digest in _digests(study).items() if own.get(name, digest) != digest]
    differing += [f"code of {name}" for name in changed] if isinstance(code, dict) else ["code"]
    if differing:
        raise UserError(
            f"{directory} holds a study with another {' and another '.join(differing)}.",
            "Type --out with a directory of its own.",
        )


def _manifest(study: Study, records: Sequence[Record]) -> str:
    body = {
        "command": f"talan-eval calibrate --settings {len(study.settings)} --replicates {study.replicates} "
        f"--seed {study.seed}",
        "settings": len(study.settings),
        "finished": len(records),
        "replicates": study.replicates,
        "seed": study.seed,
        "processor_seconds": round(sum(record.seconds for record in records), 1),
        "code": _digests(study),
        "versions": {name: version(name) for name in ("talan-eval", "numpy", "scipy")}
        | {"python": platform.python_version()},
    }
    return json.dumps(body, indent=2) + "\n"


def _line(record: Record) -> str:
    shares = {name: [share.hits, share.trials] for name, share in record.shares.items()}
    body: dict[str, Any] = {"setting": key(record.setting), "seconds": round(record.seconds, 2), "shares": shares}
    if record.averages:
        body["averages"] = {name: [a.total, a.squares, a.trials] for name, a in record.averages.items()}
    return json.dumps(body, sort_keys=True)
