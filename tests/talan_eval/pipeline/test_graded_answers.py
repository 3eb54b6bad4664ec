"""Scores are read of all answers, texts of those that flipped, and of those when they are looked at."""

from __future__ import annotations

import csv
import io

import pytest

from talan_eval.comparison import ContrastSpec
from talan_eval.pipeline import graded
from talan_eval.pipeline.answers import read_flips
from talan_eval.pipeline.graded import Graded
from talan_eval.pipeline.questions import read_questions
from talan_eval.pipeline.scores import score_files
from talan_eval.records.samples import Sample, write_samples
from talan_eval.store.records import Manifest
from talan_eval.store.store import Store
from talan_eval.tasks.benchmark import load_benchmark

TASK = "gsm8k_micro"


def answers(scores, k=1):
    """One item per row of k scores."""
    return [
        Sample(f"i{item}", "0", score, "match" if score else "mismatch", None, "because", f"i{item}s{sample}", sample)
        for item, row in enumerate(scores)
        for sample, score in enumerate([row] if k == 1 else row)
    ]


@pytest.fixture
def directory(tmp_path):
    """Return a function that lays the answers of both arms at seed 0 as compare leaves them."""

    def lay(base, treat, k=1, task=TASK):
        store = Store.open(tmp_path / "run", Manifest({"name": "x"}, "2026-01-01T00:00:00+00:00"))
        for arm, scores in (("lora", base), ("talan+lora", treat)):
            data = {"kind": "evaluation", "arm": arm, "seed": 0, "task": task}
            store.seal(f"eval_{arm}", data, {f"{task}/{arm}.parquet": write_samples(answers(scores, k))})
        return tmp_path / "run"

    return lay


def test_the_answers_of_a_flip_belong_to_it(directory, cell, result):
    flips = read_flips(directory([1, 0, 1, 0], [1, 1, 0, 0]), result([cell(TASK)]))
    assert [(flip.item_id, flip.lost) for flip in flips.entries] == [("i1", False), ("i2", True)]
    assert len(flips.answers) == 2
    for flip, (base, treat) in zip(flips.entries, flips.answers, strict=True):
        assert (base.score, treat.score) == (flip.base, flip.treatment)
        assert base.text == treat.text == f"{flip.item_id}s0"
        assert base.reason == "because"
    assert flips.answers[0:2] == [flips.answers[0], flips.answers[1]]


def test_of_several_answers_those_are_shown_that_make_the_difference(directory, cell, result):
    flips = read_flips(directory([[0, 1, 0], [1, 0, 1]], [[1, 1, 0], [0, 0, 0]], k=3), result([cell(TASK)]))
    gained, lost = flips.answers
    assert [answer.text for answer in gained] == ["i0s0", "i0s0"]
    assert [answer.text for answer in lost] == ["i1s0", "i1s0"]
    assert (gained[0].score, gained[1].score) == pytest.approx((1 / 3, 2 / 3))
    assert lost[0].reason == "because (one of 3 answers)"


def test_texts_are_read_when_an_answer_is_looked_at_and_those_of_gpqa_never(directory, cell, result, monkeypatch):
    read = []
    found = graded.read_columns
    monkeypatch.setattr(graded, "read_columns", lambda path, names: read.extend(names) or found(path, names))
    flips = read_flips(directory([1, 0], [0, 0], task="gpqa_diamond"), result([cell("gpqa_diamond")]))
    assert len(flips.entries) == 1
    assert set(read) == {"item_id", "score"}
    assert [answer.text for answer in flips.answers[0]] == [None, None]
    assert "verdict" in read
    assert "answer" not in read
    assert flips.withheld == ("gpqa_diamond",)


def test_an_item_that_the_other_arm_lacks_is_no_flip(directory, cell, result):
    flips = read_flips(directory([1, 0], [1]), result([cell(TASK)]))
    assert flips.entries == ()
    assert len(flips.answers) == 0


def test_a_payload_in_two_files_is_one_evaluation(tmp_path):
    files = []
    for part, scores in enumerate(([1.0], [0.0, 1.0])):
        rows = [Sample(f"p{part}{n}", "0", score, "match", None, "", "") for n, score in enumerate(scores)]
        files.append(tmp_path / f"{part}.parquet")
        files[-1].write_bytes(write_samples(rows))
    assert Graded(tuple(files)).scores == {"p00": 1.0, "p10": 0.0, "p11": 1.0}


def sealed(store, arm, backbone, seed, scores, task=TASK):
    data = {"kind": "evaluation", "arm": arm, "backbone": backbone, "seed": seed, "task": task}
    files = {f"{task}/{backbone}-{arm}-{seed}.parquet": write_samples(answers(scores))}
    store.seal(f"eval_{backbone}_{arm}_{seed}", data, files)


def test_flips_belong_to_their_contrast_backbone_and_seed(tmp_path, many):
    store = Store.open(tmp_path / "run", Manifest({"name": "x"}, "2026-01-01T00:00:00+00:00"))
    right = {("one", 0): [1, 0, 0], ("one", 1): [1, 1, 0], ("two", 0): [0, 0, 1], ("two", 1): [0, 1, 1]}
    for (backbone, seed), scores in right.items():
        sealed(store, "lora", backbone, seed, scores)
        sealed(store, "talan+lora", backbone, seed, [1, 0, 0])
        sealed(store, "dora", backbone, seed, [0, 0, 0])
    found = many(arms={"lora": 0.0, "talan+lora": 0.0, "dora": 0.0}, backbones=("one", "two"), tasks=(TASK,), seeds=2)
    flips = read_flips(tmp_path / "run", found)
    assert [(f.contrast, f.cell, f.seed, f.item_id, f.lost) for f in flips.entries] == [
        (0, 0, 1, "i1", True),
        (0, 1, 0, "i0", False), (0, 1, 0, "i2", True),
        (0, 1, 1, "i0", False), (0, 1, 1, "i1", True), (0, 1, 1, "i2", True),
        (1, 0, 0, "i0", True), (1, 0, 1, "i0", True), (1, 0, 1, "i1", True),
        (1, 1, 0, "i2", True), (1, 1, 1, "i1", True), (1, 1, 1, "i2", True),
    ]  # fmt: skip
    for flip, (base, treatment) in zip(flips.entries, flips.answers, strict=True):
        assert (base.score, treatment.score) == (flip.base, flip.treatment)


def test_a_base_without_seeds_is_held_against_every_seed(tmp_path, many):
    store = Store.open(tmp_path / "run", Manifest({"name": "x"}, "2026-01-01T00:00:00+00:00"))
    sealed(store, "none", "micro", 0, [1, 0])
    for seed in (0, 1):
        sealed(store, "lora", "micro", seed, [seed, 0])
    made = many([ContrastSpec("none", "lora", "paired")], arms={"none": 0.0, "lora": 0.1}, tasks=(TASK,), seeds=2)
    for pairing, seeds in (("fixed", [0]), ("independent", [])):
        contrasts = tuple(one.model_copy(update={"pairing": pairing}) for one in made.contrasts)
        flips = read_flips(tmp_path / "run", made.model_copy(update={"contrasts": contrasts}))
        assert [flip.seed for flip in flips.entries] == seeds


def test_matrices_of_arms_with_like_names_have_files_of_their_own(tmp_path, many):
    store = Store.open(tmp_path / "run", Manifest({"name": "x"}, "2026-01-01T00:00:00+00:00"))
    for number, arm in enumerate(("talan[slots=1]", "talan-slots=1")):
        data = {"kind": "evaluation", "arm": arm, "backbone": "micro", "seed": 3, "task": TASK}
        store.seal(f"eval_{number}", data, {f"{number}.parquet": write_samples(answers([number, 0.5]))})
    files = score_files(tmp_path / "run", many())
    assert len(files) == 3
    texts = [text.decode() for name, text in files.items() if name != "scores/index.csv"]
    assert sorted(texts) == ["seed,i0,i1\r\n3,0.0,0.5\r\n", "seed,i0,i1\r\n3,1.0,0.5\r\n"]


def test_the_index_of_scores_says_which_seeds_confirm(tmp_path, many):
    store = Store.open(tmp_path / "run", Manifest({"name": "x"}, "2026-01-01T00:00:00+00:00"))
    for arm, seeds in (("lora", (0, 1, 2, 3)), ("dora", (0, 1))):
        for seed in seeds:
            sealed(store, arm, "micro", seed, [1, 0])
    made = many()
    chosen = made.selection.model_copy(update={"confirmation_seeds": (2, 3)})
    files = score_files(tmp_path / "run", made.model_copy(update={"selection": chosen}))
    rows = list(csv.DictReader(io.StringIO(files["scores/index.csv"].decode(), newline="")))
    found = {row["arm"]: (row["n_seeds"], row["confirmation_seeds"]) for row in rows}
    assert found == {"lora": ("4", "2 3"), "dora": ("2", "")}


def test_seeds_without_answers_are_declared(tmp_path, many):
    store = Store.open(tmp_path / "run", Manifest({"name": "x"}, "2026-01-01T00:00:00+00:00"))
    for arm in ("lora", "talan+lora"):
        sealed(store, arm, "micro", 1, [1, 0])
    found = many(arms={"lora": 0.0, "talan+lora": 0.0}, tasks=(TASK,), seeds=3)
    notes = read_flips(tmp_path / "run", found).notes
    assert any("the answers of seeds 0, 2 are not in samples/" in note for note in notes)


def test_answers_that_tell_another_story_than_the_table_say_so(directory, cell, result):
    one = cell(TASK)
    place = directory([1, 0, 1, 0], [1, 1, 0, 0])  # one lost, one gained
    (pair, *_) = result([one]).contrasts[0].cells[0].e0
    notes = read_flips(place, result([one])).notes
    told = f"seed 0: the answers here show 1 lost and 1 gained, the table {pair.lost} and {pair.gained}."
    assert any(told in note for note in notes) == ((pair.lost, pair.gained) != (1, 1))
    assert (pair.lost, pair.gained) != (1, 1)


def test_items_of_one_arm_alone_and_a_directory_without_answers_are_declared(directory, cell, result, tmp_path):
    assert any(
        "1 item(s) that only one arm" in note for note in read_flips(directory([1, 0], [1]), result([cell(TASK)])).notes
    )
    (note,) = read_flips(tmp_path / "nowhere", result([cell(TASK)])).notes
    assert "holds no graded answers" in note


def recorded(result, cell, task, **changed):
    spec = load_benchmark(task, data_dir=None, limit=5).spec.model_dump(mode="json") | changed
    return result([cell(task)], provenance={"experiment": {"tasks": [spec]}})


def test_questions_are_those_that_were_asked(cell, result):
    questions, notes = read_questions(recorded(result, cell, TASK), [TASK])
    assert notes == ()
    assert len(questions) == 5
    item = load_benchmark(TASK, data_dir=None, limit=5).items[3]
    assert questions[TASK, item.item_id].text == item.prompt
    assert questions[TASK, item.item_id].target == str(item.doc["answer"])


def test_questions_that_may_be_others_are_not_shown_and_it_is_said_why(cell, result):
    for found, why in (
        (recorded(result, cell, TASK, items_hash="0" * 16), "other items than those that were asked"),
        (recorded(result, cell, TASK, n_items="many"), "recorded by another version"),
        (result([cell(TASK)]), "do not say how they were asked"),
    ):
        questions, (note,) = read_questions(found, [TASK])
        assert questions == {}
        assert why in note
