"""The generated world: right answers, separate splits, independent of generators' states."""

from __future__ import annotations

import random
import re
from fractions import Fraction

import jinja2
import pytest

from talan_core.backbones.micro.tokenizer import CHAT_TEMPLATE
from talan_core.backbones.micro.world import science
from talan_core.backbones.micro.world.corpus import conversation, document
from talan_core.backbones.micro.world.draws import BENCHMARKS, CORPUS
from talan_core.backbones.micro.world.problem import draw_distinct, split_of

draws = pytest.mark.parametrize("draw", [*CORPUS.values(), *BENCHMARKS.values()])


@draws
def test_equal_seeds_give_equal_problems_and_other_seeds_others(draw):
    first, again, other = (draw_distinct(draw, "train", 30, seed) for seed in (0, 0, 1))
    assert first == again
    assert first != other


@draws
def test_splits_share_no_problem(draw):
    keys = {split: {p.key for p in draw_distinct(draw, split, 150, seed=3)} for split in ("test", "train", "pretrain")}
    assert not keys["test"] & keys["train"]
    assert not (keys["test"] | keys["train"]) & keys["pretrain"]
    assert all(split_of(key) == split for split, some in keys.items() for key in some)


@draws
def test_wording_is_unique_within_a_split(draw):
    questions = [p.question for p in draw_distinct(draw, "test", 200, seed=1)]
    assert len(set(questions)) == len(questions)


def test_word_problems_compute_what_their_steps_say():
    for problem in draw_distinct(BENCHMARKS["gsm8k"], "train", 200, seed=5):
        value = None
        for line in problem.worked.splitlines()[:-1]:
            left, sign, right, _, result = line.split()
            assert value is None or int(left) == value
            value = {"+": int.__add__, "-": int.__sub__, "*": int.__mul__, "/": int.__floordiv__}[sign](
                int(left), int(right)
            )
            assert value == int(result)
        assert problem.worked.splitlines()[-1] == f"#### {value}"
        assert problem.answer == str(value)


def test_algebra_answers_solve_their_problems():
    checked = 0
    for problem in draw_distinct(CORPUS["math500"], "train", 300, seed=5):
        if problem.subject == "linear":
            a, sign, b, right = re.match(r"Solve \$(\d+)x ([+-]) (\d+) = (-?\d+)\$", problem.question).groups()
            assert int(a) * int(problem.answer) + (int(b) if sign == "+" else -int(b)) == int(right)
        elif problem.subject == "fractions":
            tops = re.findall(r"\\frac\{(\d+)\}\{(\d+)\}", problem.question)
            answer = re.match(r"\\frac\{(\d+)\}\{(\d+)\}|(\d+)", problem.answer)
            value = Fraction(int(answer[3])) if answer[3] else Fraction(int(answer[1]), int(answer[2]))
            assert value == sum(Fraction(int(n), int(d)) for n, d in tops)
        elif problem.subject == "remainder":
            n, d = map(int, re.findall(r"\$(\d+)\$", problem.question))
            assert int(problem.answer) == n % d
        else:
            continue
        checked += 1
    assert checked > 100


def test_science_choices_are_distinct_and_ordered_by_content_alone():
    rng = random.Random(9)  # noqa: S311 - exercises, not secrets
    problems = [science.draw(rng) for _ in range(300)]
    assert all(len(set(p.choices)) == 4 for p in problems)
    for problem in problems:
        letter = science.LETTERS.index(problem.answer)
        assert f"({problem.answer}) {problem.choices[letter]}" in problem.question
    by_key: dict[str, set[tuple[str, ...]]] = {}
    for problem in problems:
        if problem.subject in ("periodic table", "biology"):
            by_key.setdefault(problem.key + "|".join(sorted(problem.choices)), set()).add(problem.choices)
    assert all(len(orders) == 1 for orders in by_key.values())
    shares = [sum(p.answer == letter for p in problems) / len(problems) for letter in science.LETTERS]
    assert min(shares) > 0.15


def test_programs_pass_their_own_assertions_and_hasty_ones_sometimes_do_not():
    outcomes = []
    for problem in draw_distinct(BENCHMARKS["mbpp"], "train", 200, seed=5):
        for text, expected in ((problem.worked, True), (problem.careless, None)):
            source = re.fullmatch(r"```python\n(.*)\n```", text, re.DOTALL)[1]
            namespace: dict[str, object] = {}
            exec(source, namespace)  # noqa: S102 - written by the generator under test
            passed = all(_holds(test, namespace) for test in problem.tests)
            assert expected is None or passed
            outcomes.append((expected is None, passed))
    assert sum(not passed for hasty, passed in outcomes if hasty) > 50


def _holds(test: str, namespace: dict[str, object]) -> bool:
    try:
        exec(test, namespace)  # noqa: S102 - written by the generator under test
    except (AssertionError, TypeError):
        return False
    return True


def test_documents_hold_no_problem_of_other_splits():
    rng = random.Random(0)  # noqa: S311 - exercises, not secrets
    text = "\n".join(document(rng) for _ in range(3000))
    for draw in (*CORPUS.values(), *BENCHMARKS.values()):
        for split in ("train", "test"):
            for problem in draw_distinct(draw, split, 60, seed=1):
                assert problem.question not in text, split


def test_conversations_are_written_as_the_chat_template_does():
    rendered = jinja2.Template(CHAT_TEMPLATE).render(
        messages=[{"role": "user", "content": "Q"}, {"role": "assistant", "content": "A"}], add_generation_prompt=False
    )
    assert rendered == conversation("Q", "A")
