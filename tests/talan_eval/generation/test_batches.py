"""Batches are fixed before the first answer, and an interruption changes nothing but when it is given."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from talan_eval.generation.batches import answer, cut
from talan_eval.store.journal import Journal

LENGTHS = st.lists(st.integers(1, 9), min_size=1, max_size=30)


class StoppedError(Exception):
    pass


@settings(derandomize=True, deadline=None, max_examples=80)
@given(LENGTHS, st.integers(1, 8), st.integers(1, 3))
def test_every_prompt_is_in_one_batch_of_each_sample_and_the_longest_come_first(lengths, size, samples):
    batches = cut(lengths, size, samples)
    for sample in range(samples):
        rows = [row for batch in batches if batch.sample == sample for row in batch.rows]
        assert sorted(rows) == list(range(len(lengths)))
        assert [lengths[row] for row in rows] == sorted(lengths, reverse=True)
    assert all(len(batch.rows) <= size for batch in batches)


def ask_like_a_model(asked, stop_after=None):
    """Answers that depend on who shares the batch, as those of a model in low precision may."""

    def ask(batch):
        if stop_after is not None and len(asked) == stop_after:
            raise StoppedError
        asked.append(batch)
        return [f"{batch.sample}/{row} with {batch.rows}" for row in batch.rows]

    return ask


@settings(derandomize=True, deadline=None, max_examples=40)
@given(LENGTHS, st.integers(1, 4), st.integers(1, 2), st.integers(0, 20))
def test_interrupted_and_continued_it_gives_the_same_answers_and_asks_none_twice(
    tmp_path_factory, lengths, size, samples, stop
):
    path = tmp_path_factory.mktemp("answers") / "c.jsonl"
    prompts = [f"prompt {row}" for row in range(len(lengths))]
    batches = cut(lengths, size, samples)

    def run(asked, stop_after=None):
        return answer(
            batches, prompts, ask_like_a_model(asked, stop_after), record=lambda header: Journal.open(path, header)
        )

    first, second = [], []
    if stop < len(batches):
        with pytest.raises(StoppedError):
            run(first, stop)
    continued = run(second)
    assert continued.texts == answer(batches, prompts, ask_like_a_model([])).texts
    assert (continued.seconds_before > 0) == (0 < stop < len(batches))
    assert [*first, *second] == list(batches)


def test_answers_to_other_prompts_or_batches_are_not_taken(tmp_path):
    def run(prompts, size):
        asked = []
        answer(
            cut([1] * len(prompts), size), prompts, ask_like_a_model(asked),
            record=lambda header: Journal.open(tmp_path / "c.jsonl", header),
        )  # fmt: skip
        return len(asked)

    assert run(["a", "b"], 1) == 2
    assert run(["a", "b"], 1) == 0
    assert run(["a", "c"], 1) == 2
    assert run(["a", "c"], 2) == 1


def test_progress_counts_answers():
    seen = []
    answer(cut([1, 2, 3], 2, 2), ["a", "b", "c"], ask_like_a_model([]), on_items=lambda *told: seen.append(told))
    assert seen == [(2, 6), (3, 6), (5, 6), (6, 6)]
