"""The page on training does what it shows."""

from __future__ import annotations

import json
from pathlib import Path

import talan_core
from talan_core.backbones.load import load_tokenizer, locate
from talan_core.backbones.names import find_backbone
from talan_core.probe import adapter_is_live

PAGE = Path(__file__).parents[3] / "docs" / "training.md"


def test_the_first_example_trains_and_saves_an_arm_that_loads(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rows = [{"prompt": f"{n}+1=", "completion": str(n + 1)} for n in range(12)]
    Path("mine.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    code = PAGE.read_text(encoding="utf-8").split("```python\n")[1].split("```")[0]
    names: dict[str, object] = {}
    exec(compile(code, str(PAGE), "exec"), names)  # noqa: S102 - the page's own code
    losses = names["log"].losses
    assert sum(losses[-5:]) < sum(losses[:5])
    assert sorted(path.name for path in Path("work").iterdir()) == ["checkpoint-10", "checkpoint-20"]
    loaded = talan_core.load("arm")
    assert adapter_is_live(loaded, load_tokenizer(locate(find_backbone("micro"))), "3+1=") > 0
