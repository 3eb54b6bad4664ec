"""Select and confirm, from sealed answers to the result: fresh seeds, and items that chose nothing."""

from __future__ import annotations

import numpy as np
import pytest

from talan_core.errors import UserError
from talan_eval.comparison import ItemTable, ScoreMatrix, StatisticsSettings
from talan_eval.comparison.held_out import check_split, is_held_out, split_items
from talan_eval.execution.run_worker import sample_name
from talan_eval.experiment import BackboneIdentity, Experiment, TaskSpec, TrainingSource, TunedBackbone
from talan_eval.generation_settings import GenerationSettings
from talan_eval.grid import confirmation, plan
from talan_eval.pipeline.collect import collect, selected_arms
from talan_eval.records.samples import Sample, write_samples
from talan_eval.report.context import Context
from talan_eval.report.cost import cost_table
from talan_eval.report.layout import overview
from talan_eval.report.selection_words import selection as said_of
from talan_eval.report.view import views
from talan_eval.result.consistent import contradictions
from talan_eval.result.contrast import ContrastSpec
from talan_eval.store.records import Manifest
from talan_eval.store.store import Store

ITEMS = tuple(f"item{number}" for number in range(60))
HALF = StatisticsSettings(resamples=200, confirm_items=0.5)
ALL = StatisticsSettings(resamples=200)


def held_out(item):
    return is_held_out("math500", item, 0.5, 0)


def rate(arm, item, seed):
    """dora is best on the items that choose and useless on the others; ia3 the other way round, and best in all."""
    gain = {"lora": 0.0, "dora": 0.0 if held_out(item) else 0.4, "ia3": 0.7 if held_out(item) else 0.2}[arm]
    return 0.2 + gain - (0.1 if seed >= 5 else 0.0)


def experiment():
    task = TaskSpec(
        name="math500", version="1", metric="exact_match", grader="math", n_items=60, n_train=9, items_hash="i",
        train_hash="t", runs_code=False, generation=GenerationSettings(), max_tokens=9, stop=("x",),
    )  # fmt: skip
    identity = BackboneIdentity(name="micro", commit=None, sha256="0", note="")
    return Experiment(
        backbones=(TunedBackbone(identity=identity, training={}, operating_point={}, eval_batch=8),),
        arms=("lora", "dora", "ia3"),
        contrasts=(ContrastSpec("lora", "dora"), ContrastSpec("lora", "ia3")),
        seeds=(0, 1, 2, 3, 4),
        confirm=5,
        tasks=(task,),
        train=(TrainingSource(name="math500", n_train=9, train_hash="t"),),
        device="cpu",
        versions={},
    )


def seal(store, runs, gains=None):
    """Seal answers that are right at the rate of arm and item, or at one of arm and benchmark."""
    for run in runs:
        for cell in run.evaluations:
            rng = np.random.default_rng([run.seed, len(run.arm), ord(run.arm[0])])
            rates = [
                rate(run.arm, item, run.seed) if gains is None else 0.2 + gains.get((run.arm, cell.task), 0.0)
                for item in ITEMS
            ]
            samples = [
                Sample(item, "p", float(ok), "match" if ok else "mismatch", None, "", "", 0, None, None)
                for item, ok in ((item, rng.random() < share) for item, share in zip(ITEMS, rates, strict=True))
            ]
            record = {
                "kind": "evaluation", "arm": run.arm, "seed": run.seed, "task": cell.task, "max_logit_change": 1.0,
                "seconds": 1.0, "disagreements": {},
            }  # fmt: skip
            store.seal(cell.cell_id, record, {sample_name(cell): write_samples(tuple(samples))})


@pytest.fixture(scope="module")
def confirmed(tmp_path_factory):
    asked = experiment()
    store = Store.open(tmp_path_factory.mktemp("confirmed") / "out", Manifest(asked.to_json(), "2026-01-01T00:00:00Z"))
    seal(store, plan(asked))
    runs = (*plan(asked), *confirmation(asked, asked.arms))
    chosen = {settings: selected_arms(store, asked, plan(asked), settings) for settings in (ALL, HALF)}
    before = collect(store, asked, plan(asked), statistics=HALF)
    seal(store, confirmation(asked, asked.arms))
    return chosen, before, {settings: collect(store, asked, runs, statistics=settings) for settings in (ALL, HALF)}


def test_items_that_are_held_out_do_not_choose(confirmed):
    chosen, _, found = confirmed
    assert chosen == {ALL: ("lora", "ia3"), HALF: ("lora", "dora")}
    assert {settings: one.selection.best.treatment for settings, one in found.items()} == {ALL: "ia3", HALF: "dora"}
    assert found[HALF].contrasts == found[ALL].contrasts  # the tables are of all items


def test_fresh_seeds_and_held_out_items_alone_confirm(confirmed):
    one = confirmed[2][HALF].selection
    assert one.confirmation_seeds == (5, 6, 7, 8, 9)
    assert one.held_out_items == sum(map(held_out, ITEMS))
    assert one.selection_gain > 25
    assert abs(one.confirmed.delta) < 12  # where it was not chosen it gains nothing
    assert one.confirmed.e2 is not None
    assert one.difference == pytest.approx(one.confirmed.delta - one.selection_gain)
    text = " ".join(said_of(confirmed[2][HALF]))
    assert f"anew on seeds 5 to 9 and on {one.held_out_items} items, which did not choose it" in text
    assert "speaks of new items too: E2 CI" in text


def test_on_the_items_that_chose_only_retraining_is_confirmed(confirmed):
    one = confirmed[2][ALL].selection
    assert (one.held_out_items, one.confirmed.e2) == (0, None)
    assert one.confirmed.delta > 25
    assert "so it speaks of E1 only" in " ".join(said_of(confirmed[2][ALL]))


def test_the_result_holds_what_answered_on_fresh_seeds(confirmed):
    for settings, arms in ((ALL, ("lora", "ia3")), (HALF, ("lora", "dora"))):
        found = confirmed[2][settings]
        one = found.selection
        assert tuple(record.name for record in one.arms) == arms
        assert {record.seeds for record in one.arms} == {(5, 6, 7, 8, 9)}
        base, best = (record.scores[0] for record in one.arms)
        assert base.n_items == (one.held_out_items or len(ITEMS))
        assert best.mean - base.mean == pytest.approx(one.confirmed.delta)
        assert [b - a for a, b in zip(base.by_seed, best.by_seed, strict=True)] == pytest.approx(one.confirmed.deltas)
        assert not tuple(contradictions(found))
        forged = best.model_copy(update={"mean": best.mean + 5, "by_seed": tuple(v + 5 for v in best.by_seed)})
        both = (one.arms[0], one.arms[1].model_copy(update={"scores": (forged,)}))
        changed = found.model_copy(update={"selection": one.model_copy(update={"arms": both})})
        assert [said for said in contradictions(changed) if said.startswith("selection.arms")]
        (shown,) = (part.table for part in overview(views(found, Context())) if part.key == "confirmation")
        assert ("held-out items alone" in shown.title) == (settings is HALF)


def test_the_time_of_an_answer_counts_those_of_the_confirmation(confirmed):
    """10 s are recorded for the ten evaluations of each arm that was confirmed, 5 s for the five of the other."""
    found = confirmed[2][HALF]
    table = cost_table(found)
    names = [column.name for column in table.columns]
    answers = {row[0]: row[names.index("answers")] for row in table.texts()}
    assert answers == {"lora": "600", "dora": "600", "ia3": "300"}


def test_one_fresh_seed_speaks_of_a_pair_of_checkpoints(tmp_path):
    asked = experiment().model_copy(update={"confirm": 1})
    store = Store.open(tmp_path / "out", Manifest(asked.to_json(), "2026-01-01T00:00:00Z"))
    runs = (*plan(asked), *confirmation(asked, asked.arms))
    seal(store, runs)
    for settings in (ALL, HALF):
        text = said_of(collect(store, asked, runs, statistics=settings))[-1]
        assert "(E0 95 % CI" in text
        assert "nothing about re-training" in text
        assert "speaks of E1" not in text


def test_the_weights_of_the_mean_choose_too(tmp_path):
    one = experiment()
    asked = one.model_copy(update={"tasks": (*one.tasks, one.tasks[0].model_copy(update={"name": "gsm8k"}))})
    gains = {("dora", "math500"): 0.5, ("ia3", "gsm8k"): 0.3}
    store = Store.open(tmp_path / "out", Manifest(asked.to_json(), "2026-01-01T00:00:00Z"))
    runs = (*plan(asked), *confirmation(asked, asked.arms))
    seal(store, runs, gains)
    for weights, best in (((), "dora"), (("gsm8k=9",), "ia3")):
        settings = StatisticsSettings(resamples=50, weights=weights)
        assert selected_arms(store, asked, plan(asked), settings) == ("lora", best)
        found = collect(store, asked, runs, statistics=settings)
        assert (found.selection.best.treatment, found.selection.arms[1].name) == (best, best)
        assert found.selection.confirmed.delta > 10
        assert not tuple(contradictions(found))


def test_before_anything_is_trained_anew_the_choice_stands_unconfirmed(confirmed):
    one = confirmed[1].selection
    assert (one.best.treatment, one.confirmed, one.confirmation_seeds) == ("dora", None, ())


def matrix(ids, clusters=None):
    table = ItemTable("math500", "acc", ids, "0" * 12, clusters=clusters)
    return ScoreMatrix("micro", "lora", table, (0, 1), np.zeros((2, len(ids))))


def test_an_item_is_held_out_by_its_name_whatever_else_is_there():
    (one,), (other,) = (part for part in vars_of(split_items([matrix(ITEMS)], 0.5, 0)))
    assert sorted((*one.items.item_ids, *other.items.item_ids)) == sorted(ITEMS)
    (fewer,), _ = vars_of(split_items([matrix(ITEMS[:30])], 0.5, 0))
    assert set(fewer.items.item_ids) == set(one.items.item_ids) & set(ITEMS[:30])
    (drawn_anew,), _ = vars_of(split_items([matrix(ITEMS)], 0.5, 1))
    assert set(drawn_anew.items.item_ids) != set(one.items.item_ids)


def vars_of(split):
    return split.choosing, split.held_out


def test_clusters_stay_together():
    clusters = tuple(f"passage{number // 5}" for number in range(60))
    (one,), (other,) = vars_of(split_items([matrix(ITEMS, clusters)], 0.5, 0))
    assert set(one.items.clusters).isdisjoint(other.items.clusters)


def test_a_share_that_leaves_nothing_is_refused_before_training():
    with pytest.raises(UserError, match="holds out 60 of the 60 items"):
        check_split("math500", ITEMS, 0.999999, 0)
    with pytest.raises(UserError, match="holds out 0 of the 60 items"):
        split_items([matrix(ITEMS)], 1e-9, 0)
    check_split("math500", ITEMS[:1], 0.0, 0)


def test_an_arm_without_any_finished_run_is_named(tmp_path):
    asked = experiment()
    store = Store.open(tmp_path / "out", Manifest(asked.to_json(), "2026-01-01T00:00:00Z"))
    seal(store, [run for run in plan(asked) if run.arm != "dora"])
    with pytest.raises(UserError, match="No run of dora is finished, so dora against lora cannot be compared"):
        collect(store, asked, plan(asked), statistics=ALL)
