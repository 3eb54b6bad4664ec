"""Make the logs of other harnesses below ``data/``, each with the released version of the harness itself.

Each part runs in an environment of its own, since the harnesses do not go together::

    python make_other_logs.py lighteval DIR    # pip install lighteval==0.13.0
    python make_other_logs.py openai DIR       # pip install evals
    python make_other_logs.py wandb DIR        # pip install wandb
    python make_other_logs.py helm DIR         # pip install crfm-helm
    npm install promptfoo && python make_other_logs.py promptfoo DIR

Their own writers write; models and data are ours: six sums, of which an arm and seed answers some rightly.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

SUMS = [(f"sum-{n}", f"What is {n} plus {n + 1}?", str(2 * n + 1)) for n in range(6)]
RIGHT = {("base", 0): {0, 1}, ("base", 1): {0, 2}, ("treat", 0): {0, 1, 2, 3}, ("treat", 1): {0, 2, 3, 5}}
"""Which items each arm and seed answers rightly."""


def lighteval(root: Path) -> None:
    from lighteval.logging.evaluation_tracker import EvaluationTracker
    from lighteval.models.dummy.dummy_model import DummyModelConfig
    from lighteval.models.model_output import ModelResponse
    from lighteval.tasks.requests import Doc

    for (arm, seed), right in RIGHT.items():
        tracker = EvaluationTracker(output_dir=str(root / "lighteval" / arm), save_details=True)
        tracker.general_config_logger.log_model_info(DummyModelConfig(model_name=f"seed{seed}"))
        for place, (name, question, answer) in enumerate(SUMS):
            doc = Doc(query=question, choices=[answer], gold_index=0, task_name="sums|0", id=name)
            said = ModelResponse(text=[answer if place in right else "no"], input=question)
            tracker.details_logger.log("sums|0", doc, said, {"em": float(place in right), "length": len(said.text[0])})
        tracker.details_logger.aggregate()
        tracker.save()


def openai(root: Path) -> None:
    import evals.base
    import evals.record

    for (arm, seed), right in RIGHT.items():
        spec = evals.base.RunSpec(
            completion_fns=[arm], eval_name="sums.dev.v0", base_eval="sums", split="dev",
            run_config={"seed": seed}, created_by="", run_id=f"{arm}{seed}", created_at="2026-01-02 03:04:05.678901",
        )  # fmt: skip
        place = root / "openai_evals" / arm / f"seed{seed}"
        place.mkdir(parents=True, exist_ok=True)
        recorder = evals.record.LocalRecorder(str(place / "sums.jsonl"), run_spec=spec)
        for number, (name, question, answer) in enumerate(SUMS):
            said = answer if number in right else "no"
            with recorder.as_default_recorder(name):
                evals.record.record_sampling(prompt=[{"role": "user", "content": question}], sampled=[said])
                evals.record.record_match(number in right, expected=answer, picked=said, sampled=said)
        recorder.record_final_report({"accuracy": len(right) / len(SUMS)})


def wandb(root: Path) -> None:
    os.environ["WANDB_MODE"] = "offline"
    import wandb as tracker

    run = tracker.init(project="sums", dir=str(root))
    rows = [
        [arm, seed, "sums", name, float(place in right), question]
        for (arm, seed), right in RIGHT.items()
        for place, (name, question, _) in enumerate(SUMS)
    ]
    columns = ["arm", "seed", "task", "item", "score", "prompt"]
    run.log({"scores": tracker.Table(columns=columns, data=rows)})
    run.finish()
    (file,) = root.glob("wandb/offline-run-*/files/media/table/*.table.json")
    (root / "wandb_table").mkdir(exist_ok=True)
    (root / "wandb_table" / "scores.table.json").write_bytes(file.read_bytes())


def helm(root: Path) -> None:
    from helm.benchmark.adaptation.adapter_spec import AdapterSpec
    from helm.benchmark.metrics.metric import PerInstanceStats
    from helm.benchmark.metrics.metric_name import MetricName
    from helm.benchmark.metrics.statistic import Stat
    from helm.benchmark.run_spec import RunSpec
    from helm.benchmark.scenarios.scenario import CORRECT_TAG, Input, Instance, Output, Reference, ScenarioSpec
    from helm.common.codec import to_json
    from helm.common.general import asdict_without_nones

    for (arm, seed), right in RIGHT.items():
        place = root / "helm" / arm / f"seed{seed}" / f"sums:kind=plus,model=ours_{arm}"
        place.mkdir(parents=True, exist_ok=True)
        spec = RunSpec(
            name=f"sums:kind=plus,model=ours_{arm}", scenario_spec=ScenarioSpec(class_name="ours.Sums"),
            adapter_spec=AdapterSpec(model=f"ours/{arm}"), metric_specs=[],
        )  # fmt: skip
        instances = [
            Instance(Input(text=question), [Reference(Output(text=answer), [CORRECT_TAG])], split="test", id=name)
            for name, question, answer in SUMS
        ]
        stats = [
            PerInstanceStats(
                instance_id=name, perturbation=None, train_trial_index=0,
                stats=[
                    Stat(MetricName("num_prompt_tokens", split="test")).add(9),
                    Stat(MetricName("exact_match", split="test")).add(float(number in right)),
                ],
            )
            for number, (name, _, _) in enumerate(SUMS)
        ]  # fmt: skip
        (place / "run_spec.json").write_text(to_json(spec), encoding="utf-8")
        (place / "instances.json").write_text(to_json(instances), encoding="utf-8")
        written = json.dumps([asdict_without_nones(one) for one in stats], indent=2)
        (place / "per_instance_stats.json").write_text(written, encoding="utf-8")


def promptfoo(root: Path) -> None:
    for seed in (0, 1):
        place = root / "promptfoo" / f"seed{seed}"
        place.mkdir(parents=True, exist_ok=True)
        for arm in ("base", "treat"):
            right = RIGHT[arm, seed]
            said = [answer if number in right else "no" for number, (_, _, answer) in enumerate(SUMS)]
            (place / f"{arm}.js").write_text(
                f"const said = {json.dumps(said)};\n"
                f"module.exports = class {{ id() {{ return '{arm}'; }}\n"
                "  async callApi(prompt, context) { return { output: said[Number(context.vars.number)] }; } };\n",
                encoding="utf-8",
            )
        config = {
            "description": "sums",
            "prompts": ["{{question}}"],
            "providers": [f"file://{arm}.js" for arm in ("base", "treat")],
            "tests": [
                {"vars": {"question": question, "number": number}, "assert": [{"type": "equals", "value": answer}]}
                for number, (_, question, answer) in enumerate(SUMS)
            ],
        }
        (place / "config.json").write_text(json.dumps(config), encoding="utf-8")
        command = [
            "npx",
            "promptfoo",
            "eval",
            "-c",
            str(place / "config.json"),
            "-o",
            str(place / "out.json"),
            "--no-cache",
        ]
        environment = {**os.environ, "PROMPTFOO_DISABLE_TELEMETRY": "1", "PROMPTFOO_DISABLE_UPDATE": "1",
                       "PROMPTFOO_CONFIG_DIR": str(place / "home")}  # fmt: skip
        subprocess.run(command, check=False, env=environment)  # it ends with 100 where a test failed
        written = (place / "out.json").read_text(encoding="utf-8")
        (place / "out.json").write_text(written.replace(str(place / "out.json"), "out.json"), encoding="utf-8")


if __name__ == "__main__":
    target = Path(sys.argv[2]).absolute()
    target.mkdir(parents=True, exist_ok=True)
    {"lighteval": lighteval, "openai": openai, "wandb": wandb, "helm": helm, "promptfoo": promptfoo}[sys.argv[1]](
        target
    )
