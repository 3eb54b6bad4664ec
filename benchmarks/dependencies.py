"""What an installed talan-eval depends on: licences as a table, and a bill of materials (CycloneDX 1.5).

    python benchmarks/dependencies.py licences [EXTRA ...]
    python benchmarks/dependencies.py sbom [EXTRA ...] > sbom.json

Read from the metadata of the running environment: each distribution that the requirements of talan-eval, and of the
extras that are named, lead to. Not covered: libraries in other languages that a wheel carries inside.
"""

from __future__ import annotations

import argparse
import json
import re
import uuid
from dataclasses import dataclass
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from typing import Final

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

PROJECT: Final = "talan-eval"
_CLASSIFIER: Final = "License :: OSI Approved :: "
_SHORT: Final = 60  # letters: a longer licence field is the text itself
_NAMESPACE: Final = uuid.UUID("6ba7b811-9dad-11d1-80b4-00c04fd430c8")  # of URLs, RFC 4122


@dataclass(frozen=True, order=True)
class Part:
    """One installed distribution.

    Attributes:
        name: Canonical.
        version: As installed.
        licence: As its metadata says; empty where it says nothing.
        needs: Names of what it requires itself.
    """

    name: str
    version: str
    licence: str
    needs: tuple[str, ...]

    @property
    def purl(self) -> str:
        """The package URL."""
        return f"pkg:pypi/{self.name}@{self.version}"


def parts(root: str, extras: frozenset[str] = frozenset()) -> tuple[Part, ...]:
    """Return everything that a distribution leads to, itself first and the others by name.

    Raises:
        PackageNotFoundError: The distribution itself is not installed.
    """
    found: dict[str, Part] = {}
    wanted: dict[str, frozenset[str]] = {}
    todo = [(str(canonicalize_name(root)), extras)]
    distribution(root)
    while todo:
        name, asked = todo.pop()
        known = wanted.get(name)
        if known is not None and asked <= known:
            continue
        wanted[name] = asked | (known or frozenset())
        try:
            one = distribution(name)
        except PackageNotFoundError:
            continue  # for another platform, or optional
        needs = [need for text in one.requires or [] if _applies(need := Requirement(text), wanted[name])]
        names = tuple(sorted({str(canonicalize_name(need.name)) for need in needs}))
        found[name] = Part(name, one.version, licence(one), names)
        todo += [(str(canonicalize_name(need.name)), frozenset(need.extras)) for need in needs]
    first = found.pop(canonicalize_name(root))
    return (first, *sorted(found.values()))


def licence(one: Distribution) -> str:
    """Return the licence that the metadata name: expression, classifier, or the short form of the field."""
    fields = one.metadata.json
    if "license_expression" in fields:
        return str(fields["license_expression"])
    classifiers = [text for text in fields.get("classifier", []) if text.startswith(_CLASSIFIER)]
    if classifiers:
        return " OR ".join(text.removeprefix(_CLASSIFIER) for text in classifiers)
    text = " ".join(str(fields.get("license", "")).split())
    return text if len(text) <= _SHORT else re.split(r"[.,(]", text)[0][:_SHORT]


def bill(found: tuple[Part, ...]) -> dict[str, object]:
    """Return the bill of materials; equal environments give equal ones."""
    listed = "\n".join(part.purl for part in found)
    known = {part.name: part.purl for part in found}
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "serialNumber": f"urn:uuid:{uuid.uuid5(_NAMESPACE, listed)}",
        "version": 1,
        "metadata": {"component": _component(found[0], "application")},
        "components": [_component(part, "library") for part in found[1:]],
        "dependencies": [
            {"ref": part.purl, "dependsOn": [known[name] for name in part.needs if name in known]} for part in found
        ],
    }


def _component(part: Part, kind: str) -> dict[str, object]:
    named = {"licenses": [{"license": {"name": part.licence}}]} if part.licence else {}
    return {"type": kind, "bom-ref": part.purl, "name": part.name, "version": part.version, "purl": part.purl, **named}


def _applies(need: Requirement, extras: frozenset[str]) -> bool:
    return need.marker is None or any(need.marker.evaluate({"extra": extra}) for extra in (*extras, ""))


def main() -> None:
    """Print what was asked for."""
    parser = argparse.ArgumentParser(description="Dependencies of the installed talan-eval.")
    parser.add_argument("what", choices=("licences", "sbom"))
    parser.add_argument("extras", nargs="*")
    words = parser.parse_args()
    found = parts(PROJECT, frozenset(words.extras))
    if words.what == "sbom":
        print(json.dumps(bill(found), indent=2))
        return
    width = max(len(part.name) for part in found)
    for part in found:
        print(f"{part.name:<{width}}  {part.version:<14}  {part.licence or 'not named'}")


if __name__ == "__main__":
    main()
