"""What a dry run counts: fine-tunings are what is trained, and the backbone as it is is only asked."""

from __future__ import annotations

from types import SimpleNamespace

from talan_eval.cli.estimate import lines
from talan_eval.experiment import Experiment
from talan_eval.grid import Evaluation, Run
from talan_eval.pipeline.dry_run import Outlook
from talan_eval.result.contrast import declare


def test_the_backbone_as_it_is_is_no_fine_tuning():
    arms = ("base", "lora", "talan+base")
    runs = tuple(Run(f"cell {arm}", arm, "micro", 0, (Evaluation(f"cell {arm} t", "t"),)) for arm in arms)
    contrasts = declare(arms, ("base",), every_pair=True, independent=False)
    asked = SimpleNamespace(name="t", n_items=20, generation=SimpleNamespace(samples=3))
    backbone = SimpleNamespace(name="micro", training_by_arm={})
    experiment = SimpleNamespace(
        seeds=(0,),
        contrasts=contrasts,
        backbones=(backbone,),
        confirm=0,
        fresh_seeds=(),
        tasks=(asked,),
        n_train=9,
        stored=(),
    )
    experiment.trains = lambda name: Experiment.trains(experiment, name)
    experiment.stored_arm = lambda name: Experiment.stored_arm(experiment, name)
    training = SimpleNamespace(steps_for=lambda n_train: 10 * n_train)
    assignment = SimpleNamespace(directory="out", backbone="micro", training=training)
    prepared = SimpleNamespace(experiment=experiment, assignments=(assignment,))
    nothing = frozenset()
    found = Outlook(runs, finished=0, offered=0, missing=runs, trained=nothing, trainings_offered=nothing, problems=())
    first, *rest = lines(prepared, found, {})
    assert first == "lora, talan+base against base; talan+base against lora on micro, seeds 0"
    said = [line.split() for line in rest]
    assert ["fine-tunings", "2", "0", "0", "2"] in said
    assert ["evaluations", "3", "0", "0", "3"] in said
    assert "work    180 training steps, 180 answers" in rest
    assert rest[-1] == "Nothing was written. Time and disk are measured by a pilot: --pilot"
