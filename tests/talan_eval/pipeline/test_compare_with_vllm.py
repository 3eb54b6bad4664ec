"""A comparison through vLLM: the checkpoints and the answers of transformers, under an identity of its own."""

from __future__ import annotations

import pytest
import torch

from talan_eval.execution.run_worker import Crew
from talan_eval.grid import plan
from talan_eval.intake.prepare import prepare
from talan_eval.pipeline.session import open_session
from talan_eval.records.samples import read_samples
from talan_eval.requests.compare import CompareRequest

pytestmark = [pytest.mark.vllm, pytest.mark.filterwarnings("ignore")]  # warnings of vLLM are not ours

QUICK = {
    "tasks": "gsm8k_micro", "limit": 4, "steps": 3, "seeds": "2", "device": "cpu", "workers": 1, "resamples": 50,
    "max_tokens": 24, "treat": ("talan+lora", "base"),
}  # fmt: skip


def computed(out, backend):
    """Compare in this process; return the result, and by run its samples and the bytes of its checkpoint."""
    prepared = prepare(CompareRequest(out=out, backend=backend, **QUICK))
    threads = torch.get_num_threads()
    with open_session(prepared) as session:
        crew = Crew(prepared.assignments, "cpu")
        for run in session.missing:
            assert crew.perform(run, lambda _: None) == ()
        result = session.write_reports()
    torch.set_num_threads(threads)
    runs = {(run.arm, run.seed): run for run in plan(prepared.experiment)}
    samples = {
        name: read_samples(out / "samples" / "gsm8k_micro" / f"{run.evaluations[0].cell_id}.parquet")
        for name, run in runs.items()
    }
    weights = {
        name: [path.read_bytes() for path in sorted((out / "checkpoints" / run.cell_id).glob("*.safetensors"))]
        for name, run in runs.items()
    }
    return result, runs, samples, weights


def test_it_trains_and_answers_as_with_transformers(tmp_path):
    plain = computed(tmp_path / "one" / "transformers", "transformers")
    fast = computed(tmp_path / "two" / "vllm", "vllm")
    assert plain[3] == fast[3]  # a live engine changes no training, which the second seed's would show
    assert {len(files) for name, files in fast[3].items() if name[0] == "talan+lora"} == {2}
    for name, samples in fast[2].items():
        assert [one.answer for one in samples] == [one.answer for one in plain[2][name]]
        assert [one.loss for one in samples] == pytest.approx([one.loss for one in plain[2][name]], abs=1e-4)
    assert {run.cell_id for run in plain[1].values()} == {run.cell_id for run in fast[1].values()}
    evaluations = [{cell.cell_id for run in made[1].values() for cell in run.evaluations} for made in (plain, fast)]
    assert not evaluations[0] & evaluations[1]
    probes = {probe.arm: probe for probe in fast[0].probes}
    assert probes["talan+lora"].block_max_logit_change > 0
    assert probes["talan+lora"].relative_write is None  # vLLM does not show it
