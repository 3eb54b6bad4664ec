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
    experiment = SimpleNamespace(
        seeds=(0,),
        contrasts=contrasts,
        backbones=(SimpleNamespace(name="micro"),),
        confirm=0,
        fresh_seeds=(),
        stored=(),
    )
    experiment.trains = lambda name: Experiment.trains(experiment, name)
    experiment.stored_arm = lambda name: Experiment.stored_arm(experiment, name)
    prepared = SimpleNamespace(experiment=experiment, assignments=(SimpleNamespace(directory="out"),))
    nothing = frozenset()
    found = Outlook(runs, finished=0, offered=0, missing=runs, trained=nothing, trainings_offered=nothing, problems=())
    first, *rest = lines(prepared, found, {})
    assert first == "lora, talan+base against base; talan+base against lora on micro, seeds 0"
    said = [line.split() for line in rest]
    assert ["fine-tunings", "2", "0", "0", "2"] in said
    assert ["evaluations", "3", "0", "0", "3"] in said
