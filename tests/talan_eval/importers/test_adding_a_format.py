"""A log format is one class and one line of the registry."""

from __future__ import annotations

import pytest

from talan_core.errors import UserError
from talan_eval.importers import registry
from talan_eval.importers.logged import NO_FILTER, Answers, LoggedRun, TaskLog
from talan_eval.importers.reader import LogReader


class MarkLogs(LogReader):
    """Reads files with one mark, + or -, per question and nothing else."""

    harness = "marks"
    readable = "files of marks (.marks)"

    def __init__(self, files):
        self._files = files

    def recognises(self, file, *, typed):  # noqa: ARG002 - the protocol's
        return file.suffix == ".marks"

    def read(self, source):
        runs = []
        for place in source.places:
            for path in place.files:
                data, pending = self._files.read(path)
                answers = Answers()
                for number, mark in enumerate(data.decode().strip()):
                    answers.items.append(str(number))
                    answers.prompts.append("")
                    answers.values.append({"mark": mark == "+"})
                    answers.lines.append(number)
                log = TaskLog("exam", path, {NO_FILTER: answers})
                runs.append(LoggedRun(path, self.harness, {"exam": log}, (pending.stamp(),), path.parent.name))
        return runs


@pytest.fixture
def marks(tmp_path):
    for arm, texts in (("lora", ("+--+", "--++")), ("dora", ("+-++", "+-++"))):
        for seed, text in enumerate(texts):
            (tmp_path / arm).mkdir(exist_ok=True)
            (tmp_path / arm / f"seed{seed}.marks").write_text(text + "\n" * seed, encoding="utf-8")
    return [f"{arm}={tmp_path}/{arm}/*.marks" for arm in ("lora", "dora")]


def test_a_registered_format_is_read_like_the_others(compare_words, marks, monkeypatch):
    monkeypatch.setattr(registry, "READERS", (*registry.READERS, MarkLogs))
    done = compare_words(*marks)
    (cell,) = done.result.contrasts[0].cells
    assert (cell.task, cell.metric, cell.seeds, cell.deltas) == ("exam", "mark", (0, 1), (25, 25))
    assert done.result.provenance["harness"] == "marks"
    # two trainings with equal scores in one arm are said, not refused; a blank line does not hide it
    assert any("dora on marks logs: seeds 0 and 1 have the same score" in text for text in done.result.warnings)


def test_without_its_line_the_format_is_unknown(compare_words, marks):
    with pytest.raises(UserError, match="no sample log is in it"):
        compare_words(*marks)


def test_messages_list_what_is_registered(compare_words, monkeypatch, tmp_path):
    monkeypatch.setattr(registry, "READERS", (*registry.READERS, MarkLogs))
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=r"files of marks \(\.marks\)"):
        compare_words(tmp_path / "empty", tmp_path / "empty")
