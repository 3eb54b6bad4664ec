"""The layout keeps its measures: short files and functions, imports that lead down, a short way to a number.

``python benchmarks/structure.py --names --way`` prints all of it. A name that two files share is one thing in
both, with the reason here; no name has two meanings.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

FILES = 23  # what a screen and a pipe show, how the one of the two shows it, and the choice between them
RETURNS = 12
CLIMBS = 1
SHARING = {"classes": 12, "stems": 53}  # files that share a name, counted for each name

PUBLISHED = "a statistic, and its record in the published result"
COMMAND = "a command, what may be asked of it, and what it does"
FORMAT = "the same part of the report and of the gate"
SUBJECT = "one subject: its statistics, and their use on score matrices"
ONE_THING = {
    "CheckpointPair": PUBLISHED,
    "MeanSquares": PUBLISHED,
    "OneSided": PUBLISHED,
    "OutlyingSeed": PUBLISHED,
    "recipe": "a training recipe: that of the bundled backbone, and one as it is asked for",
    "verdicts": SUBJECT,
    "SignFlip": PUBLISHED,
    "_Checkpoint": "one trained checkpoint of an arm, in two formats of logs",
    "anytime": SUBJECT,
    "independent": SUBJECT,
    "selection": SUBJECT,
    "compare": COMMAND,
    "compare_logs": COMMAND,
    "evaluate": COMMAND,
    "merge": COMMAND,
    "gate": COMMAND,
    "grid": COMMAND,
    "internals": COMMAND,
    "power": COMMAND,
    "reasons": "why answers were graded so: in classes, and as a table",
    "registry": "what is known by name, a line each",
    "methods": "the methods of a result, as it states them and as a paper does",
    "copies": "seeds that are copies: found in scores, and refused in logs",
    "table": FORMAT,
    "terminal": FORMAT,
    "wording": FORMAT,
    "plain": "baselines that are no adapters of PEFT: what may be asked of them, and their models",
    "utils": "lm-eval's name for the functions of a task's YAML file",
}


@pytest.fixture(scope="module")
def structure():
    spec = importlib.util.spec_from_file_location("structure", ROOT / "benchmarks" / "structure.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["structure"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    yield module
    del sys.modules["structure"]


@pytest.fixture(scope="module")
def here(structure):
    return structure.Checkout(ROOT)


def written(structure, root, files):
    """A checkout of these files, by their path in talan_eval without the suffix."""
    for name, text in files.items():
        path = root / "talan_eval" / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return structure.Checkout(root)


def long_functions(structure, checkout):
    return {one.name: one.lines for one in checkout.functions if one.lines > structure.LONG_FUNCTION}


def crowded(structure, checkout):
    return [one.name for one in checkout.functions if one.parameters > structure.MANY_PARAMETERS]


def test_files_and_functions_stay_short(structure, here):
    assert len(here.sources) > 200
    assert [one.path for one in here.sources if one.lines > structure.LONG_FILE] == []
    assert long_functions(structure, here) == {}
    assert crowded(structure, here) == []


def test_long_and_crowded_functions_are_found(structure, tmp_path):
    body = "    pass\n"
    short = "def f():\n" + body * 59 + "class A:\n    def g(self, a, b, c, d, e, f, g, h): ...\n"
    long = "def f():\n" + body * 60 + "class A:\n    def g(self, a, b, c, d, e, f, *g, h, i): ...\n"
    checkout = written(structure, tmp_path, {"short": short, "long": long})
    assert long_functions(structure, checkout) == {"talan_eval/long.py:f": 61}
    assert crowded(structure, checkout) == ["talan_eval/long.py:g"]


def test_imports_lead_down_and_close_no_circle(here):
    assert here.rooms.circles == frozenset()
    assert here.loaded.circles == frozenset()
    assert here.files.circles == frozenset()  # for types neither
    assert here.rooms.level == ()
    assert here.files.level == ()
    assert max(here.files.floors.values()) > 10


def test_a_circle_is_found_wherever_its_imports_stand(structure, tmp_path):
    files = {
        "a/one": "from talan_eval.b import two\n",
        "b/two": "def f():\n    from talan_eval.c.three import x\n",
        "c/three": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from ..a import one\n",
        "d": "import talan_eval.a.one\n",
    }
    checkout = written(structure, tmp_path, files)
    circle = frozenset({"talan_eval.a.one", "talan_eval.b.two", "talan_eval.c.three"})
    assert checkout.files.circles == {circle}
    assert checkout.loaded.circles == frozenset()
    assert checkout.rooms.circles == {frozenset({"talan_eval.a", "talan_eval.b", "talan_eval.c"})}
    assert len(checkout.files.level) == 3
    assert checkout.files.floors["talan_eval.d"] == 1 + checkout.files.floors["talan_eval.a.one"]
    floors = [checkout.loaded.floors[f"talan_eval.{name}"] for name in ("c.three", "b.two", "a.one", "d")]
    assert floors == [0, 1, 2, 3]


def test_names_that_files_share_are_known(here):
    shared = {*here.shared_classes, *here.shared_stems}
    assert shared == set(ONE_THING)  # neither a name with two meanings, nor a reason for a name that is gone
    assert sum(map(len, here.shared_classes.values())) <= SHARING["classes"]  # no third file takes a name that two have
    assert sum(map(len, here.shared_stems.values())) <= SHARING["stems"]


def test_shared_names_are_found(structure, tmp_path):
    files = {"a/same": "class A:\n    class B: ...\n", "b/same": "class B: ...\n", "a/__init__": "", "b/__init__": ""}
    checkout = written(structure, tmp_path, files)
    assert checkout.shared_classes == {"B": ("talan_eval/a/same.py", "talan_eval/b/same.py")}
    assert list(checkout.shared_stems) == ["same"]


def test_identifiers_are_told_from_text(structure, tmp_path):
    texts = ("f(treat_arm=1)\n", '"""treat"""\ntreatment = f"treated"\n', "x.treat\n", "trea = 't'\n")
    checkout = written(structure, tmp_path, dict(zip("abcd", texts, strict=True)))
    assert ["treat_arm" in one.identifiers for one in checkout.sources] == [True, False, False, False]
    assert ["treat" in one.identifiers for one in checkout.sources] == [False, False, True, False]


def test_the_way_to_a_number_is_short(here):
    way = here.way
    assert way.stays[0] == "talan_eval/cli/main.py"
    assert {"talan_eval/stats/guard.py", "talan_eval/report/format.py"} <= set(way.files)
    assert len(way.files) <= FILES
    assert len(way.climbs) <= CLIMBS
    assert way.returns <= RETURNS


def test_a_walk_counts_files_climbs_and_returns(structure):
    frames = [structure.Frame(number, file) for number, file in enumerate(["top", "top", "low", "middle"])]
    main, command, reads, called_back = frames
    prints = structure.Frame(9, "middle")
    way = structure.walk(
        [[main, command, reads, called_back], [main, command, prints]], {"top": 2, "middle": 1, "low": 0}
    )
    assert way.stays == ("top", "low", "middle", "top", "middle")
    assert way.files == ("top", "low", "middle")
    assert way.climbs == ("low -> middle",)
    assert way.returns == 2


def test_a_station_that_is_never_reached_is_named(structure, tmp_path):
    files = {"__init__": "", "cli/__init__": "", "cli/main": "def main(): ...\n"}
    checkout = written(structure, tmp_path, files)
    with pytest.raises(SystemExit, match=r"the request is read\.\nAdd to STATIONS"):
        checkout.way  # noqa: B018 - the property runs the comparison
