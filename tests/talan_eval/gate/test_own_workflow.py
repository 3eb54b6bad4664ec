"""The project's own workflow: what it calls is there, and the gates in it say what they should about its own result."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import numpy as np
import pytest
import yaml

from talan_eval.comparison import ContrastSpec, ItemTable, Origin, ScoreMatrix, compare
from talan_eval.result.reading import read_result

ROOT = Path(__file__).parents[3]
WORKFLOW = yaml.safe_load((ROOT / ".github" / "workflows" / "checks.yml").read_text())
ACTION = yaml.safe_load((ROOT / "action.yml").read_text())
MAKEFILE = (ROOT / "Makefile").read_text()
STEPS = [step for job in WORKFLOW["jobs"].values() for step in job["steps"]]
GATES = [step for step in STEPS if step.get("uses") == "./"]
AGAINST = [step for step in GATES if "against" in step["with"]]
BASELINE = ROOT / AGAINST[0]["with"]["against"]


def inputs_of(step):
    """Return the environment that the action's step gives to the script."""
    given = {name: value.get("default", "") for name, value in ACTION["inputs"].items()} | step["with"]
    environment = {}
    for name, value in ACTION["runs"]["steps"][0]["env"].items():
        wanted = re.fullmatch(r"\${{ inputs\.([\w-]+) }}", value)
        environment[name] = given[wanted.group(1)] if wanted else ""
    return environment


def place(directory, document):
    """Lay a result and the committed baseline where the workflow has them."""
    for path, text in ((Path("results/gate/result.json"), json.dumps(document)), (BASELINE, BASELINE.read_text())):
        target = directory / (path.relative_to(ROOT) if path.is_absolute() else path)
        target.parent.mkdir(parents=True)
        target.write_text(text)


def worse(losing):
    """Make a result of the committed one's arms, seeds and benchmarks, whose arm under test loses a fifth of all."""
    (contrast,) = read_result(BASELINE).contrasts
    draw = np.random.default_rng(0)
    matrices = []
    for cell in contrast.cells:
        items = ItemTable(cell.task, cell.metric, tuple(map(str, range(cell.n_items))), "0" * 12)
        base = (draw.random((cell.n_seeds, cell.n_items)) < 0.6).astype(float)
        for arm, scores in ((contrast.base, base), (contrast.treatment, losing(base, 0.2))):
            matrices.append(ScoreMatrix(cell.backbone, arm, items, cell.seeds, scores))
    made = compare(matrices, [ContrastSpec(contrast.base, contrast.treatment)], Origin({"experiment_sha256": "0" * 64}))
    document = json.loads(made.to_json())
    pair = re.compile(r"pair:\w+")  # of the same items and prompts as the committed one
    document["signature"] = pair.sub(pair.search(read_result(BASELINE).signature)[0], document["signature"])
    for cell in document["contrasts"][0]["cells"]:
        cell["pairing_hash"] = None
    return document


def made_with():
    (line,) = re.findall(r"^\t\$\(BIN\)/talan-eval (compare .*--out results/gate)$", MAKEFILE, re.MULTILINE)
    words = shlex.split(line)[1:]
    return dict(zip(words[::2], words[1::2], strict=True))


@pytest.mark.parametrize("step", GATES, ids=lambda step: step["name"])
def test_it_gives_the_action_inputs_that_it_has(step):
    assert set(step["with"]) <= set(ACTION["inputs"])
    assert {name for name, value in ACTION["inputs"].items() if value.get("required")} <= set(step["with"])
    assert all(isinstance(value, str) for value in step["with"].values())  # 1.50 in YAML would lose its last digit


def test_it_gates_the_result_that_it_makes_against_one_of_the_same_command():
    assert len(GATES) == 2
    options = made_with()
    assert {step["with"]["result"] for step in GATES} == {options["--out"]}
    committed = read_result(BASELINE)
    (contrast,) = committed.contrasts
    assert (contrast.base, contrast.treatment) == (options["--base"], options["--treat"])
    assert len(contrast.seeds) == int(options["--seeds"])


@pytest.mark.parametrize("step", GATES, ids=lambda step: step["name"])
def test_its_gates_pass_on_the_committed_result(step, action_script, tmp_path):
    place(tmp_path, json.loads(BASELINE.read_text()))
    done = action_script(inputs_of(step))
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "output").read_text() == "outcome=pass\nexit-code=0\n"
    assert (tmp_path / step["with"]["junit"]).is_file()


@pytest.mark.parametrize("step", GATES, ids=lambda step: step["name"])
def test_its_gates_fail_where_everything_became_worse(step, action_script, losing, tmp_path):
    place(tmp_path, worse(losing))
    assert action_script(inputs_of(step)).returncode == 1
    assert "outcome=fail" in (tmp_path / "output").read_text()


def test_a_result_of_other_arms_is_no_baseline(action_script, tmp_path):
    document = json.loads(BASELINE.read_text())
    document["primary"]["family_hash"] = "0" * 12
    place(tmp_path, document)
    done = action_script(inputs_of(AGAINST[0]))
    assert done.returncode == 2
    assert "different families" in done.stderr


@pytest.mark.parametrize("name", ["docs/ci.md", "examples/github-workflow.yml"])
def test_where_a_reader_has_to_put_a_name_the_file_says_so_first(name):
    text = re.sub(r"\n(?:# )?", " ", (ROOT / name).read_text())
    assert 0 < text.index("OWNER") == re.search(r"write .*?account.*? in place of `?(OWNER)", text).start(1)
