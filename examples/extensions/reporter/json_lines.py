"""A line of JSON for each contrast, at the end of ``talan.jsonl``: ``talan-eval report NAME --track json_lines``."""

import json
from pathlib import Path


class JsonLines:
    """Where numbers are sent."""

    def record(self, run, settings, numbers):
        """Send one run."""
        with Path("talan.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps({"run": run, **settings, **numbers}) + "\n")

    def record_steps(self, run, settings, steps):
        """Send one run with numbers at several steps: left out here."""
