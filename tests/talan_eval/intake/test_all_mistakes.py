"""Mistakes of one request are named together: nobody mends one only to be told the next."""

from __future__ import annotations

import pytest

from talan_core.errors import MistakesError, UserError, mistakes_of, refuse
from talan_eval.intake.checked import check
from talan_eval.intake.prepare import prepare
from talan_eval.requests.compare import CompareRequest

WRONG = {
    "treat": (("talan+lora", "lorra"), "lorra"),
    "fixed": (("ia3",), "--fixed ia3 is none of the arms"),
    "pairs": ("al", "--pairs 'al'"),
    "pairing": ("pared", "--pairing 'pared'"),
    "confirm": (-1, "--confirm -1"),
    "seeds": ("seven", "seven"),
    "tasks": ("gsm8k_micro,gsm8k_mikro,mbppp", "gsm8k_mikro"),
    "train_tasks": ("nothing_such", "nothing_such"),
    "backbone": (("micro", "nowhere-such", "micro"), "'micro' is named twice"),
    "limit": (0, "--limit 0"),
    "retries": (-1, "--retries -1"),
    "device": ("tpu", "'tpu'"),
    "backend": ("vlm", "'vlm'"),
    "temperature": (-1.0, "-1"),
    "alpha": (2.0, "alpha is 2"),
    "confirm_items": (1.0, "--confirm-items 1 is no share"),
}


@pytest.mark.parametrize("name", WRONG)
def test_one_mistake_is_an_error_of_its_own(name):
    value, said = WRONG[name]
    with pytest.raises(UserError, match=said):
        check(CompareRequest(**{name: value}))


def test_all_mistakes_of_a_request_are_named_in_one_error():
    with pytest.raises(MistakesError) as found:
        check(CompareRequest(**{name: value for name, (value, _) in WRONG.items()}))
    text = str(found.value)
    for _, said in WRONG.values():
        assert said in text
    assert "mbppp" in text  # two of one option
    assert "nowhere-such" in text
    assert text.startswith(f"There are {len(found.value.mistakes)} mistakes:\n")
    assert text.count("'micro' is named twice") == 1


def test_items_are_kept_only_for_a_confirmation():
    with pytest.raises(UserError, match=r"(?s)none is asked for.*--confirm 7"):
        check(CompareRequest(confirm_items=0.5))
    with pytest.raises(UserError, match=r"holds out . of the 3 items of gsm8k_micro"):
        prepare(CompareRequest(treat=("dora", "ia3"), confirm=2, confirm_items=0.2, limit=3, tasks="gsm8k_micro"))


def test_backbones_and_data_that_are_not_there_are_named_together(tmp_path):
    places = [tmp_path / "one", tmp_path / "two"]
    for place in places:
        place.mkdir()
        (place / "config.json").write_text("{}", encoding="utf-8")
    request = CompareRequest(
        backbone=("micro",), tasks="gsm8k,math500", train_tasks="gsm8k_micro", data_dir=tmp_path, out=tmp_path / "out"
    )
    with pytest.raises(MistakesError, match=r"(?s)gsm8k.*math"):
        prepare(request)


def test_errors_that_are_no_mistakes_escape_and_none_is_no_error():
    refuse(mistakes_of(lambda: None))
    with pytest.raises(ZeroDivisionError):
        mistakes_of(lambda: 1 // 0)
