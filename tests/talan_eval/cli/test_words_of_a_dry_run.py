"""What a dry run counts: fine-tunings are what is trained, and the backbone as it is is only asked."""

from __future__ import annotations

from types import SimpleNamespace

from talan_eval.cli.estimate import lines
from talan_eval.grid import Evaluation, Run
from talan_eval.pipeline.dry_run import Outlook


def test_the_backbone_as_it_is_is_no_fine_tuning():
    arms = ("base", "lora", "talan+base")
    runs = tuple(Run(f"cell {arm}", arm, "micro", 0, (Evaluation(f"cell {arm} t", "t"),)) for arm in arms)
    experiment = SimpleNamespace(
        seeds=(0,), arms=arms, backbones=(SimpleNamespace(name="micro"),), confirm=0, fresh_seeds=()
    )
    prepared = SimpleNamespace(experiment=experiment, assignments=(SimpleNamespace(directory="out"),))
    nothing = frozenset()
    found = Outlook(runs, finished=0, offered=0, missing=runs, trained=nothing, trainings_offered=nothing, problems=())
    said = [line.split() for line in lines(prepared, found, {})]
    assert ["fine-tunings", "2", "0", "0", "2"] in said
    assert ["evaluations", "3", "0", "0", "3"] in said
