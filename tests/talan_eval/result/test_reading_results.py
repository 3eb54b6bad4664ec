"""What is no result, is damaged, or says two things at once is refused once, where it is read, with its place."""

from __future__ import annotations

import copy
import json

import pytest

from talan_core.errors import UserError
from talan_eval.comparison import ContrastSpec
from talan_eval.result.choosing import chosen_contrast, chosen_contrasts, typed
from talan_eval.result.reading import read_result


@pytest.fixture
def refused(tmp_path):
    """Return a function that reads a document and gives the error back."""

    def read(document):
        path = tmp_path / "result.json"
        path.write_text(document if isinstance(document, str) else json.dumps(document))
        with pytest.raises(UserError) as caught:
            read_result(path)
        return caught.value

    return read


@pytest.mark.parametrize("version", [3, 17])
def test_a_newer_schema_is_named_with_what_to_type(refused, result, version):
    error = refused({**json.loads(result().to_json()), "schema": version, "later": []})
    assert f"follows result schema {version}, which is newer: this talan-eval reads schemas 1 and 2" in error.problem
    assert error.fix.endswith("pip install --upgrade talan-eval")


@pytest.mark.parametrize("version", [0, -1, True, "2", 2.0, None, [1]])
def test_what_never_was_a_schema_is_not_called_newer(refused, result, version):
    error = refused({**json.loads(result().to_json()), "schema": version})
    assert "reads schemas 1 and 2" in error.problem
    assert "newer" not in error.problem


@pytest.mark.parametrize("text", ["", "{", "[1, 2]", '"schema"', "null", "{}", "[" * 100_000])
def test_what_is_no_result_at_all_is_refused(refused, text):
    assert "Name a result.json" in refused(text).fix or "not JSON" in refused(text).problem


def edit(path, value):
    """Return a function that sets one place of a document."""
    *places, last = path

    def change(document):
        part = document
        for place in places:
            part = part[place]
        part[last] = value(part[last]) if callable(value) else value

    return change


CELL = ("contrasts", 0, "cells", 0)
MEAN = ("contrasts", 0, "aggregate")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (edit((*CELL, "delta"), "NaN"), "does not follow result schema 2: contrasts.0.cells.0.delta"),
        (edit((*CELL, "verdict"), "good"), "contrasts.0.cells.0.verdict"),
        (edit(("contrasts",), []), "contrasts: Tuple should have at least 1 item"),
        (lambda document: document.pop("arms"), "arms: Field required"),
        (edit((*CELL, "deltas"), lambda old: old[1:]), "contrasts.0.cells.0.deltas: 6 in place of 7"),
        (edit((*CELL, "e0"), lambda old: old[1:]), "contrasts.0.cells.0.e0: 6 in place of 7"),
        (edit((*CELL, "base_by_seed"), lambda old: old[1:]), "cells.0.base_by_seed: 6 in place of 7"),
        (edit((*CELL, "treat_by_seed"), lambda old: old[1:]), "cells.0.treat_by_seed: 6 in place of 7"),
        (edit((*CELL, "n_seeds"), 9), "contrasts.0.cells.0.n_seeds: 9 in place of 7"),
        (edit((*CELL, "seeds"), [0, 0, 2, 3, 4, 5, 6]), "contrasts.0.cells.0.seeds: one stands there twice"),
        (edit((*CELL, "delta"), lambda old: old + 0.01), "contrasts.0.cells.0.delta is not the mean of deltas"),
        (edit((*CELL, "treat_mean"), lambda old: old + 0.01), "cells.0.delta is not treat_mean minus base_mean"),
        (edit((*MEAN, "delta"), lambda old: old + 0.01), "contrasts.0.aggregate.delta is not the mean of deltas"),
        (edit((*MEAN, "n_cells"), 3), "contrasts.0.aggregate.n_cells: 3 in place of 2"),
        (edit((*MEAN, "deltas"), lambda old: old[1:]), "contrasts.0.aggregate.deltas: 6 in place of 7"),
        (edit((*MEAN, "deltas"), lambda old: [*old[1:], old[0]]), "aggregate.deltas: that of seed 0 is not the mean"),
        (edit((*MEAN, "backbones"), []), "contrasts.0.aggregate.backbones are not those of the cells"),
        (
            lambda document: [
                part.update(base="talan+lora") for part in (document["primary"]["contrast"], document["contrasts"][0])
            ],
            "contrasts.0: the arm talan+lora is compared with itself",
        ),
        (edit(("contrasts", 0, "base"), "dora"), "primary.contrast is not the first of contrasts"),
        (edit(("arms", 0, "name"), "dora"), "contrasts.0: the arm lora on micro is not among the arms"),
        (edit(("arms", 0, "name"), "talan+lora"), "arms: talan+lora on micro stands there twice"),
        (edit(("contrasts",), lambda old: old * 2), "contrasts: talan+lora against lora stands there twice"),
        (edit((*CELL, "task"), "mbpp_micro"), "contrasts.0.cells: mbpp_micro on micro stands there twice"),
    ],
)
def test_a_damaged_result_is_one_error_with_its_place(refused, result, change, said):
    document = json.loads(result().to_json())
    change(document)
    error = refused(document)
    assert said in error.problem
    assert "such in all" in error.problem
    assert "compare command again" in error.fix


def test_an_error_in_the_first_schema_has_the_place_that_it_has_there(refused, request):
    text = (request.config.rootpath / "tests" / "data" / "result_schema_1.json").read_text()
    for change, said in (
        (edit(("cells", 2, "delta"), None), "does not follow result schema 1: cells.2.delta"),
        (edit(("cells", 2, "deltas"), lambda old: old[1:]), "contradicts itself: cells.2.deltas: 6 in place of 7"),
        (edit(("aggregate", "n_cells"), 2), "contradicts itself: aggregate.n_cells: 2 in place of 4"),
        (lambda document: document.update(contrasts=[]), "contrasts: Extra inputs are not permitted"),
    ):
        document = json.loads(text)
        change(document)
        assert said in refused(document).problem


@pytest.mark.parametrize("pairing", ["paired", "fixed", "independent"])
def test_what_compare_wrote_does_not_contradict_itself(cell, result, many, tmp_path, pairing):
    seeds = 1 if pairing == "fixed" else 7
    made = many(
        contrasts=[ContrastSpec("lora", "dora", pairing), ContrastSpec("lora", "talan+lora", pairing)],
        backbones=("a", "b"),
    ) if pairing != "fixed" else result([cell(seeds=seeds)], pairing=pairing)  # fmt: skip
    (tmp_path / "result.json").write_text(made.to_json())
    assert read_result(tmp_path).to_json() == made.to_json()


def test_contrasts_are_chosen_by_name_in_the_order_of_the_result(many):
    one = many()
    names = [typed(contrast) for contrast in one.contrasts]
    assert names == ["talan+lora:lora", "noise+lora:lora", "dora:lora"]
    assert chosen_contrasts(one, ()) == one.contrasts
    assert chosen_contrasts(one, (names[2], names[0], names[2])) == (one.contrasts[0], one.contrasts[2])
    assert chosen_contrast(one, None) == one.contrasts[0]
    assert chosen_contrast(one, f" {names[1]} ") == one.contrasts[1]


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("talan+lorra:lora", "Did you mean --contrast 'talan+lora:lora'?"),
        ("lora:noise+lora", "Did you mean --contrast 'noise+lora:lora'?"),
        ("talan+lora", "it has 'talan+lora:lora', 'noise+lora:lora', 'dora:lora'"),
        ("", "it has 'talan+lora:lora', 'noise+lora:lora', 'dora:lora'"),
    ],
)
def test_an_unknown_contrast_lists_those_that_exist(many, name, hint):
    with pytest.raises(UserError, match="has no contrast") as caught:
        chosen_contrasts(many(), (name,))
    assert hint in caught.value.fix


def test_names_with_every_sign_of_the_grammar_and_with_colons_are_found(many):
    base, grid, logged = "lora[r=9,alpha=2]", "talan[slots=4,layer=1]+lora", "run:3:talan"
    one = many(arms={base: 0.0, grid: 0.1, logged: 0.2})
    assert [typed(contrast) for contrast in one.contrasts] == [f"{grid}:{base}", f"{logged}:{base}"]
    for contrast in one.contrasts:
        assert chosen_contrast(one, typed(contrast)) == contrast


def test_contrasts_that_are_typed_alike_are_refused_and_not_guessed(many):
    specs = [ContrastSpec("c", "a:b"), ContrastSpec("b:c", "a")]
    one = many(arms={"c": 0.0, "a:b": 0.1, "b:c": 0.0, "a": 0.1}, contrasts=specs)
    with pytest.raises(UserError, match="names two contrasts") as caught:
        chosen_contrast(one, "a:b:c")
    assert "Leave --contrast out" in caught.value.fix
    assert len(chosen_contrasts(one, ())) == 2


def test_the_document_that_the_tests_break_is_sound(result, tmp_path):
    document = json.loads(result().to_json())
    (tmp_path / "result.json").write_text(json.dumps(copy.deepcopy(document)))
    assert json.loads(read_result(tmp_path).to_json()) == document


@pytest.mark.parametrize("value", ["1_0", "10", True, "ten"])
def test_a_text_or_a_truth_value_is_no_number(refused, result, value):
    document = json.loads(result().to_json())
    edit((*CELL, "e1", "bootstrap", "ci"), [value, 20.0])(document)
    assert "does not follow result schema 2: contrasts.0.cells.0.e1.bootstrap.ci" in refused(document).problem
