"""Arms with recipes of their own: every table of every format says so, for a gain may be the recipe's."""

from __future__ import annotations

from dataclasses import replace

import pytest

from talan_eval.comparison import ContrastSpec, Origin, StatisticsSettings, compare
from talan_eval.report.context import Context
from talan_eval.report.own_recipes import different_recipes
from talan_eval.report.view import View

from .readers import every_face, read_csv, read_terminal

QUICK = StatisticsSettings(resamples=100, slices=("subject",), also=("wilcoxon",))
OWN = {"noise+lora": {"learning_rate": 0.002, "steps": 9}}
SAID = "recipes differ: noise+lora (learning_rate=0.002, steps=9)"


@pytest.fixture
def made(matrices):
    def make(by_arm, arms=("talan+lora", "noise+lora")):
        backbones = [{"identity": {"name": "micro"}, "training_by_arm": by_arm}]
        origin = Origin(provenance={"experiment": {"backbones": backbones}})
        labels = {"subject": tuple("ab"[n % 2] for n in range(60))}
        found = [replace(one, items=replace(one.items, labels=labels)) for one in matrices(seeds=6)]
        return compare(found, [ContrastSpec("lora", arm) for arm in arms], origin, QUICK)

    return make


def test_every_table_about_arms_with_different_recipes_says_so(made):
    found = made(OWN)
    for face, tables in every_face(found, Context()).items():
        for table in tables:
            about = "talan+lora" not in table.title.split("recipes differ")[0] or "noise" in table.title
            assert (SAID in table.title) == about, (face, table.title)
    shown = [f"{title} {wrapped}" for title, wrapped, _ in read_terminal(found)]
    assert [SAID in title for title in shown] == ["talan+lora against" not in title for title in shown]
    assert len(shown) > 3
    assert {(row["treatment"], row["recipes"]) for row in read_csv(found)} == {("talan+lora", ""), ("noise+lora", SAID)}


def test_nothing_is_said_where_all_have_one_recipe(made):
    own = {arm: {"steps": 9} for arm in ("lora", "talan+lora", "noise+lora", "dora")}
    for by_arm in ({}, own):
        found = made(by_arm)
        assert not any("recipes" in table.title for tables in every_face(found, Context()).values() for table in tables)
        assert {row["recipes"] for row in read_csv(found)} == {""}


def test_many_recipes_are_counted_and_an_upgraded_result_knows_none(made):
    found = made({f"lora[lr={n}]": {"learning_rate": n} for n in range(5)})
    arms = ["lora", *(f"lora[lr={n}]" for n in range(5))]
    assert different_recipes(found, arms).endswith("lora[lr=2] (learning_rate=2) and 2 more")
    assert different_recipes(found.model_copy(update={"provenance": {}}), arms) == ""


def test_slices_say_with_what_they_are_adjusted(made):
    found = made({})
    assert View(found).titled("Slices") == "Slices: talan+lora against lora"
    for tables in every_face(found, Context()).values():
        titles = [table.title for table in tables if table.title.startswith("Slices")]
        assert titles
        assert all("apart from the benchmarks" in title for title in titles)
    first = found.model_copy(update={"families": tuple(one for one in found.families if one.name != "slices")})
    for tables in every_face(first, Context()).values():
        assert all("together with the benchmarks" in t.title for t in tables if t.title.startswith("Slices"))
