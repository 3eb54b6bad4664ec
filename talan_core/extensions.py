"""What other packages add under a name of their own: partners, graders, log readers, backends, executors, reporters.

A package declares an entry point, and what it names is found here wherever it is installed. Names are read from the
packages' metadata: nothing of a package is imported before its name is used, but for log readers, all of which are
asked whether a file is theirs. What there is already keeps its name.
docs/extensions.md has an example of each kind.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any, Final, TypeVar

from talan_core.errors import UserError, refuse

if TYPE_CHECKING:
    from collections.abc import Callable
    from importlib.metadata import EntryPoint

Found = TypeVar("Found")

GROUPS: Final[Mapping[str, str]] = {
    "talan_core.partners": "partner",
    "talan_eval.graders": "grader",
    "talan_eval.log_readers": "log reader",
    "talan_eval.backends": "backend",
    "talan_eval.executors": "executor",
    "talan_eval.reporters": "reporter",
}
"""The groups of entry points, each with what one of it is."""


class Extended(Mapping[str, Found]):
    """A registry: what is ours by name, then what other packages add.

    Args:
        group: One of :data:`GROUPS`.
        own: Ours.
        wrong: Says what is wrong with something that a package adds, given its name and what its entry point names;
            empty where nothing is.
    """

    def __init__(self, group: str, own: Mapping[str, Found], wrong: Callable[[str, Any], str]) -> None:
        self.group = group
        self.own = own
        self._wrong = wrong

    def __getitem__(self, name: str) -> Found:
        """Return what has the name; a package's is imported now.

        Raises:
            KeyError: Nothing has it.
            UserError: A package's cannot be imported, or is not what it should be.
        """
        return self.own[name] if name in self.own else self._loaded(name, self.added()[name])

    def __contains__(self, name: object) -> bool:
        """Return whether anything has the name."""
        return name in self.own or name in self.added()

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names, ours first."""
        return iter((*self.own, *self.added()))

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self.own) + len(self.added())

    def added(self) -> Mapping[str, EntryPoint]:
        """Return what other packages add, by name; nothing is imported.

        Raises:
            UserError: Two things have one name.
        """
        found: dict[str, EntryPoint] = {}
        clashes = []
        for entry in sorted(entry_points(group=self.group), key=lambda one: (one.name, package_of(one))):
            if entry.name in self.own or entry.name in found:
                clashes.append(self._clash(entry, found.get(entry.name)))
            found[entry.name] = entry
        refuse(clashes)
        return found

    def origin(self, name: str) -> str | None:
        """Return package and version that add a name; None of what is ours."""
        return None if name in self.own else package_of(self.added()[name])

    def _loaded(self, name: str, entry: EntryPoint) -> Found:
        noun = GROUPS[self.group]
        away = f"Mend it, or remove the package: pip uninstall {_distribution(entry)}"
        try:
            found: Any = entry.load()
        except (Exception, SystemExit) as error:  # whatever another package does while it is imported
            raise UserError(
                f"The {noun} {name!r} of the package {package_of(entry)} cannot be loaded from {entry.value}: "
                f"{type(error).__name__}: {error}",
                away,
            ) from error
        wrong = self._wrong(name, found)
        if wrong:
            raise UserError(f"The {noun} {name!r} of the package {package_of(entry)} is none: {wrong}.", away)
        return found  # type: ignore[no-any-return]  # checked as far as it can be

    def _clash(self, entry: EntryPoint, other: EntryPoint | None) -> UserError:
        whose = "is there already" if other is None else f"is also one of the package {package_of(other)}"
        return UserError(
            f"The package {package_of(entry)} adds a {GROUPS[self.group]} {entry.name!r}, and that name {whose}.",
            f"Ask its authors for another name, or remove it: pip uninstall {_distribution(entry)}",
        )


def package_of(entry: EntryPoint) -> str:
    """Return name and version of the package that declares an entry point."""
    return "unknown" if entry.dist is None else f"{entry.dist.name} {entry.dist.version}"


def _distribution(entry: EntryPoint) -> str:
    return "PACKAGE" if entry.dist is None else entry.dist.name
