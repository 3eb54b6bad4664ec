"""Programs in a model's answer, and the grade of a program that was run.

Which part of an answer is the program:

1. Fenced blocks (``talan_eval.grading.fences``); empty ones are none. Blocks marked as Python are preferred to
   unmarked ones, those to all others. Among several, the *last* one that defines the wanted function counts: drafts
   come first, and usage examples and tests do not define it. Where no name is wanted, or none defines it, the first
   block with a definition counts, because what follows the solution is mostly its use; then the first block.
2. Blocks before it that hold nothing but imports, definitions and constants, and do not name the wanted function, are
   joined with it: models put imports and helpers into blocks of their own. No other block is joined: an example would
   run with the solution. Helpers in a block behind the solution are not joined.
3. A fence that is opened and never closed (the answer was cut) runs to the end. A fence that is closed and never opened
   (the prompt opened it) ends the program that stands before it.
4. Without fences, the program starts at the first line at the margin that is a definition, an import, a decorator or an
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
from typing import TYPE_CHECKING, Final

from talan_eval.grading.fences import Block, fenced_blocks
from talan_eval.grading.grade import Grade, Verdict
from talan_eval.grading.text import without_tokens_at_ends
from talan_eval.grading.thinking import final_part
from talan_eval.sandbox.job import ProgramOutcome, Status

if TYPE_CHECKING:
    from collections.abc import Iterable

MAX_TEST: Final = 50_000
"""Characters of a test that is parsed for names; the longest of MBPP has 1,912."""
_DEFINITION: Final = re.compile(r"^[ \t]*(?:async[ ]+)?(?:def|class)[ ]+\w", re.MULTILINE)
_START: Final = re.compile(
    r"(?:async[ ]+def|def|class)[ ]+\w|import[ ]+\w|from[ ]+[\w.]+[ ]+import\b|@\w"
    r"|[A-Za-z_]\w*[ ]*(?::[^=\n]{1,80})?=(?!=)"
)
_GOES_ON: Final = re.compile(
    r"[ \t]|[)\]}#@\"']|(?:if|for|while|with|try|except|finally|else|elif)\b[^\n]*:|(?:assert|del|raise|pass)\b"
    r"|[A-Za-z_][\w.]*(?:\[[^\n\]]{0,80}\])?[ ]*(?:[-+*/%|&^]|//|\*\*)?=|[A-Za-z_][\w.]*\("
)
_PYTHON: Final = frozenset({"python", "py", "python3", "python2", "ipython", "pycon"})
# What a block of imports and helpers may have at the margin: nothing there runs more than a constant's value.
_HELPER: Final = re.compile(
    r"[ \t#)\]}]|(?:async[ ]+def|def|class)[ ]+\w|import[ ]+\w|from[ ]+[\w.]+[ ]+import\b|@\w|\Z"
    r"|[A-Za-z_]\w*[ ]*(?::[^=\n]{1,80})?=(?!=)[^=\n]*\Z|(?:if|try|except|else|finally)\b[^\n]*:[ \t]*(?:#[^\n]*)?\Z"
)
_QUOTED_FENCE: Final = re.compile(r"^[ ]{0,3}>[ ]?(?:```|~~~)", re.MULTILINE)
_QUOTED: Final = re.compile(r"^[ ]{0,3}>[ ]?", re.MULTILINE)
_FUTURE: Final = re.compile(r"^from[ ]+__future__[ ]+import\b[^\n]*\n?", re.MULTILINE)
_SUBSTANCE: Final = re.compile(
    r"^(?:import[ ]+\w|from[ ]+[\w.]+[ ]+import\b|(?:async[ ]+)?def[ ]+\w|class[ ]+\w|\w+[ ]*=)", re.MULTILINE
)


def extract_program(answer: str, entry_point: str | None = None, *, thinking: bool = False) -> str | None:
    """Return the program in a model's answer, or None where there is none.

    Args:
        answer: What the model wrote.
        entry_point: The name of the wanted function, which decides between several blocks.
        thinking: Whether the answer begins inside the thinking.
    """
    final = final_part(answer, opened=thinking)
    if final is None:
        return None
    text = without_tokens_at_ends(final.replace("\r\n", "\n").replace("\ufeff", "")).split("[DONE]", 1)[0]
    text = _QUOTED.sub("", text) if _QUOTED_FENCE.search(text) is not None else text
    begun = text.rpartition("[BEGIN]")[2]
    fenced = fenced_blocks(begun)
    lines = begun.split("\n")
    if fenced.first_line is not None and fenced.first_is_bare and _closes_unopened(lines, fenced.first_line):
        return _dedented(_line_end_dropped("\n".join(lines[: fenced.first_line + 1])))
    filled = [block for block in fenced.blocks if block.source.strip()]
    if filled:
        return _with_helpers(filled, _chosen(filled, entry_point), entry_point)
    return None if fenced.blocks else _unfenced(begun)


def wanted_function(tests: Iterable[str]) -> str | None:
    """Return the name of the function that all of ``tests`` call, or None where that is not one name.

    Args:
        tests: ``assert`` statements of the benchmark. One that is longer than ``MAX_TEST``, or no Python, names no
            function, and the program is chosen without a name then.
    """
    names: set[str] | None = None
    for test in tests:
        called = _called(test)
        names = called if names is None else names & called
    return names.pop() if names is not None and len(names) == 1 else None


def _called(test: str) -> set[str]:
    """Return the functions that a test calls, but for built-in ones; none where it is too long or no Python."""
    if len(test) > MAX_TEST:
        return set()
    try:
        tree = ast.parse(test)
    except (SyntaxError, ValueError, RecursionError, MemoryError):  # the runner says what is wrong with a test
        return set()
    calls = (node.func for node in ast.walk(tree) if isinstance(node, ast.Call))
    return {func.id for func in calls if isinstance(func, ast.Name) and not hasattr(builtins, func.id)}


def grade_program(program: str | None, outcome: ProgramOutcome | None) -> Grade:
    """Grade a program by what happened when it was run.

    Args:
        program: What ``extract_program`` returned.
        outcome: What the runner returned for it; None only where there was no program to run.

    Returns:
        ``MATCH`` for a program that passed all its tests, ``TIMEOUT`` for one that was stopped by a time limit,
        ``ERROR`` for one that took down what ran it or was not run, ``UNPARSED`` where there is no program,
        ``MISMATCH`` otherwise, a program that is not valid Python included.
    """
    if program is None:
        return Grade(Verdict.UNPARSED, None, "no program in the answer")
    if outcome is None:
        return Grade(Verdict.ERROR, program, "the program was not run")
    if outcome.status is Status.PASSED:
        return Grade(Verdict.MATCH, program, "all tests pass")
    others = {Status.TIMEOUT: Verdict.TIMEOUT, Status.LIMITS: Verdict.ERROR}
    verdict = others.get(outcome.status, Verdict.MISMATCH)
    return Grade(verdict, program, f"{outcome.status.value}: {outcome.detail}")


def _closes_unopened(lines: list[str], number: int) -> bool:
    """Tell whether the first fence of a text ends a program: one is defined before it, none up to the next."""
    inside = itertools.takewhile(lambda line: not line.lstrip().startswith(("```", "~~~")), lines[number + 1 :])
    return any(map(_DEFINITION.match, lines[:number])) and not any(map(_DEFINITION.match, inside))


def _line_end_dropped(text: str) -> str:
    """Return a text without the fence at its end, and what stands before that on its line."""
    return text.rstrip().rstrip("`~").rstrip(" \t")


def _dedented(source: str) -> str:
    """A block inside a list is indented as a whole; ``dedent`` would also touch blank lines of one that is not."""
    return textwrap.dedent(source) if source.lstrip("\n")[:1].isspace() else source


def _with_helpers(blocks: list[Block], chosen: Block, entry_point: str | None) -> str:
    """Return the chosen block behind the imports and helpers that stand in blocks of their own before it."""
    joined: list[str] = []
    for block in blocks:
        if block is chosen:
            break
        source = _dedented(block.source)
        if block.language in (*_PYTHON, "") and _is_helper(source, entry_point):
            joined.append(source.strip("\n"))
    last = _dedented(chosen.source)
    if not joined:
        return last
    future = _FUTURE.findall(last)  # has to stand before everything else
    return "\n\n".join([*(line.strip() for line in future), *joined, _FUTURE.sub("", last)])


def _is_helper(source: str, entry_point: str | None) -> bool:
    named = entry_point is not None and re.search(rf"\b{re.escape(entry_point)}\b", source) is not None
    if named or _SUBSTANCE.search(source) is None:
        return False
    in_string = False
    for line in source.split("\n"):
        if not in_string and _HELPER.match(line) is None:
            return False
        in_string ^= (line.count('"""') + line.count("'''")) % 2 == 1
    return entry_point is not None or _DEFINITION.search(source) is None


def _preferred(blocks: list[Block]) -> list[Block]:
    marked = [block for block in blocks if block.language in _PYTHON]
    return marked or [block for block in blocks if not block.language] or blocks


def _chosen(blocks: list[Block], entry_point: str | None) -> Block:
    """Return the block that is the solution: of the best-marked ones that define the wanted function, the last."""
    preferred = _preferred(blocks)
    if entry_point is not None:
        wanted = re.compile(
            rf"^[ \t]*(?:async[ ]+)?(?:def|class)[ ]+{re.escape(entry_point)}\b|^{re.escape(entry_point)}[ ]*=",
            re.MULTILINE,
        )
        for group in (preferred, [block for block in blocks if not block.language]):
            defining = [block for block in group if wanted.search(block.source)]
            if defining:
                return defining[-1]
    return next((block for block in preferred if _DEFINITION.search(block.source)), preferred[0])


def _indented(lines: list[str]) -> str | None:
    """Return a program that is indented as a whole, as Markdown has code without fences, or None."""
    inside = [number for number, line in enumerate(lines) if line.startswith(("    ", "\t"))]
    start = next((number for number in inside if _START.match(lines[number].strip())), None)
    if start is None:
        return None
    margin = len(lines[start]) - len(lines[start].lstrip())
    block = itertools.takewhile(lambda line: not line.strip() or line[:margin].isspace(), lines[start:])
    program = textwrap.dedent("\n".join(block)).rstrip() + "\n"
    return program if _DEFINITION.search(program) is not None else None


def _unfenced(text: str) -> str | None:
    lines = text.split("\n")
    start = next((number for number, line in enumerate(lines) if _START.match(line)), None)
    if start is None:
        return _indented(lines)
    end = start + 1
    while end < len(lines) and (not lines[end].strip() or _START.match(lines[end]) or _GOES_ON.match(lines[end])):
        end += 1
    return "\n".join(lines[start:end]).rstrip() + "\n"
