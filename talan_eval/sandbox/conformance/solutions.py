"""Right programs that must pass: each uses something of Python that a boundary could break."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from talan_eval.sandbox.job import Job
from talan_eval.sandbox.tiers import SANDBOXED, Tier


@dataclass(frozen=True, slots=True)
class Solution:
    """A right program.

    Args:
        name: What it uses.
        job: The program and its tests.
        tiers: The tiers in which it must pass.
    """

    name: str
    job: Job
    tiers: tuple[Tier, ...] = SANDBOXED


def _uses(name: str, source: str, *tests: str, tiers: tuple[Tier, ...] = SANDBOXED) -> Solution:
    return Solution(name, Job(source, tests), tiers)


SOLUTIONS: Final = (
    _uses("arithmetic", "def f(x): return x ** 2 / 4", "assert f(3) == 2.25"),
    _uses("recursion", "def f(n): return n if n < 2 else f(n - 1) + f(n - 2)", "assert f(18) == 2584"),
    _uses(
        "regular expressions",
        "import re\ndef f(t): return re.findall(r'[a-z]+', t)",
        "assert f('ab1cd') == ['ab', 'cd']",
    ),
    _uses("a heap", "import heapq\ndef f(v): return heapq.nsmallest(2, v)", "assert f([3, 1, 2]) == [1, 2]"),
    _uses("large integers", "import math\ndef f(n): return math.factorial(n) % 10**9", "assert f(30) == 480000000"),
    _uses(
        "random numbers",
        "import random, secrets\ndef f(): return random.random() < 1 and secrets.randbits(8) < 256",
        "assert f() == True",
    ),
    _uses(
        "hashes", "import hashlib\ndef f(t): return hashlib.sha256(t).hexdigest()[:8]", "assert f(b'') == 'e3b0c442'"
    ),
    _uses(
        "compression",
        "import zlib, bz2, lzma\ndef f(t): return bz2.decompress(bz2.compress(zlib.decompress(zlib.compress(t))))",
        "assert f(b'a' * 99) == b'a' * 99",
    ),
    _uses(
        "dates",
        "import datetime\ndef f(): return str(datetime.date(2024, 2, 28) + datetime.timedelta(2))",
        "assert f() == '2024-03-01'",
    ),
    _uses(
        "exact numbers",
        "from decimal import Decimal\nfrom fractions import Fraction\ndef f(): return Decimal('0.1') * 3 == Decimal('0.3'), Fraction(2, 6).denominator",
        "assert f() == (True, 3)",
    ),
    _uses(
        "data classes",
        "from dataclasses import dataclass\n@dataclass\nclass P:\n    x: int\ndef f(): return P(1).x",
        "assert f() == 1",
    ),
    _uses(
        "a file of its own",
        "def f():\n    with open('a', 'w') as o: o.write('hi')\n    return open('a').read()",
        "assert f() == 'hi'",
        tiers=(Tier.NAMESPACES,),
    ),
    _uses(
        "a temporary directory",
        "import tempfile, os\ntempfile.tempdir = '.'\ndef f():\n    with tempfile.TemporaryDirectory() as d: open(d + '/a', 'w').close()\n    return os.listdir('.')",
        "assert f() == []",
        tiers=(Tier.NAMESPACES,),
    ),
    _uses(
        "a file in memory",
        "import io, csv\ndef f():\n    o = io.StringIO()\n    csv.writer(o).writerow([1, 'a'])\n    return o.getvalue()",
        "assert f() == '1,a\\r\\n'",
    ),
    _uses("its working directory", "import os\ndef f(): return os.listdir(os.getcwd())", "assert f() == []"),
    _uses(
        "a database in memory",
        "import sqlite3\ndef f(): return sqlite3.connect(':memory:').execute('select 1 + 1').fetchone()[0]",
        "assert f() == 2",
    ),
    _uses(
        "asyncio",
        "import asyncio\nasync def g(): await asyncio.sleep(0); return 1\ndef f(): return asyncio.run(g())",
        "assert f() == 1",
    ),
    _uses("a short sleep", "import time\ndef f(): time.sleep(0.01); return 1", "assert f() == 1"),
    _uses(
        "an alarm",
        "import signal, time\ndef f():\n    got = []\n    signal.signal(signal.SIGALRM, lambda *a: got.append(1))\n    signal.setitimer(signal.ITIMER_REAL, 0.01)\n    time.sleep(0.05)\n    return got",
        "assert f() == [1]",
    ),
    _uses("printing", "def f(): print('x' * 100); return 1", "assert f() == 1"),
    _uses(
        "exceptions",
        "def f():\n    try: return [][0]\n    except IndexError as e: return type(e).__name__",
        "assert f() == 'IndexError'",
    ),
    _uses("C data types", "import ctypes\ndef f(): return ctypes.c_uint8(257).value", "assert f() == 1"),
)
