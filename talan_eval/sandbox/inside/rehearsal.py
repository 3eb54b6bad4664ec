"""A harmless program, run in a worker before the first real one, so that forked processes find everything ready.

What Python sets up at first use (the compiler's types, its caches of attributes, the specialised forms of our own code)
costs a process that was just forked as much as a small program.
"""

from __future__ import annotations

import marshal
import os
import resource
from typing import Final

from .descriptors import ALL
from .kernel import PR_GET_NO_NEW_PRIVS, prepared
from .program import give_up, read_job, run, say

_TIMES: Final = 12
"""Python specialises code that has run about this often."""
_SOURCE: Final = '''
import re, math, collections
from collections import Counter, defaultdict
class C:
    kind = "c"
    def __init__(self, *a, **k):
        self.a = a
    def m(self, *a, **k):
        return [x for x in a if x] + sorted({1: 2}.items(), key=lambda pair: pair[1])
def f(x, y=2.0):
    """Doc."""
    total, words = 0, []
    for i in range(len(x)):
        if x[i] % 2 == 0 and i < 10 or not words:
            total += x[i] * i // 2 - 1
            words.append(str(x[i]).upper())
    while total > 100:
        total -= 1
        continue
    try:
        return (x[5], f"{y!r}")
    except IndexError as error:
        return {"a": C(1).m(1, 2), "b": (x, y, re.sub("a", "b", "aa")), "c": max(x), "d": " ".join(words)}
def g():
    raise ValueError("sample")
def h(text, items):
    found = {key: value for key, value in zip(text, items)}
    found.update(a=1)
    counts = Counter(text)
    some = items[::-1], text.split(","), math.sqrt(4)
    return sorted(set(items), reverse=True), found.get("a"), counts.most_common(1), some
def k(n):
    return n if n < 2 else k(n - 1) + k(n - 2)
'''
_CALLS: Final = (
    "f([1])",
    "f([1, 2, 3])",
    "g()",
    "h('a,b', [1, 2])",
    "k(4)",
    "'text'",
    "1.5",
    "[True, None, -1]",
    "{1, 2}",
    "{'a': (1,)}",
    "b'x'",
    "10 ** 20",
    "1j",
    "range(3)",
    "len",
    "not not ('a' in 'ab')",
)


def rehearse() -> None:
    """Do in this process, without harm, all that a forked one does for a program."""
    calls = [compile(call, "<test>", "eval") for call in _CALLS]
    job = marshal.dumps({"source": _SOURCE, "setup": "x = 1", "calls": calls})
    limits = tuple((which, resource.getrlimit(which)) for which in (resource.RLIMIT_CORE, resource.RLIMIT_CPU))
    ask = prepared("prctl", PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0)
    null = os.open(os.devnull, os.O_WRONLY)
    for _ in range(_TIMES):
        file = os.memfd_create("rehearsal")
        os.write(file, job)
        give_up(null, ALL, limits)
        ask()
        say(os.dup(null), b"")
        run(read_job(file), {"__name__": "program"}, null)
    os.close(null)
