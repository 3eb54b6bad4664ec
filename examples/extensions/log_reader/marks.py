"""Files with one mark, + or -, per question and nothing else: ``talan-eval compare-logs lora=a.marks dora=b.marks``."""

from talan_eval.importers.logged import NO_FILTER, Answers, LoggedRun, TaskLog
from talan_eval.importers.reader import LogReader


class MarkLogs(LogReader):
    """Reads such files, one run each."""

    harness = "marks"
    readable = "files of marks (.marks)"

    def __init__(self, files):
        self._files = files

    def recognises(self, file, *, typed):
        """Return whether it is one, from its name."""
        return file.suffix == ".marks"

    def read(self, source):
        """Read one arm."""
        return [self._run(path) for place in source.places for path in place.files]

    def _run(self, path):
        data, pending = self._files.read(path)
        answers = Answers()
        for number, mark in enumerate(data.decode().strip()):
            answers.items.append(str(number))
            answers.prompts.append("")
            answers.values.append({"mark": mark == "+"})
            answers.lines.append(number)
        log = TaskLog("exam", path, {NO_FILTER: answers})
        return LoggedRun(path, self.harness, {"exam": log}, (pending.stamp(),), path.stem)
