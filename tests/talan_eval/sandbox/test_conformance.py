"""The shipped suite of hostile programs: it holds in every tier, and it can fail."""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from pathlib import Path

import pytest

from talan_eval.sandbox.conformance.check import GROUPS, attacks_of, check
from talan_eval.sandbox.inside.boundary import Layer
from talan_eval.sandbox.tiers import Tier

SLOW_ATTACKS = {
    "compute for ever",
    "compute for ever in C",
    "compute on through the signal",
    "sleep for ever",
    "overflow the stack",
    "fill the disk with empty files",
    "stall the judge with a forged fraction",
    "report more than a file may hold",
}
"""Each waits for a limit; `make test-slow` and `talan-eval sandbox check` run them."""
NOT_SHOWN_WITHOUT_LANDLOCK = {
    "rename its working directory",
    "remove its working directory",
    "use up the names of files",
    "use up the names of directories",
    "use up the names of links",
    "build a tree without end",
    "build a tree without end that it cannot list",
}
"""The next program needs the directory, and 6,000 names take a second of CPU time, which is limited too."""
NOTICED_BY = {
    ("1", Layer.NAMESPACES): "see that a file exists",
    ("1", Layer.LANDLOCK): "make a named pipe",
    ("1", Layer.PRIVILEGES): "use a capability",
    ("1", Layer.SECCOMP): "use io_uring",
    ("1", Layer.LIMITS): "map all memory",
    ("1", Layer.DESCRIPTORS): "use a descriptor of the worker's",
    ("1", Layer.ENVIRONMENT): "find the caller's environment",
    ("1", Layer.CLEANING): "leave a file for the next program",
    ("2", Layer.LANDLOCK): "fill a directory that it cannot list",
    ("2", Layer.SECCOMP): "start a process",
    ("2", Layer.LIMITS): "map all memory",
    ("2", Layer.DESCRIPTORS): "use a descriptor of the worker's",
    ("2", Layer.ENVIRONMENT): "find the caller's environment",
}


def problems(findings):
    return {finding.name: finding.problem for finding in findings if finding.problem is not None}


def quick(tier):
    return [attack.name for _, attack in attacks_of(tier) if attack.name not in SLOW_ATTACKS]


def test_the_suite_covers_every_class_with_programs_of_one_property_each():
    names = [attack.name for attacks in GROUPS.values() for attack in attacks]
    assert len(names) == len(set(names))
    assert len(names) >= 100
    assert set(names) >= SLOW_ATTACKS
    assert all(len(attacks) >= 5 for attacks in GROUPS.values())


def test_the_inventory_names_programs_and_tests_that_exist_and_every_program_that_uses_something_up():
    text = (Path(__file__).parents[3] / "docs" / "sandbox.md").read_text(encoding="utf-8")
    table = text.partition("## What a program can use up")[2].partition("\n## ")[0]
    rows = [line for line in table.splitlines() if line.startswith("| ")][1:]
    attacks = {attack.name for group in GROUPS.values() for attack in group}
    named = set(re.findall(r"\*\(([^)]*)\)\*", table)) - {"name"}
    sources = [path.read_text(encoding="utf-8") for path in Path(__file__).parent.glob("test_*.py")]
    tests = set(re.findall(r"`(test_\w+)`", table))
    assert [row for row in rows if len(row.split("|")) != 7 or not re.search(r"test|\*\(", row.split("|")[-2])] == []
    assert named - attacks == set()
    assert [name for name in tests if not any(f"def {name}(" in source for source in sources)] == []
    assert {attack.name for attack in GROUPS["resources"]} - named == set()


def test_every_quick_program_is_contained(tier):
    names = quick(tier)
    findings = list(check(tier, only=names))
    assert len(findings) == len(names)
    assert problems(findings) == {}


@pytest.mark.slow
def test_everything_is_contained_and_right_programs_pass(tier):
    findings = list(check(tier))
    assert problems(findings) == {}
    assert sum(finding.group == "positive control" for finding in findings) >= 20


@pytest.mark.parametrize(("of_tier", "layer"), NOTICED_BY)
def test_the_suite_notices_each_layer_that_is_left_out(allowed_tiers, of_tier, layer):
    assert set(NOTICED_BY) >= {(of_tier, layer)}
    if Tier(of_tier) not in allowed_tiers:
        return  # what cannot be built here cannot be broken here
    name = NOTICED_BY[of_tier, layer]
    assert problems(check(Tier(of_tier), only=[name])) == {}
    assert set(problems(check(Tier(of_tier), only=[name], without=[layer]))) == {name}


def test_every_way_to_fill_the_disk_is_open_where_landlock_is_left_out_of_tier_2(allowed_tiers):
    if Tier.LANDLOCK not in allowed_tiers:
        return  # what cannot be built here cannot be broken here
    names = {attack.name for attack in GROUPS["files"] if attack.name not in NOT_SHOWN_WITHOUT_LANDLOCK}
    noticed = problems(check(Tier.LANDLOCK, only=names, without=[Layer.LANDLOCK]))
    assert set(noticed) == names
    assert problems(check(Tier.LANDLOCK, only=names)) == {}


def test_every_layer_of_every_tier_is_left_out_once():
    promised = {(tier, layer) for tier in ("1", "2") for layer in Layer}
    # Tier 2 has no namespaces and nothing to clean. An ordinary user has no capabilities to lose.
    absent = {("2", Layer.CLEANING), ("2", Layer.NAMESPACES), ("2", Layer.PRIVILEGES)}
    assert promised - absent == set(NOTICED_BY)


@pytest.fixture
def place_for_all():
    """A directory that every user can reach, which pytest's own are not."""
    with tempfile.TemporaryDirectory() as directory:
        Path(directory).chmod(0o755)
        yield Path(directory)


def test_an_ordinary_user_has_the_same_boundaries(tier, place_for_all, readable_python):
    """Runs the suite as nobody, with a copy of the package, which alone that user can read."""
    if os.geteuid() != 0:
        return  # every other test here is this one then, and only root can become another user
    place = place_for_all
    package = Path(__file__).parents[3] / "talan_eval"
    (place / "talan_eval").mkdir()
    (place / "talan_eval" / "__init__.py").touch()
    subprocess.run(["cp", "-r", package / "sandbox", place / "talan_eval"], check=True)  # noqa: S607 - every system has it
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]);"
        "from talan_eval.sandbox.conformance.check import check, attacks_of;"
        "from talan_eval.sandbox.tiers import Tier; t = Tier(sys.argv[2]);"
        "n = [p.name for _, p in attacks_of(t) if p.name not in eval(sys.argv[3])];"
        "f = list(check(t, only=n)); print(len(f), [(x.name, x.problem) for x in f if x.problem])"
    )
    done = subprocess.run(
        [readable_python, "-S", "-c", code, str(place), tier.value, repr(SLOW_ATTACKS)],
        capture_output=True,
        text=True,
        check=False,
        user="nobody",
        group=65534,
        extra_groups=[],
        cwd="/",
        env={"TMPDIR": "/tmp"},  # noqa: S108 - where every user may write
    )
    assert done.stderr == ""
    assert done.stdout == f"{len(quick(tier))} []\n"
