"""A SLURM of one node on this machine: munged, slurmctld and slurmd of their own, on the loopback address only."""

from __future__ import annotations

import contextlib
import os
import pwd
import secrets
import shutil
import socket
import subprocess
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

PROGRAMS = ("munged", "slurmctld", "slurmd")
CPUS = 2
MEMORY = 8000  # MB

CONFIGURATION = """\
ClusterName=one
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
AuthType=auth/munge
AuthInfo=socket={root}/open/socket
CredType=cred/munge
SlurmUser={user}
SlurmdUser={user}
StateSaveLocation={root}/state
SlurmdSpoolDir={root}/spool
SlurmctldPidFile={root}/slurmctld.pid
SlurmdPidFile={root}/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
DefMemPerCPU=1000
MpiDefault=none
ReturnToService=2
CommunicationParameters=NoInAddrAny
SchedulerParameters=sched_interval=1,batch_sched_delay=0
KillWait=2
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory={memory} State=UNKNOWN
PartitionName=main Nodes={host} Default=YES MaxTime=60 State=UP
PartitionName=short Nodes={host} MaxTime=1 State=UP
"""


def found(program):
    """Return where a daemon is, or None: Debian puts them where ordinary users do not look."""
    return shutil.which(program, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")


def free_ports(number):
    taken = [socket.socket() for _ in range(number)]
    for one in taken:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in taken]
    for one in taken:
        one.close()
    return ports


@contextlib.contextmanager
def one_node_slurm(root: Path):
    """Start a cluster below a directory that everybody may enter; yields the path of its slurm.conf."""
    for name, mode in {"open": 0o755, "secret": 0o700, "state": 0o700, "spool": 0o755}.items():
        (root / name).mkdir(mode=mode)
    key = root / "secret" / "key"
    key.write_bytes(secrets.token_bytes(1024))
    key.chmod(0o400)
    host = socket.gethostname().partition(".")[0]
    user = pwd.getpwuid(os.getuid()).pw_name
    configuration = root / "slurm.conf"
    configuration.write_text(
        CONFIGURATION.format(host=host, ports=free_ports(2), root=root, user=user, cpus=CPUS, memory=MEMORY)
    )
    munged = [
        found("munged"), "--foreground", f"--key-file={key}", f"--socket={root}/open/socket",
        f"--pid-file={root}/open/pid", f"--log-file={root}/secret/log", f"--seed-file={root}/secret/seed",
    ]  # fmt: skip
    with contextlib.ExitStack() as stack:
        stack.enter_context(running(munged, root / "munged.out"))
        wait_for((root / "open" / "socket").exists, root)
        stack.enter_context(running([found("slurmctld"), "-D", "-f", str(configuration)], root / "slurmctld.out"))
        stack.enter_context(running([found("slurmd"), "-D", "-f", str(configuration), "-N", host], root / "slurmd.out"))
        wait_for(lambda: "idle" in answer(configuration, "sinfo", "--noheader", "--format=%T"), root)
        yield configuration


@contextlib.contextmanager
def running(words, output):
    with output.open("wb") as file:
        process = subprocess.Popen(words, stdout=file, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def answer(configuration, *words):
    """Return what a command of SLURM prints."""
    environment = {**os.environ, "SLURM_CONF": str(configuration)}
    return subprocess.run(words, capture_output=True, text=True, check=False, env=environment, timeout=60).stdout


def wait_for(happened, root, seconds=60):
    deadline = time.monotonic() + seconds
    while not happened():
        said = [f"{path.name}: {path.read_text(errors='replace')[-2000:]}" for path in root.glob("*.out")]
        assert time.monotonic() < deadline, "\n".join(said)
        time.sleep(0.1)
