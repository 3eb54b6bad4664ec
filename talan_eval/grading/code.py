"""Programs in a model's answer, and the grade of a program that was run.

Which part of an answer is the program:

1. Fenced blocks (three backquotes or tildes). Blocks marked as Python are preferred to unmarked ones, those to all
   others. Among several, the *last* one that defines the wanted function counts: drafts come first, and usage examples
   and tests do not define it. Where no name is wanted, or none defines it, the first block with a definition counts,
   because what follows the solution is mostly its use; then the first block. Blocks are never joined: an example would
   run with the solution.
2. A fence that is opened and never closed (the answer was cut) runs to the end. A fence that is closed and never opened
   (the prompt opened it) ends the program that stands before it.
3. Without fences, the program starts at the first line at the margin that is a definition, an import, a decorator or an
   assignment, and ends before the first line at the margin that is not Python-like (prose behind the program).

``[BEGIN]`` and ``[DONE]``, the marks of MBPP's few-shot prompt (Austin et al., 2021, arXiv:2108.07732), bound what is
looked at. The text is never compiled here: that belongs into the process that runs it.
"""

from __future__ import annotations

import ast
import builtins
import itertools
import re
import textwrap
from typing import TYPE_CHECKING, Final, NamedTuple

from talan_eval.grading.thinking import final_part
from talan_eval.grading.verdict import Grade, Verdict
from talan_eval.sandbox.job import Outcome, Status

if TYPE_CHECKING:
    from collections.abc import Iterable

_FENCE: Final = re.compile(r"[ \t]{0,12}(`{3,}|~{3,})[ \t]*([A-Za-z0-9_+.-]{0,20})[^\n`]{0,200}")
_DEFINITION: Final = re.compile(r"^[ \t]*(?:async[ ]+)?(?:def|class)[ ]+\w", re.MULTILINE)
_START: Final = re.compile(
    r"(?:async[ ]+def|def|class)[ ]+\w|import[ ]+\w|from[ ]+[\w.]+[ ]+import\b|@\w"
    r"|[A-Za-z_]\w*[ ]*(?::[^=\n]{1,80})?=(?!=)"
)
_GOES_ON: Final = re.compile(
    r"[ \t]|[)\]}#@\"']|(?:if|for|while|with|try|except|finally|else|elif)\b[^\n]*:|(?:assert|del|raise|pass)\b"
    r"|[A-Za-z_][\w.]*(?:\[[^\n\]]{0,80}\])?[ ]*(?:[-+*/%|&^]|//|\*\*)?=|[A-Za-z_][\w.]*\("
)
_PYTHON: Final = frozenset({"python", "py", "python3"})


class _Block(NamedTuple):
    language: str
    source: str


def extract_program(answer: str, entry_point: str | None = None) -> str | None:
    """Return the program in a model's answer, or None where there is none.

    Args:
        answer: What the model wrote.
        entry_point: The name of the wanted function, which decides between several blocks.
    """
    text = final_part(answer).replace("\r\n", "\n").split("[DONE]", 1)[0]
    begun = text.rpartition("[BEGIN]")[2]
    blocks, before_first = _blocks(begun)
    candidates = [block.source for block in _preferred(blocks) if block.source.strip()]
    if before_first is not None:
        candidates.insert(0, before_first)
    if candidates:
        chosen = _chosen(candidates, entry_point)
        # A block inside a list is indented as a whole; dedent() would also touch blank lines of one that is not.
        return textwrap.dedent(chosen) if chosen.lstrip("\n")[:1].isspace() else chosen
    return None if blocks else _unfenced(begun)


def wanted_function(tests: Iterable[str]) -> str | None:
    """Return the name of the function that all of ``tests`` call, or None where that is not one name.

    Args:
        tests: ``assert`` statements of the benchmark, trusted text.
    """
    names: set[str] | None = None
    for test in tests:
        calls = (node.func for node in ast.walk(ast.parse(test)) if isinstance(node, ast.Call))
        called = {func.id for func in calls if isinstance(func, ast.Name) and not hasattr(builtins, func.id)}
        names = called if names is None else names & called
    return names.pop() if names is not None and len(names) == 1 else None


def grade_program(program: str | None, outcome: Outcome | None) -> Grade:
    """Grade a program by what happened when it was run.

    Args:
        program: What ``extract_program`` returned.
        outcome: What the runner returned for it; None only where there was no program to run.

    Returns:
        ``MATCH`` for a program that passed all its tests, ``TIMEOUT`` for one that was stopped by a time limit,
        ``UNPARSED`` where there is no program, ``MISMATCH`` otherwise, a program that is not valid Python included.
    """
    if program is None:
        return Grade(Verdict.UNPARSED, None, "no program in the answer")
    if outcome is None:
        return Grade(Verdict.ERROR, program, "the program was not run")
    if outcome.status is Status.PASSED:
        return Grade(Verdict.MATCH, program, "all tests pass")
    verdict = Verdict.TIMEOUT if outcome.status is Status.TIMEOUT else Verdict.MISMATCH
    return Grade(verdict, program, f"{outcome.status.value}: {outcome.detail}")


def _blocks(text: str) -> tuple[list[_Block], str | None]:
    """Return the fenced blocks and, for a fence that the prompt had opened, the program before its end."""
    blocks: list[_Block] = []
    lines = text.split("\n")
    fence: str | None = None
    language, start = "", 0
    for number, line in enumerate(lines):
        match = _FENCE.fullmatch(line)
        if match is None:
            continue
        if fence is None:
            if not blocks and not match[2] and _closes_unopened(lines, number):
                return [], "\n".join(lines[:number])
            fence, language, start = match[1], match[2].lower(), number + 1
        elif match[1].startswith(fence) and not match[2]:
            blocks.append(_Block(language, "\n".join(lines[start:number])))
            fence = None
    if fence is not None:
        blocks.append(_Block(language, "\n".join(lines[start:])))
    return blocks, None


def _closes_unopened(lines: list[str], number: int) -> bool:
    """Tell whether the first fence of a text ends a program: one is defined before it, none up to the next."""
    inside = itertools.takewhile(lambda line: not _FENCE.fullmatch(line), lines[number + 1 :])
    return any(map(_DEFINITION.match, lines[:number])) and not any(map(_DEFINITION.match, inside))


def _preferred(blocks: list[_Block]) -> list[_Block]:
    marked = [block for block in blocks if block.language in _PYTHON]
    return marked or [block for block in blocks if not block.language] or blocks


def _chosen(candidates: list[str], entry_point: str | None) -> str:
    if entry_point is not None:
        wanted = re.compile(
            rf"^[ \t]*(?:async[ ]+)?(?:def|class)[ ]+{re.escape(entry_point)}\b|^{re.escape(entry_point)}[ ]*=",
            re.MULTILINE,
        )
        defining = [source for source in candidates if wanted.search(source)]
        if defining:
            return defining[-1]
    return next((source for source in candidates if _DEFINITION.search(source)), candidates[0])


def _unfenced(text: str) -> str | None:
    lines = text.split("\n")
    start = next((number for number, line in enumerate(lines) if _START.match(line)), None)
    if start is None:
        return None
    end = start + 1
    while end < len(lines) and (not lines[end].strip() or _START.match(lines[end]) or _GOES_ON.match(lines[end])):
        end += 1
    return "\n".join(lines[start:end]).rstrip() + "\n"
