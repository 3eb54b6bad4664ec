"""Count how the code is laid out: sizes, names with two meanings, imports, and the way from a request to a number.

    python benchmarks/structure.py [CHECKOUT ...] [--names] [--way]

Prints one Markdown table with a column per checkout of this project; this one where none is named. Only the packages
are counted (talan_eval, talan_core, tasks), not their tests. The last rows run a small comparison of each checkout, so
what it needs must be installed. ``--names`` lists what the counts are about, ``--way`` the files of a walk in order.

Lines are those of the file or of the function from ``def`` to its end, with docstrings and blank lines. Parameters are
all that a caller can pass, ``*args`` and ``**kwargs`` as one each, without ``self`` and ``cls``; not the fields of a
dataclass. An identifier is any name in the code (variables, attributes, parameters, keywords, definitions, imports).
Whether two classes of one name mean two things is for a reader to say: the counts are of names in two or more files.

Imports are counted wherever they stand: at load time, inside functions, and for types only. The floor of a file is the
longest chain of imports below it; the files of a circle share a floor. So each import leads to a lower floor unless it
closes a circle: those that do are counted as not leading down. A room is a package or module directly below talan_eval
or talan_core; rooms have floors among themselves likewise. The packages that an import runs on its way
(``a/__init__.py`` of ``import a.b``) count only if they are named, and modules that are loaded by a string do not.

The way of a number is followed in a run: two tables of scores (two tasks, 7 seeds, 20 items) are compared under
``sys.setprofile``. At each of the stations of follow_number.py, in their order, the call stack is taken at the first
call of one of its candidates; where that is a class, the class's file ends the stack. Somebody who reads along goes
down the first stack, returns to the file from which the next stack branches off, goes down that, and so on. Counted are

* files: distinct files of the packages on all of these stacks,
* climbs: calls from a file into one on a higher floor, on the way down; frames of other packages are passed over,
* stays: files that are opened on the walk, each again after another, and
* returns: stays in a file that was left before.

A station of which no candidate is called ends in an error that names it: after a renaming, add the new name. Not
covered: helpers that return before a station is reached (checks, names of arms, signatures), imports that are never
called, files that only hold constants or types, other threads and processes, and the way of a training.
"""

from __future__ import annotations

import argparse
import ast
import json
import os
import random
import re
import subprocess
import sys
import tempfile
from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

PACKAGES: Final = ("talan_eval", "talan_core", "tasks")
LONG_FILE: Final = 500
LONG_FUNCTION: Final = 60
MANY_PARAMETERS: Final = 8
WORD: Final = "treat"
_ROOM_DEPTH: Final = 2
_UNNAMED: Final = ("__init__", "__main__")  # stems that every package may have
_FOLLOWER: Final = Path(__file__).resolve().with_name("follow_number.py")

COMMANDS: Final = (
    ("compare-logs", "a=a.csv", "b=b.csv"),
    ("compare", "--base-logs", "a.csv", "--treat-logs", "b.csv"),
)
"""The comparison of two tables as versions of the command line ask for it; the first that works is followed."""


@dataclass(frozen=True, slots=True)
class Function:
    """A function: where it is, its lines, and its parameters."""

    name: str
    lines: int
    parameters: int


@dataclass(frozen=True, slots=True)
class Import:
    """One import of a file: the dotted name of the imported module, and whether it is there for types only."""

    module: str
    for_types: bool


@dataclass(frozen=True)
class Source:
    """One file of a checkout.

    Attributes:
        path: Path from the root of the checkout, with slashes.
        text: What it holds.
    """

    path: str
    text: str

    @property
    def parts(self) -> tuple[str, ...]:
        """The dotted name in parts; a package's is that of its directory."""
        parts = tuple(self.path.removesuffix(".py").split("/"))
        return parts[:-1] if parts[-1] == "__init__" else parts

    @property
    def module(self) -> str:
        """The dotted name."""
        return ".".join(self.parts)

    @property
    def room(self) -> str:
        """The part of the house that it belongs to."""
        return ".".join(self.parts[:_ROOM_DEPTH])

    @property
    def stem(self) -> str:
        """The file's name without its suffix."""
        return Path(self.path).stem

    @property
    def lines(self) -> int:
        """Number of lines."""
        return len(self.text.splitlines())

    @cached_property
    def tree(self) -> ast.Module:
        """Its syntax tree."""
        return ast.parse(self.text, self.path)

    @cached_property
    def nodes(self) -> tuple[ast.AST, ...]:
        """All nodes of the tree."""
        return tuple(ast.walk(self.tree))

    @property
    def classes(self) -> frozenset[str]:
        """Names of the classes that it defines."""
        return frozenset(node.name for node in self.nodes if isinstance(node, ast.ClassDef))

    @property
    def identifiers(self) -> frozenset[str]:
        """All names in its code; an imported module's in parts."""
        fields = ("id", "attr", "arg", "name", "asname")  # of names, attributes, parameters and keywords, definitions
        found = {
            value for node in self.nodes for field in fields if isinstance(value := getattr(node, field, None), str)
        }
        return frozenset(part for name in found for part in name.split("."))

    @property
    def functions(self) -> Iterator[Function]:
        """Its functions and methods, also those inside others."""
        methods = {id(part) for node in self.nodes if isinstance(node, ast.ClassDef) for part in node.body}
        for node in self.nodes:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                assert node.end_lineno is not None  # noqa: S101 - the parser sets it
                static = any(isinstance(one, ast.Name) and one.id == "staticmethod" for one in node.decorator_list)
                given = node.args
                several = [one for one in (given.vararg, given.kwarg) if one is not None]
                named = [*given.posonlyargs, *given.args, *given.kwonlyargs, *several]
                own = len(named) - (id(node) in methods and not static)
                yield Function(f"{self.path}:{node.name}", node.end_lineno - node.lineno + 1, own)

    def imports(self, modules: Iterable[str]) -> frozenset[Import]:
        """Return what it imports of these modules; a package's name means its module of that name, if it has one."""
        known = frozenset(modules)
        for_types = {
            id(inner)
            for node in self.nodes
            if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING")
            for statement in node.body
            for inner in ast.walk(statement)
        }
        found = {
            Import(name, id(node) in for_types)
            for node in self.nodes
            for name in self._imported(node, known)
            if name in known and name != self.module
        }
        return frozenset(found)

    def _imported(self, node: ast.AST, known: frozenset[str]) -> Iterator[str]:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            package = self.parts if self.stem == "__init__" else self.parts[:-1]
            above = package[: len(package) - node.level + 1] if node.level else ()
            origin = ".".join((*above, *([node.module] if node.module else [])))
            for alias in node.names:
                inner = f"{origin}.{alias.name}"
                yield inner if inner in known else origin


class Graph:
    """What imports what, the circles of it, and the floors."""

    def __init__(self, edges: Mapping[str, frozenset[str]]) -> None:
        """Take each name with the names that it needs."""
        self._edges = edges
        reached = {name: self._reach(name) for name in edges}
        self._circle = {
            name: frozenset({name}) | {other for other in below if name in reached[other]}
            for name, below in reached.items()
        }
        self.floors: dict[str, int] = {}
        for name in sorted(edges, key=lambda name: len(reached[name] - self._circle[name])):
            below = {other for member in self._circle[name] for other in edges[member]} - self._circle[name]
            self.floors[name] = max((self.floors[other] + 1 for other in below), default=0)

    @property
    def circles(self) -> frozenset[frozenset[str]]:
        """Groups whose members all need each other, directly or not."""
        return frozenset(circle for circle in self._circle.values() if len(circle) > 1)

    @property
    def level(self) -> tuple[str, ...]:
        """Imports that do not lead to a lower floor, as "importer -> imported"."""
        found = ((name, other) for name, needed in self._edges.items() for other in needed)
        return tuple(sorted(f"{name} -> {other}" for name, other in found if self.floors[other] >= self.floors[name]))

    def _reach(self, start: str) -> frozenset[str]:
        seen: set[str] = set()
        waiting = [*self._edges[start]]
        while waiting:
            name = waiting.pop()
            if name not in seen:
                seen.add(name)
                waiting.extend(self._edges[name])
        return frozenset(seen)


@dataclass(frozen=True, slots=True)
class Frame:
    """A call on a stack: its number, equal for the same call at two stations, and its file from the root."""

    number: int
    file: str


@dataclass(frozen=True, slots=True)
class Way:
    """The way of a number.

    Attributes:
        stays: Files in the order of the walk.
        climbs: Calls into a higher floor, as "file -> file".
    """

    stays: tuple[str, ...]
    climbs: tuple[str, ...]

    @property
    def files(self) -> tuple[str, ...]:
        """Distinct files, in the order in which they are met."""
        return tuple(dict.fromkeys(self.stays))

    @property
    def returns(self) -> int:
        """Stays in a file that was left before."""
        return len(self.stays) - len(self.files)


class Checkout:
    """The packages of one checkout, read once."""

    def __init__(self, root: Path) -> None:
        """Read all files below ``root``."""
        self.root = root.resolve()
        paths = [path for name in PACKAGES for path in sorted((self.root / name).rglob("*.py"))]
        if not paths:
            sys.exit(
                f"Error: {root} holds none of {', '.join(PACKAGES)}.\nName the root of a checkout of this project."
            )
        self.sources = tuple(
            Source(path.relative_to(self.root).as_posix(), path.read_text(encoding="utf-8")) for path in paths
        )

    @cached_property
    def functions(self) -> tuple[Function, ...]:
        """All functions and methods."""
        return tuple(function for source in self.sources for function in source.functions)

    @cached_property
    def _imports(self) -> dict[str, frozenset[Import]]:
        modules = [source.module for source in self.sources]
        return {source.module: source.imports(modules) for source in self.sources}

    @cached_property
    def files(self) -> Graph:
        """The imports between files."""
        return Graph({name: frozenset(one.module for one in found) for name, found in self._imports.items()})

    @cached_property
    def loaded(self) -> Graph:
        """The imports between files that happen, without those for types only."""
        return Graph(
            {name: frozenset(one.module for one in found if not one.for_types) for name, found in self._imports.items()}
        )

    @cached_property
    def rooms(self) -> Graph:
        """The imports between rooms."""
        room = {source.module: source.room for source in self.sources}
        edges: dict[str, set[str]] = defaultdict(set)
        for name, found in self._imports.items():
            edges[room[name]] |= {room[one.module] for one in found} - {room[name]}
        return Graph({name: frozenset(needed) for name, needed in edges.items()})

    def shared(self, names: Mapping[str, frozenset[str]]) -> dict[str, tuple[str, ...]]:
        """Return the names that two or more files have, with these files; ``names`` are those of each file."""
        found: dict[str, list[str]] = defaultdict(list)
        for path, own in names.items():
            for name in own:
                found[name].append(path)
        return {name: tuple(found[name]) for name in sorted(found) if len(found[name]) > 1}

    @property
    def shared_classes(self) -> dict[str, tuple[str, ...]]:
        """Class names that are defined in two or more files."""
        return self.shared({source.path: source.classes for source in self.sources})

    @property
    def shared_stems(self) -> dict[str, tuple[str, ...]]:
        """File stems that two or more files have."""
        named = [source for source in self.sources if source.stem not in _UNNAMED]
        return self.shared({source.path: frozenset({source.stem}) for source in named})

    @cached_property
    def way(self) -> Way:
        """The way of a number."""
        floors = {source.path: self.files.floors[source.module] for source in self.sources}
        return walk(_followed(self.root), floors)


def walk(stacks: Sequence[Sequence[Frame]], floors: Mapping[str, int]) -> Way:
    """Walk down the first stack, back to where the next one branches off, down that, and so on."""
    stays: list[str] = []
    climbs: list[str] = []
    before: Sequence[Frame] = ()
    for stack in stacks:
        common = next(
            (n for n, (a, b) in enumerate(zip(before, stack, strict=False)) if a != b), min(len(before), len(stack))
        )
        for index in range(max(common - 1, 0), len(stack)):
            file = stack[index].file
            if not stays or stays[-1] != file:
                stays.append(file)
            caller = stack[index - 1].file if index else file
            if index >= common and floors[caller] < floors[file]:
                climbs.append(f"{caller} -> {file}")
        before = stack
    return Way(tuple(stays), tuple(climbs))


def _followed(root: Path) -> list[list[Frame]]:
    """Run the comparison in a process of its own and return the stack at each station."""
    with tempfile.TemporaryDirectory() as temporary:
        place = Path(temporary)
        for arm, gain in (("a", 0.4), ("b", 0.6)):
            draw = random.Random(0)  # noqa: S311 - made-up scores
            keys = [f"{arm},{seed},{task},{item}" for seed in range(7) for task in "tu" for item in range(20)]
            rows = [f"{key},{int(draw.random() < gain)}\n" for key in keys]
            (place / f"{arm}.csv").write_text("arm,seed,task,item,score\n" + "".join(rows), encoding="utf-8")
        said = []
        for words in COMMANDS:
            done = subprocess.run(  # noqa: S603 - ourselves
                [sys.executable, "-P", str(_FOLLOWER), str(root), "stacks.json", *words],
                cwd=place, capture_output=True, text=True, check=False, env={**os.environ, "COLUMNS": "200"},
            )  # fmt: skip
            if done.returncode == 0:
                break
            said.append(done.stderr[-2000:])
        else:
            sys.exit("\n".join([f"Error: no comparison of two tables ran in {root}:", *said]))
        stacks = json.loads((place / "stacks.json").read_text(encoding="utf-8"))
    return [[Frame(number, file) for number, file in stack] for stack in stacks]


def measures(checkout: Checkout) -> dict[str, int]:
    """Return each measure by its name, in the order of the table."""
    sources, functions, way = checkout.sources, checkout.functions, checkout.way
    lengths = sorted(source.lines for source in sources)
    any_text = re.compile(rf"(?<![A-Za-z]){WORD}(?![a-z])")
    return {
        "files": len(sources),
        "lines": sum(lengths),
        "median lines of a file": lengths[len(lengths) // 2],
        "lines of the longest file": lengths[-1],
        f"files over {LONG_FILE} lines": sum(length > LONG_FILE for length in lengths),
        "lines of the longest function": max(function.lines for function in functions),
        f"functions over {LONG_FUNCTION} lines": sum(function.lines > LONG_FUNCTION for function in functions),
        f"functions with more than {MANY_PARAMETERS} parameters": sum(
            function.parameters > MANY_PARAMETERS for function in functions
        ),
        f"files with an identifier `{WORD}` or `{WORD}_*`": sum(
            any(name == WORD or name.startswith(f"{WORD}_") for name in source.identifiers) for source in sources
        ),
        f"files with the word `{WORD}` anywhere": sum(bool(any_text.search(source.text)) for source in sources),
        "class names in two or more files": len(checkout.shared_classes),
        "file stems of two or more files": len(checkout.shared_stems),
        "import circles of files": len(checkout.files.circles),
        "import circles of files, without imports for types": len(checkout.loaded.circles),
        "import circles of rooms": len(checkout.rooms.circles),
        "imports between files that do not lead down": len(checkout.files.level),
        "imports between rooms that do not lead down": len(checkout.rooms.level),
        "request to number: files": len(way.files),
        "request to number: stays": len(way.stays),
        "request to number: climbs": len(way.climbs),
        "request to number: returns": way.returns,
    }


def _listed(checkout: Checkout) -> Iterator[str]:
    """Yield what the counts are about, as lines of Markdown."""
    for title, shared in (("Class names", checkout.shared_classes), ("File stems", checkout.shared_stems)):
        yield f"\n{title} of two or more files:\n"
        yield from (f"- `{name}`: {', '.join(files)}" for name, files in shared.items())
    yield "\nLongest files and functions:\n"
    yield from (f"- {one.path}: {one.lines}" for one in sorted(checkout.sources, key=lambda one: -one.lines)[:8])
    yield from (f"- {one.name}: {one.lines}" for one in sorted(checkout.functions, key=lambda one: -one.lines)[:8])
    level = (*checkout.files.level, *checkout.rooms.level)
    yield f"\nImports that do not lead down: {'' if level else 'none'}\n"
    yield from (f"- {line}" for line in level)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkouts", nargs="*", type=Path, default=[Path(__file__).parents[1]], metavar="CHECKOUT")
    parser.add_argument("--names", action="store_true", help="list the names, files and imports that are counted")
    parser.add_argument("--way", action="store_true", help="list the files on the way of a number, and the climbs")
    chosen = parser.parse_args()
    checkouts = [Checkout(root) for root in chosen.checkouts]
    columns = [measures(checkout) for checkout in checkouts]
    print(f"| measure | {' | '.join(checkout.root.name for checkout in checkouts)} |")
    print(f"|---|{'---:|' * len(columns)}")
    for name in columns[0]:
        print(f"| {name} | {' | '.join(f'{column[name]:,}' for column in columns)} |")
    for checkout in checkouts:
        if chosen.names or chosen.way:
            print(f"\n## {checkout.root.name}")
        if chosen.names:
            print("\n".join(_listed(checkout)))
        if chosen.way:
            print("\nThe way of a number:\n")
            print("\n".join(f"{number}. {file}" for number, file in enumerate(checkout.way.stays, 1)))
            print("\nClimbs:\n")
            print("\n".join(f"- {climb}" for climb in checkout.way.climbs))


if __name__ == "__main__":
    main()
