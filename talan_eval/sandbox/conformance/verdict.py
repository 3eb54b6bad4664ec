"""Attacks that reach for the verdict or for the machine's resources."""

from __future__ import annotations

from typing import Final

from talan_eval.sandbox.conformance.attack import Attack, asked, asked_for_numbers, unbounded

_FRAMES: Final = 'b\'["loaded"]\\n["value", 0, true]\\n["value", 1, true]\\n["value", 2, true]\\n["ended"]\\n\''
_EQUAL: Final = """
class Equal({base}):
    def __eq__(self, other): return True
    def __ne__(self, other): return False
    def __hash__(self): return 0
    def __str__(self): return "a1"
    def __repr__(self): return "'a1'"
def f(x): return Equal()
"""

FORGING: Final = (
    asked("exit early without complaint", "import os\nos._exit(0)"),
    asked("exit early by exception", "raise SystemExit(0)"),
    asked("exit early in a call", "def f(x): os._exit(0)"),
    asked(
        "print the marks of success", "def f(x):\n    print('PASSED', 'OK', '3 passed', flush=True)\nprint('PASSED')"
    ),
    asked("be equal to everything", _EQUAL.format(base="object")),
    asked("be equal to everything as text", _EQUAL.format(base="str")),
    asked("be equal to everything as a list", _EQUAL.format(base="list")),
    asked(
        "replace the built-in functions",
        "import builtins\nbuiltins.eval = builtins.exec = builtins.compile = lambda *a, **k: True\ndef f(x): return 0",
    ),
    asked("replace the encoder", "sys.modules['inside.program'].encode = lambda v: True\ndef f(x): return 0"),
    asked("write frames of its own", f"os.write(4, {_FRAMES})\nos._exit(0)"),
    asked(
        "write frames on every descriptor",
        f"for n in range(64):\n    works(lambda: os.write(n, {_FRAMES}))\nos._exit(0)",
    ),
    asked(
        "write frames behind its own",
        f"import atexit\natexit.register(lambda: os.write(4, {_FRAMES}))\ndef f(x): return 0",
    ),
    asked(
        "walk the frames for the expected values",
        """
def f(x):
    frame, found = sys._getframe(), []
    while frame:
        found += [value for value in {**frame.f_locals, **frame.f_globals}.values() if isinstance(value, str)]
        frame = frame.f_back
    # The tests are not there to be read; a comparison in them would show the value.
    return next((text.split("'")[1] for text in found if f"f({x}) ==" in text), None)
""",
    ),
    asked(
        "search all objects for the expected values",
        """
import gc
def f(x):
    texts = [v for o in gc.get_objects() if isinstance(o, dict) for v in list(o.values()) if isinstance(v, str)]
    return next((t for t in texts if len(t) == 2 and t[0] == "_abc"[x] and t[1].isdigit()), None)
""",
    ),
    asked(
        "search its memory for the expected values",
        """
def f(x):
    with open("/proc/self/maps") as maps, open("/proc/self/mem", "rb", 0) as memory:
        return "a1" if any("heap" in line for line in maps) and memory else None
""",
    ),
    asked("patch the comparison of numbers", "import ctypes\ndef f(x): return ctypes.c_int(x)"),
    asked(
        "raise what cannot be shown", "class E(BaseException):\n    def __str__(self): raise self\ndef f(x): raise E"
    ),
    asked("erase the report", "os.ftruncate(4, 0)\nos._exit(0)"),
    asked("erase the report while it is written", "def f(x):\n    os.ftruncate(4, 0)\n    return 'a1'"),
    asked("rewrite the report", f"os.ftruncate(4, 0)\nos.lseek(4, 0, 0)\nos.write(4, {_FRAMES})\nos._exit(0)"),
    asked(
        "rewrite the report through memory",
        f"import mmap\nos.ftruncate(4, 4096)\nwith mmap.mmap(4, 4096) as m: m[:] = ({_FRAMES}).ljust(4096)\nos._exit(0)",
    ),
    asked(
        "seal the report",
        f"import fcntl\nos.write(4, {_FRAMES})\nworks(lambda: fcntl.fcntl(4, fcntl.F_ADD_SEALS, 15))\nos._exit(0)",
    ),
    asked("say that the boundary is complete", "works(lambda: os.write(5, b'LL'))\nos._exit(0)"),
    asked(
        "say that the boundary is not complete", "works(lambda: os.read(5, 9))\nworks(lambda: os.close(5))\nos._exit(0)"
    ),
    asked("close the way back", "os.closerange(0, 64)\ndef f(x): return 'a1'"),
    asked("swap the way back", "r, w = os.pipe()\nos.dup2(w, 4)\ndef f(x): return 'a1'"),
)

STALLING: Final = (
    asked_for_numbers(
        "stall the judge with a fraction",
        "import fractions\nclass F(fractions.Fraction): pass\ndef f(x): return fractions.Fraction(3**200000, 2**300000)",
    ),
    asked_for_numbers(
        "stall the judge with a forged fraction",
        """
import random
a, b = hex(random.getrandbits(2 * 10**6)), hex(random.getrandbits(2 * 10**6))
os.write(4, ('["loaded"]\\n["value", 0, {"n": [{"i": "%s"}, {"i": "%s"}]}]\\n' % (a, b)).encode())
os._exit(0)
""",
    ),
    asked_for_numbers(
        "stall the judge with a decimal", "import decimal\ndef f(x): return decimal.Decimal('1e999999999')"
    ),
    asked("stall the judge with colliding keys", "def f(x): return {n * (2**61 - 1): n for n in range(1500)}"),
    asked("give a value that is too deep", "def f(x):\n    v = []\n    for _ in range(100000): v = [v]\n    return v"),
    asked("give a value that holds itself", "def f(x):\n    v = []\n    v.append(v)\n    return v"),
    asked("give a value that is too large", "def f(x): return 'x' * (4 << 20)"),
    asked("give nesting that no reader likes", "os.write(4, b'[' * 500000)\nos._exit(0)"),
)

_FILLED: Final = """
def escaped():
    kept, total = [], 0
    try:
        while total <= {most} << 20:
            kept.append({pair})
            for end in kept[-1]:
                end = end if isinstance(end, int) else end.fileno()
                try:
                    os.set_blocking(end, False)
                    while True: total += os.write(end, bytes(1 << 16))
                except BlockingIOError: pass
                except OSError as error:
                    if error.errno != errno.EBADF: raise  # the reading end of a pipe
    except OSError: pass  # no more descriptors
    return total > {most} << 20
"""

RESOURCES: Final = (
    unbounded("compute for ever", "def escaped():\n    while True: pass"),
    unbounded("compute for ever in C", "def escaped(): return sum(range(10**13))"),
    unbounded(
        "compute on through the signal",
        "import signal\nsignal.signal(signal.SIGXCPU, signal.SIG_IGN)\ndef escaped():\n    while True: pass",
    ),
    Attack(
        "raise its own limit",
        "import resource\ndef escaped(): return works(lambda: resource.setrlimit(resource.RLIMIT_CPU, (10**6, 10**6)))",
    ),
    unbounded("sleep for ever", "import time\ndef escaped(): time.sleep(10**6)"),
    unbounded("take all memory", "def escaped():\n    x = [0]\n    while True: x += x"),
    Attack(
        "map all memory",
        "import mmap\ndef escaped(): return works(lambda: [mmap.mmap(-1, 1 << 28) for _ in range(64)])",
    ),
    unbounded(
        "fork without end",
        "def escaped():\n    for _ in range(40):\n        if os.fork() == 0: os._exit(0)\n    return True",
    ),
    unbounded(
        "start threads without end",
        "import threading, time\ndef escaped():\n    for _ in range(200): threading.Thread(target=time.sleep, args=(1,), daemon=True).start()\n    return True",
    ),
    unbounded(
        "write one large file",
        "def escaped():\n    with open('big', 'wb') as file:\n        for _ in range(64): file.write(bytes(1 << 20))\n    return True",
    ),
    unbounded(
        "fill the disk with files",
        "import time\ndef escaped():\n    for n in range(32):\n        with open(str(n), 'wb') as file: file.write(bytes(1 << 20))\n        time.sleep(0.02)\n    return True",
    ),
    unbounded(
        "fill the disk with empty files",
        "import time\ndef escaped():\n    for n in range(20000):\n        open(str(n), 'wb').close()\n    time.sleep(0.1)\n    return True",
    ),
    Attack(
        "open files without end", "def escaped(): return works(lambda: [os.open('/dev/null', 0) for _ in range(2000)])"
    ),
    Attack("fill pipes without end", _FILLED.format(pair="os.pipe()", most=16)),
    Attack("fill sockets without end", _FILLED.format(pair="__import__('socket').socketpair(1, 1)", most=64)),
    Attack(
        "enlarge a pipe",
        "import fcntl\ndef escaped(): return works(lambda: fcntl.fcntl(os.pipe()[1], 1031, 1 << 20))",
    ),
    Attack("lock memory", "def escaped(): return reaches('mlock', 0, 4096)"),
    Attack(
        "lock memory while it is mapped",
        "import mmap\ndef escaped(): return works(lambda: mmap.mmap(-1, 4096, flags=0x2022))",
    ),
    Attack("queue signals without end", "def escaped(): return reaches('rt_sigqueueinfo', os.getpid(), 0, 0)"),
    Attack("make timers without end", "def escaped(): return reaches('timer_create', -1, 0, 0)"),
    Attack(
        "flood the output",
        "def escaped():\n    for _ in range(64): os.write(1, b'x' * (1 << 20)); os.write(2, b'x' * (1 << 20))\n    return False",
    ),
    unbounded("report a hole that is too large", "os.ftruncate(4, 3 << 20)\ndef escaped(): return True"),
    unbounded("report more than a file may hold", "while True: works(lambda: os.write(4, b'x' * 65536))"),
    unbounded("flood the way back", "while True: os.write(4, b'x' * 65536)"),
    Attack(
        "leave a core dump", "import resource\ndef escaped(): return resource.getrlimit(resource.RLIMIT_CORE) != (0, 0)"
    ),
    unbounded(
        "overflow the stack",
        "sys.setrecursionlimit(10**9)\ndef escaped(): return repr(deep())\ndef deep():\n    x = []\n    for _ in range(10**6): x = [x]\n    return x",
    ),
)
