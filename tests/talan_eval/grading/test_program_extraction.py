from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from talan_eval.grading.code import extract_program, grade_program, wanted_function
from talan_eval.grading.grade import Verdict
from talan_eval.sandbox.job import ProgramOutcome, Status

_F = "def f(x):\n    return x + 1"
_G = "def g(x):\n    return f(x)"

_FORMS = {
    "plain": (_F, _F),
    "plain with carriage returns": (_F.replace("\n", "\r\n"), _F),
    "plain with imports": (f"import math\nfrom re import sub\n\n{_F}", f"import math\nfrom re import sub\n\n{_F}"),
    "plain with decorator": (f"@cache\n{_F}", f"@cache\n{_F}"),
    "plain lambda": ("f = lambda x: x + 1", "f = lambda x: x + 1"),
    "prose before": (f"Here is the function:\n\n{_F}", _F),
    "prose behind": (f"{_F}\n\nThis adds one to x.", _F),
    "use behind": (f"{_F}\n\nprint(f(1))\nThis prints 2.", f"{_F}\n\nprint(f(1))"),
    "two functions": (f"{_F}\n\n{_G}", f"{_F}\n\n{_G}"),
    "marks of the few-shot prompt": (f"[BEGIN]\n{_F}\n[DONE]\n\nYou are an expert\n[BEGIN]\ndef h(): pass", _F),
    "fenced": (f"```python\n{_F}\n```", _F),
    "fenced in prose": (f"Sure!\n\n```python\n{_F}\n```\n\nIt adds one.", _F),
    "fenced without language": (f"```\n{_F}\n```", _F),
    "fenced with tildes": (f"~~~py\n{_F}\n~~~", _F),
    "fenced in a list": (
        "1. Write:\n   ```python\n   def f(x):\n       return x + 1\n   ```",
        _F,
    ),
    "a use in a block of its own": (f"```python\n{_F}\n```\n```python\nprint(f(1))\n```", _F),
    "tests in a block of their own": (f"```python\n{_F}\n```\n```python\ndef test():\n    assert f(1) == 2\n```", _F),
    "a draft and its correction": (f"```python\ndef f(x): pass\n```\nBetter:\n```python\n{_F}\n```", _F),
    "output in an unmarked block": (f"```python\n{_F}\n```\n```\n2\n```", _F),
    "installation first": (f"```bash\npip install x\n```\n```python\n{_F}\n```", _F),
    "cut off": (f"Sure:\n```python\n{_F}", _F),
    "only the closing fence": (f"{_F}\n```\nThis adds one.", _F),
    "thinking first": (f"<think>\n```python\ndef f(x): pass\n```\n</think>\n```python\n{_F}\n```", _F),
    "a byte-order mark": (f"\ufeff```python\n{_F}\n```", _F),
    "a byte-order mark before plain code": (f"\ufeff{_F}", _F),
    "a special token behind an open block": (f"```python\n{_F}\n<|eot_id|>", _F),
    "a special token in a string": (
        "```python\ndef f(x):\n    return x.replace('</s>', '')\n```",
        "def f(x):\n    return x.replace('</s>', '')",
    ),
    "indented as a whole": ("The code:\n\n    def f(x):\n        return x + 1\n\nDone.", _F),
    "quoted as a whole": ("> ```python\n> def f(x):\n>     return x + 1\n> ```", _F),
    "an import of the future behind another block": (
        f"```python\nimport math\n```\n```python\nfrom __future__ import annotations\n{_F}\n```",
        f"from __future__ import annotations\n\nimport math\n\n{_F}",
    ),
    "an empty block first": (f"```python\n```\n```python\n{_F}\n```", _F),
    "an empty marked block and a bare one": (f"```python\n\n```\n```\n{_F}\n```", _F),
    "a closing fence glued to the code": (f"```python\n{_F}```\nDone.", _F),
    "an opening fence glued to prose": (f"Here it is:```python\n{_F}\n```", _F),
    "fences glued to each other": (f"```python\nimport math\n``````python\n{_F}\n```", f"import math\n\n{_F}"),
    "all on one line": ("```python def f(x): return x + 1```", "def f(x): return x + 1"),
    "a language glued to the code": ("```pythondef f(x): return x + 1```", "def f(x): return x + 1"),
    "words behind the closing fence": (f"```python\n{_F}\n``` This adds one.", _F),
    "attributes behind the language": (f'```python title="f.py"\n{_F}\n```', _F),
    "a longer fence around a short one": (f"````python\n{_F}\nX = '```'\n````", f"{_F}\nX = '```'"),
    "a fence in an indented docstring": (
        '```python\ndef f(x):\n    """E:\n    ```\n    f(1)\n    ```\n    """\n    return x + 1\n```',
        'def f(x):\n    """E:\n    ```\n    f(1)\n    ```\n    """\n    return x + 1',
    ),
    "a fence in a string at the margin": (
        '```python\ndef f(x):\n    s = """\n```\n"""\n    return x + 1\n```\nDone.',
        'def f(x):\n    s = """\n```\n"""\n    return x + 1',
    ),
    "a string that never ends": ('```python\ndef f(x):\n    """E\n```\nDone.\n', 'def f(x):\n    """E'),
    "a fence in a comment": (
        "```python\ndef f(x):\n    # ```\n    return x + 1\n```",
        "def f(x):\n    # ```\n    return x + 1",
    ),
    "a fence that is indented too far to close": (
        "```python\ndef f(x):\n    s = '\n    ```\n    return x + 1\n```\nDone.",
        "def f(x):\n    s = '\n    ```\n    return x + 1",
    ),
    "imports in a block of their own": (f"```python\nimport math\n```\n```python\n{_F}\n```", f"import math\n\n{_F}"),
    "imports in a bare block": (f"```\nimport math\n```\n```python\n{_F}\n```", f"import math\n\n{_F}"),
    "a helper in a block of its own": (
        f"```python\ndef g(x):\n    return x\n```\nthen\n```python\n{_F}\n```",
        f"def g(x):\n    return x\n\n{_F}",
    ),
    "constants in a block of their own": (f"```python\nN = 10**9\n```\n```python\n{_F}\n```", f"N = 10**9\n\n{_F}"),
    "an example before": (f"```python\nprint(f(1))\n```\n```python\n{_F}\n```", _F),
    "an assigned example before": (f"```python\ny = f(1)\n```\n```python\n{_F}\n```", _F),
    "a script before": (f"```python\nimport sys\nprint(sys.argv)\n```\n```python\n{_F}\n```", _F),
    "marked imports and a bare solution": (f"```python\nimport os\n```\n```\n{_F}\n```", f"import os\n\n{_F}"),
    "an answer inside a block of Markdown": (f"````markdown\nSure:\n```python\n{_F}\n```\n````", _F),
    "a fenced block inside a bare one": (f"````\n```python\n{_F}\n```\n````", _F),
    "a docstring with a fence-like line": (f'{_F}\n\nX = """`a`"""', f'{_F}\n\nX = """`a`"""'),
}


@pytest.mark.parametrize("name", _FORMS)
def test_forms(name):
    answer, program = _FORMS[name]
    found = extract_program(answer, "f")
    assert found is not None
    assert found.strip("\n") == program


@pytest.mark.parametrize("answer", ["", "I cannot do that.", "```python\n```", "<think>def f(x): pass</think> Done."])
def test_no_program(answer):
    assert extract_program(answer, "f") is None


def test_without_a_wanted_name_the_first_definition_counts():
    found = extract_program(f"```python\nprint(1)\n```\n```python\n{_F}\n```\n```python\n{_G}\n```")
    assert found == _F


@pytest.mark.parametrize(
    ("tests", "name"),
    [
        (["assert f(1) == 2", "assert f(2) == 3"], "f"),
        (["assert set(f([1])) == {1}", "assert set(f([2])) == {2}"], "f"),
        (["assert f(g(1)) == 1"], None),
        (["assert f(g(1)) == 1", "assert f(2) == 1"], "f"),
        ([], None),
        (["assert f(1) == 2", "assert f(" + "1," * 30_000 + ") == 3"], None),
        (["assert f(1) == 2", "assert f(1 =="], None),
        (["assert " + "(" * 3_000 + "f(1)" + ")" * 3_000], None),
    ],
)
def test_the_wanted_function_is_the_one_that_all_tests_call(tests, name):
    assert wanted_function(tests) == name


@given(st.text() | st.text(alphabet="`~\n python def f():=#@ ["), st.text(max_size=5))
@settings(deadline=None, max_examples=300, derandomize=True)
def test_no_text_raises(answer, name):
    found = extract_program(answer, name)
    assert found is None or isinstance(found, str)


@pytest.mark.speed
@pytest.mark.parametrize(
    "unit",
    [
        "`",
        "```\n",
        "```python\n",
        '```\n"""\n',
        '"""\n```\n',
        "x```\n",
        "``````python\n",
        "def f",
        "def f(:\n",
        "a",
        "a=",
        "[a",
        "\n",
        " ",
        "if ",
    ],
)
def test_hostile_repetition_takes_linear_time(unit):
    text = unit * (200_000 // len(unit))
    start = time.process_time()
    assert extract_program(text, "f") is None or text
    assert time.process_time() - start < 1.0


@pytest.mark.parametrize(
    ("status", "verdict"),
    [
        (Status.PASSED, Verdict.MATCH),
        (Status.FAILED, Verdict.MISMATCH),
        (Status.TIMEOUT, Verdict.TIMEOUT),
        (Status.MEMORY, Verdict.MISMATCH),
        (Status.CRASHED, Verdict.MISMATCH),
        (Status.INVALID, Verdict.MISMATCH),
    ],
)
def test_grades_of_outcomes(status, verdict):
    grade = grade_program(_F, ProgramOutcome(status, (), "why"))
    assert grade.verdict == verdict
    assert grade.score == (1.0 if verdict is Verdict.MATCH else 0.0)


def test_no_program_is_unparsed_and_no_outcome_is_an_error():
    assert grade_program(None, None).verdict == Verdict.UNPARSED
    assert grade_program(_F, None).verdict == Verdict.ERROR


def test_a_language_on_a_line_of_its_own_behind_a_bare_fence_is_no_code():
    program = "def add(a, b):\n    return a + b"
    assert extract_program(f"```\npython\n{program}\n```", "add").strip() == program
    assert extract_program(f"```\nPy\n{program}\n```", "add").strip() == program
    # A name that merely begins so is code, and so is the word inside a block that says its language.
    assert extract_program(f"```\npython = 1\n{program}\n```", "add").startswith("python = 1")
    assert extract_program(f"```python\npython\n{program}\n```", "add").startswith("python\n")
