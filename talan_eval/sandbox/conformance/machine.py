"""Attacks that reach for the machine: files, network, other processes, the kernel, and what is left behind."""

from __future__ import annotations

from typing import Final

from talan_eval.sandbox.conformance.attack import Attack
from talan_eval.sandbox.tiers import Tier


def _attempt(expression: str) -> str:
    return f"def escaped(): return works(lambda: {expression})"


def _call(arguments: str) -> str:
    return f"def escaped(): return reaches({arguments})"


_BY_NAME: Final = """
def through(pid, way, action=lambda descriptor: None):
    done = 0
    for number in range(64):
        try:
            descriptor = os.open('/proc/%d/fd/%d' % (pid, number), way | os.O_NONBLOCK)
        except OSError:
            continue
        done += works(lambda: action(descriptor))
        os.close(descriptor)
    return done

def opens(pid): return any(through(pid, way) for way in (os.O_RDONLY, os.O_WRONLY, os.O_RDWR, os.O_PATH))
"""
"""Ways to the descriptors of another process, by their names below /proc: pipes and files without a name among them."""

READING: Final = (
    Attack("read a secret", _attempt("open(SECRET).read()")),
    Attack("read the list of users", _attempt("open('/etc/passwd').read()")),
    Attack(
        "find the caller's environment",
        "def escaped(): return bool(set(os.environ) - {'PYTHONHASHSEED', 'LD_BIND_NOW', 'LC_CTYPE'})",
    ),
    Attack("read another process's environment", _attempt("open('/proc/%d/environ' % OUTSIDER).read()")),
    Attack("read the first process's environment", _attempt("open('/proc/1/environ').read()")),
    Attack("read its own memory as a file", _attempt("open('/proc/self/mem', 'rb')")),
    Attack(
        "walk the disk",
        """
def escaped():
    places = ("/home", "/root", "/etc", "/var", "/tmp", "/proc", "/sys", os.path.dirname(SECRET))
    return [place for place in places if works(lambda: os.listdir(place)) and set(os.listdir(place)) - SHOWN.get(place, set())] != []
""",
    ),
    Attack("see that a file exists", "def escaped(): return os.path.exists(SECRET)", tiers=(Tier.NAMESPACES,)),
    Attack("give a file a second name", _attempt("(open('own', 'w').close(), os.link('own', 'second'))")),
    Attack("reach a secret through a link", _attempt("(os.symlink(SECRET, 'link'), open('link').read())")),
    Attack("keep a secret under another name", _attempt("(os.link(SECRET, 'kept'), open('kept').read())")),
    Attack("read where a link leads", _attempt("os.readlink(LINK)")),
    Attack(
        "read where an open link leads", _attempt("os.readlink('', dir_fd=os.open(LINK, os.O_PATH | os.O_NOFOLLOW))")
    ),
    Attack("go where a link leads", _attempt("(os.chdir(DIRECTORY_LINK), os.getcwd())")),
    Attack("go where an open link leads", _attempt("(os.fchdir(os.open(DIRECTORY_LINK, os.O_PATH)), os.getcwd())")),
    Attack("open a file by its handle", _call("'open_by_handle_at', -100, 0, 0")),
    Attack("read the kernel's log", _call("'syslog', 10, 0, 0")),
    Attack("watch files", _call("'inotify_init1', 0")),
    Attack(
        "use a descriptor of the worker's",
        "def escaped(): return any(works(lambda: os.fstat(n)) for n in (3, *range(5, 256)))",
    ),
    Attack("open the worker's descriptors", f"{_BY_NAME}\ndef escaped(): return opens(os.getppid())"),
    Attack("open the descriptors of a process outside", f"{_BY_NAME}\ndef escaped(): return opens(OUTSIDER)"),
    Attack("open the worker's namespaces", _attempt("os.open('/proc/%d/ns/net' % os.getppid(), os.O_RDONLY)")),
    Attack(
        "take what the worker's channels hold",
        f"{_BY_NAME}\ndef escaped(): return through(os.getppid(), os.O_RDONLY, lambda d: os.read(d, 9)) > 0",
    ),
    Attack(
        "write into the worker's channels",
        f"{_BY_NAME}\ndef escaped(): return through(os.getppid(), os.O_WRONLY, lambda d: os.write(d, b'x')) > 0",
    ),
    Attack(
        "fill the worker's channels",
        f"{_BY_NAME}\ndef escaped(): return sum(through(os.getppid(), os.O_WRONLY, lambda d: os.write(d, bytes(4096))) for n in range(99)) > 0",
    ),
    Attack("learn the machine's name", "def escaped(): return os.uname().nodename == HOST", tiers=(Tier.NAMESPACES,)),
    Attack(
        "see that a process exists",
        "def escaped(): return os.getpid() != OUTSIDER and works(lambda: os.getpgid(OUTSIDER))",
        tiers=(Tier.NAMESPACES,),
    ),
    Attack("learn its number on the machine", "def escaped(): return os.getppid() != 1", tiers=(Tier.NAMESPACES,)),
)

WRITING: Final = (
    Attack("write outside", _attempt("open(VICTIM, 'a').write('x')")),
    Attack("make a file outside", _attempt("open(VICTIM + '-new', 'w')")),
    Attack("truncate by name", _attempt("os.truncate(VICTIM, 0)")),
    Attack("truncate while reading", _attempt("os.open(VICTIM, os.O_RDONLY | os.O_TRUNC)")),
    Attack(
        "truncate one's own while reading",
        _attempt("(open('own', 'w').close(), os.open('own', os.O_RDONLY | os.O_TRUNC))"),
    ),
    Attack("rename outside", _attempt("os.rename(VICTIM, VICTIM + '-moved')")),
    Attack("move a file out", _attempt("(open('own', 'w').close(), os.rename('own', VICTIM))")),
    Attack("remove outside", _attempt("os.unlink(VICTIM)")),
    Attack("change a mode outside", _attempt("os.chmod(VICTIM, 0o777)")),
    Attack("change times outside", _attempt("os.utime(VICTIM, (1, 1))")),
    Attack("change attributes outside", _attempt("os.setxattr(VICTIM, 'user.x', b'1')")),
    Attack(
        "change the standard library", _attempt("open(os.path.join(os.path.dirname(os.__file__), 'planted.py'), 'w')")
    ),
    Attack("write to shared memory", _attempt("open('/dev/shm/planted', 'w')")),
    Attack("make a named pipe", _attempt("os.mkfifo('pipe')")),
    Attack("make a device", _attempt("os.mknod('device', 0o020600, os.makedev(1, 5))")),
    Attack(
        "use a capability",
        _attempt("(os.close(os.open('locked', os.O_CREAT | os.O_WRONLY, 0)), open('locked').read())"),
    ),
)

NETWORK: Final = (
    Attack("connect by TCP", _attempt("__import__('socket').create_connection(TCP, 1)")),
    Attack("send by UDP", _attempt("__import__('socket').socket(2, 2).sendto(b'x', UDP)")),
    Attack("connect to a unix socket", _attempt("__import__('socket').socket(1, 1).connect(UNIX)")),
    Attack("connect to an abstract socket", _attempt("__import__('socket').socket(1, 1).connect(ABSTRACT)")),
    Attack(
        "send to a unix address through a pair",
        _attempt("__import__('socket').socketpair(1, 2)[0].sendto(b'x', UNIX_DATAGRAM)"),
    ),
    Attack("listen", _attempt("__import__('socket').create_server(('127.0.0.1', 0))")),
    Attack("talk to the kernel's network", _attempt("__import__('socket').socket(16, 3, 0)")),
    Attack("look a name up", _attempt("__import__('socket').getaddrinfo('localhost.invalid', 80)")),
)

PROCESSES: Final = (
    Attack("start a process", _attempt("os._exit(0) if os.fork() == 0 else os.wait()")),
    Attack("run a command", _attempt("__import__('subprocess').run(['true'], check=True)")),
    Attack(
        "spawn a shell",
        "def escaped(): return works(lambda: os.waitpid(os.posix_spawn('/bin/sh', ['sh', '-c', ':'], {}), 0))",
    ),
    Attack(
        "become another program",
        "import signal\ndef escaped():\n    signal.alarm(2)\n    return works(lambda: os.execv('/bin/sh', ['sh', '-c', 'sleep 3']))",
    ),
    Attack("start a thread", "import threading\ndef escaped(): return works(threading.Thread(target=int).start)"),
    Attack("signal the worker", _attempt("os.kill(os.getppid(), 0)")),
    Attack("kill another process", _attempt("os.kill(OUTSIDER, 15)")),
    Attack("signal everybody", _attempt("os.kill(-1, 0)")),
    Attack("signal through a descriptor", _call("'pidfd_open', os.getppid(), 0")),
    Attack(
        "have a signal sent by a pipe",
        "import fcntl\ndef escaped(): return works(lambda: fcntl.fcntl(os.pipe()[0], fcntl.F_SETOWN, OUTSIDER))",
    ),
    Attack("trace another process", _call("'ptrace', 0x4206, OUTSIDER, 0, 0")),
    Attack("read another process's memory", _call("'process_vm_readv', OUTSIDER, 0, 0, 0, 0, 0")),
    Attack("change another process's limits", _call("'prlimit64', OUTSIDER, 7, 0, 0")),
    Attack("change another process's priority", _call("'setpriority', 0, OUTSIDER, 19")),
    Attack(
        "leave a daemon behind",
        """
import time
def escaped():
    def start():
        if os.fork() == 0:
            os.setsid()
            time.sleep(2)
            os._exit(0)
    return works(start)
""",
    ),
)

KERNEL: Final = (
    Attack("make namespaces", _call("'unshare', 0x10000000")),
    Attack("enter namespaces", _call("'setns', -1, 0")),
    Attack("mount", _call("'mount', 0, 0, 0, 0, 0")),
    Attack("open a file system", _call("'fsopen', 0, 0")),
    Attack("use io_uring", _call("'io_uring_setup', 0, 0")),
    Attack("use the kernel's keys", _call("'keyctl', 0, -3, 0")),
    Attack("load BPF", _call("'bpf', 0, 0, 0")),
    Attack("count events", _call("'perf_event_open', 0, 0, -1, -1, 0")),
    Attack("handle page faults", _call("'userfaultfd', 1")),
    Attack("load a module", _call("'init_module', 0, 0, 0")),
    Attack("make an anonymous file", _call("'memfd_create', b'x', 0")),
    Attack("change its personality", _call("'personality', 0xffffffff")),
    Attack("share memory", _call("'shmget', 0, 4096, 0o1600")),
    Attack("make a message queue", _call("'mq_open', b'planted', 0o102, 0o600, 0")),
    Attack(
        "write into the terminal", "import fcntl\ndef escaped(): return works(lambda: fcntl.ioctl(0, 0x5412, b'x'))"
    ),
)

LEFT_BEHIND: Final = (
    Attack(
        "leave a file for the next program",
        "def escaped(): return os.listdir('.') != []",
        before="open('left', 'w').write('x')\nimport os\nos.makedirs('a/b/c')\n",
    ),
    Attack(
        "leave a file beside the working directory",
        "def escaped(): return os.path.exists('../left') or os.listdir('.') != []",
        before="works = None\ntry: open('../left', 'w').close()\nexcept OSError: pass\n",
    ),
    Attack(
        "leave frames for the next program",
        "def escaped(): return os.pread(4, 100, 0) != b'[\"loaded\"]\\n' or os.lseek(4, 0, 1) != 11",
        before="import os\nos.write(4, b'[\"value\", 0, false]\\n')\nos.lseek(4, 5000, 0)\nos.write(4, b'left')\n",
    ),
    Attack(
        "leave a setting of the way back",
        "import fcntl\ndef escaped(): return bool(fcntl.fcntl(4, fcntl.F_GETFL) & (os.O_APPEND | os.O_NONBLOCK))",
        before="import fcntl, os\nfcntl.fcntl(4, fcntl.F_SETFL, os.O_APPEND | os.O_NONBLOCK)\n",
    ),
    Attack(
        "read the job of the program before",
        "def escaped(): return any(works(lambda: os.pread(n, 1, 0)) for n in (3, *range(5, 64)))",
        before="mark = 'a job'\n",
    ),
    Attack(
        "leave a directory that cannot be removed",
        "def escaped(): return os.listdir('.') != []",
        before="import os\nos.mkdir('a')\nopen('a/b', 'w').close()\nos.mkdir('c', 0)\n",
    ),
    Attack(
        "leave a name for the next program",
        "import builtins\ndef escaped(): return hasattr(builtins, 'left') or 'left' in sys.modules",
        before="import builtins, sys\nbuiltins.left = sys.modules['left'] = 1\n",
    ),
    Attack(
        "leave a limit for the next program",
        "import resource\ndef escaped(): return resource.getrlimit(resource.RLIMIT_NOFILE)[0] < 8",
        before="import resource\nresource.setrlimit(resource.RLIMIT_NOFILE, (5, 5))\n",
    ),
    Attack(
        "leave a directory away from the next program",
        "def escaped(): return not works(lambda: open('own', 'w').close())",
        before="import os\nd = os.getcwd()\nos.chdir('/')\nos.rmdir(d)\nopen(d, 'w').close()\n",
        tiers=(Tier.NAMESPACES,),
    ),
    Attack(
        "take the working directory from the next program",
        "def escaped(): return not works(lambda: os.listdir(os.getcwd()))",
        before="import os\nd = os.getcwd()\nos.chdir('/')\nos.rename(d, d + '-moved')\nos.rmdir(d)\n",
    ),
)
