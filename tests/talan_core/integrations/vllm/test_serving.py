"""`vllm serve` answers with the block on; it is started once for this file, which takes a minute on two cores."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

import pytest
import torch

import talan_core
from talan_core.arms import build, parse_arm
from talan_core.backbones.load import load_model, load_tokenizer, locate
from talan_core.backbones.names import find_backbone
from talan_core.portable import make_portable
from talan_eval.generation.backend import BackendOptions, Checkpoint, Endpoint, Prompt, Sampling
from talan_eval.generation.openai_backend import OpenaiBackend
from talan_eval.generation.transformers_backend import TransformersBackend

pytestmark = [pytest.mark.vllm, pytest.mark.filterwarnings("ignore")]  # warnings of vLLM are not ours

PROMPT = "<|im_start|>user\nWhat is 7 + 8?<|im_end|>\n<|im_start|>assistant\n"
PATIENCE = 300.0


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    revision = locate(find_backbone("micro"))
    model = build(load_model(revision, "float32", torch.device("cpu")), parse_arm("talan[layer=1]+lora[r=4]"), seed=1)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad and not parameter.any():
                parameter.copy_(0.3 * torch.randn(parameter.shape, generator=generator))
    directory = tmp_path_factory.mktemp("checkpoint")
    model.save_pretrained(str(directory))
    make_portable(directory, revision.location, "micro")
    return directory


@pytest.fixture(scope="module")
def served(checkpoint, tmp_path_factory):
    target = tmp_path_factory.mktemp("served") / "model"
    write = [sys.executable, "-m", "talan_core.integrations.vllm", str(checkpoint), str(target)]
    done = subprocess.run(write, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "TalanQwen3ForCausalLM in float32" in done.stdout
    again = subprocess.run(write, capture_output=True, text=True, check=False)
    assert (again.returncode, again.stderr.count("exists.")) == (2, 1)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {**os.environ, "VLLM_CPU_KVCACHE_SPACE": "1"}
    environment.pop("VLLM_ENABLE_V1_MULTIPROCESSING", None)
    options = [
        "--dtype",
        "float32",
        "--enforce-eager",
        "--max-model-len",
        "256",
        "--max-num-seqs",
        "8",
        "--port",
        str(port),
        "--host",
        "127.0.0.1",
    ]
    log = target.parent / "log"
    with log.open("w") as said:
        server = subprocess.Popen(
            # What `vllm serve` runs: the program itself looks for a package of another name than that for CPUs.
            [sys.executable, "-m", "vllm.entrypoints.openai.api_server", "--model", str(target), *options],
            stdout=said, stderr=said, env=environment,
        )  # fmt: skip
    try:
        wait_for(server, f"http://127.0.0.1:{port}/health", log)
        yield f"http://127.0.0.1:{port}/v1", str(target)
    finally:
        server.terminate()
        server.wait(60)


def wait_for(server, address, log):
    ends = time.monotonic() + PATIENCE
    while time.monotonic() < ends and server.poll() is None:
        try:
            with urllib.request.urlopen(address, timeout=5):  # noqa: S310 - our own server
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.5)
    raise AssertionError(log.read_text()[-4000:])


def test_it_says_what_the_checkpoint_says_with_its_block_on(served, checkpoint):
    address, model = served
    asked = {
        "model": model,
        "prompt": PROMPT,
        "max_tokens": 6,
        "temperature": 0,
        "logprobs": 1,
        "return_token_ids": True,
    }
    request = urllib.request.Request(  # noqa: S310 - our own server
        f"{address}/completions", json.dumps(asked).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310 - as above
        (choice,) = json.load(answer)["choices"]
    tokens, scores = choice["token_ids"], torch.tensor(choice["logprobs"]["token_logprobs"])
    tokenizer = load_tokenizer(locate(find_backbone("micro")))
    ids = tokenizer.encode(PROMPT, add_special_tokens=False)
    arm = talan_core.load(checkpoint).eval()
    index = torch.arange(len(tokens)), torch.tensor(tokens)

    def said():
        with torch.no_grad():
            return arm(input_ids=torch.tensor([ids + tokens])).logits[0, len(ids) - 1 : -1].log_softmax(-1)[index]

    with arm.blocks_off():
        without = said()
    assert float((scores - said()).abs().max()) < 1e-4
    assert float((scores - without).abs().max()) > 0.1


def test_the_backend_openai_has_the_answers_of_transformers_from_it(served, checkpoint):
    address, model = served
    revision = locate(find_backbone("micro"))
    openai = OpenaiBackend(BackendOptions("float32", "cpu", 4, endpoint=Endpoint(address, (model,))))
    assert openai.identity()["version"].startswith("vllm 0.")
    openai.check(revision, (), ())
    prompts = [Prompt(PROMPT), Prompt(PROMPT.replace("7", "12"))]
    pairs = [(prompt, text) for prompt in prompts for text in (" 15", "no", "")]
    settings = Sampling(max_tokens=24, stop=("\n\n",))
    with openai.start(revision, None) as asked, asked.open(Checkpoint(checkpoint, served=model)) as seen:
        said, scored = [*seen.generate(prompts, settings)], seen.loglikelihood(pairs)
        drawn = [[*seen.generate(prompts, Sampling(max_tokens=12, temperature=1.0, seed=seed))] for seed in (1, 1, 2)]
    backend = TransformersBackend(BackendOptions("float32", "cpu", 4))
    with backend.start(revision, None) as plain, plain.open(Checkpoint(checkpoint)) as expected:
        assert said == [*expected.generate(prompts, settings)]
        for one, other in zip(scored, expected.loglikelihood(pairs), strict=True):
            assert one.log_probability == pytest.approx(other.log_probability, abs=1e-3)
            assert (one.tokens, one.greedy) == (other.tokens, other.greedy)
    assert drawn[0] == drawn[1] != drawn[2]
