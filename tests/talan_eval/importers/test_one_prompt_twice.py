"""A question that a log holds under two item ids is a red flag, whatever harness wrote the log."""

from __future__ import annotations

import json

FLAG = "2 of 4 items have a prompt that another item has as well (such as '1', '2')"


def ask_the_second_question_again(path, *, target):
    """Give the third line the prompt of the second, and on request another expected answer."""
    (file,) = path.glob("samples*")
    rows = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    rows[2]["prompt_hash"] = rows[1]["prompt_hash"]
    rows[2]["target_hash"] = target or rows[1]["target_hash"]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def test_lm_eval_logs(compared, run):
    for target in (None, "0" * 64):
        arms = [
            ask_the_second_question_again(run(f"{arm}{target}", task=scores), target=target)
            for arm, scores in (("base", "0101"), ("treat", "0111"))
        ]
        got = compared(*arms).result
        assert any(FLAG in warning for warning in got.warnings)
        assert got.contrasts[0].cells[0].items.same_prompt == 2


def test_different_questions_are_no_flag(compared, run):
    got = compared(run("base", task="0101"), run("treat", task="0111")).result
    assert not any("another item" in warning for warning in got.warnings)
    assert got.contrasts[0].cells[0].items.same_prompt == 0


def test_tables_with_and_without_prompts(compared, tmp_path):
    for name, prompts in (("with", ["p0", "p1", "p1", "p3"]), ("without", None)):
        rows = [
            {"arm": arm, "seed": 0, "task": "t", "item": item, "score": (item + shift) % 2}
            | ({} if prompts is None else {"prompt": prompts[item]})
            for shift, arm in enumerate("ab")
            for item in range(4)
        ]
        file = tmp_path / f"{name}.jsonl"
        file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        got = compared(f"a={file}", f"b={file}").result
        assert any(FLAG in warning for warning in got.warnings) == (name == "with")
        assert got.contrasts[0].cells[0].items.same_prompt == (2 if name == "with" else None)
