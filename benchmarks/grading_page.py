"""Write the generated parts of docs/grading.md: the rules, the marks of thinking, and the agreement with other graders.

python benchmarks/grading_page.py          # writes them
python benchmarks/grading_page.py --check  # exit status 1 where the page is not what the code says
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from grading_pairs import read_pairs, tables

from talan_eval.grading.rule_list import rules_table
from talan_eval.grading.thinking import MARKS

PAGE = Path(__file__).parents[1] / "docs" / "grading.md"


def marks_table() -> str:
    """Return the marks of thinking as a table in Markdown."""
    rows = [f"| `{_cell(marks.opening)}` | `{_cell(marks.closing)}` | {marks.families} |" for marks in MARKS]
    return "\n".join(["| opens | closes | families |", "|---|---|---|", *rows])


def page(text: str) -> str:
    """Return the page with its generated parts as the code has them now."""
    for name, part in (("rules", rules_table()), ("marks", marks_table()), ("pairs", tables(read_pairs()))):
        pattern = re.compile(rf"(<!-- {name}: generated -->\n).*?(\n<!-- end of {name} -->)", re.DOTALL)
        text, found = pattern.subn(lambda match, part=part: match[1] + part + match[2], text)  # type: ignore[misc]  # mypy does not read defaults of lambdas
        if found != 1:
            raise SystemExit(f"{PAGE} has no place for {name}")
    return text


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def main() -> None:
    """Read the command line."""
    old = PAGE.read_text(encoding="utf-8")
    new = page(old)
    if "--check" in sys.argv[1:]:
        sys.exit(old != new)
    PAGE.write_text(new, encoding="utf-8")


if __name__ == "__main__":
    main()
