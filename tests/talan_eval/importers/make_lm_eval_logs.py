"""Has the installed lm-eval write the logs that the tests read: python make_lm_eval_logs.py DIRECTORY.

A model of a few lines answers right or wrong by a fixed pattern; everything else is lm-eval's own.
"""

from __future__ import annotations

import sys
from pathlib import Path

from lm_eval import simple_evaluate
from lm_eval.api.model import LM
from lm_eval.loggers import EvaluationTracker
from lm_eval.tasks import TaskManager

TASKS = Path(__file__).with_name("lm_eval_tasks")
RUNS = {"base": (0, 2), "treat": (1, 3)}  # by arm and seed, how many of six items are answered right


class Pattern(LM):
    """Answers the first items right, the last of them without the mark that the strict filter wants."""

    def __init__(self, right: int) -> None:
        super().__init__()
        self.right = right

    def _good(self, context: str) -> bool:
        return int(context.split()[2]) < self.right

    def generate_until(self, requests, disable_tqdm=False):  # noqa: ARG002, FBT002 - lm-eval's signature
        return [self._answer(request.args[0]) for request in requests]

    def _answer(self, context: str) -> str:
        number = int(context.split()[2])
        value = number + 1 if self._good(context) else number + 100
        return f"It is {value}." if number == self.right - 1 else f"#### {value}"

    def loglikelihood(self, requests, disable_tqdm=False):  # noqa: ARG002, FBT002 - lm-eval's signature
        return [self._weigh(*request.args) for request in requests]

    def _weigh(self, context: str, choice: str):
        number = int(context.split()[2])
        right = int(choice) == number + 1
        return (-1.0 if right == self._good(context) else -2.0 - number / 8), right

    def loglikelihood_rolling(self, requests, disable_tqdm=False):  # noqa: FBT002 - lm-eval's signature
        raise NotImplementedError


def write(directory: Path) -> None:
    """Write DIRECTORY/{base,treat}/seed{0,1}/<model>/."""
    manager = TaskManager(include_path=str(TASKS), include_defaults=False)
    for arm, counts in RUNS.items():
        for seed, right in enumerate(counts):
            tracker = EvaluationTracker(output_path=str(directory / arm / f"seed{seed}"))
            model_args = f"pretrained=org/tiny,peft=adapters/{arm}-seed{seed}"
            tracker.general_config_tracker.log_experiment_args(
                "pattern", model_args, None, None, fewshot_as_multiturn=False
            )
            results = simple_evaluate(
                model=Pattern(right),
                model_args=model_args,
                tasks=["sums_written", "sums_chosen"],
                task_manager=manager,
                log_samples=True,
                bootstrap_iters=0,
                verbosity="ERROR",
            )
            samples = results.pop("samples")
            results["config"]["model_args"] = model_args
            tracker.save_results_aggregated(results=results, samples=samples)
            for task in results["configs"]:
                tracker.save_results_samples(task_name=task, samples=samples[task])


if __name__ == "__main__":
    write(Path(sys.argv[1]))
