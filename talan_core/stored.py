"""Read the files of a checkpoint that somebody else may have made: whatever is wrong with them is one error.

Nothing here runs what a file says: JSON and safetensors only, no pickles.
"""

from __future__ import annotations

import contextlib
import math
from typing import TYPE_CHECKING, Any, Final, cast

from safetensors import SafetensorError

from talan_core.bounded import MEGABYTE, check_unique, open_regular, parse_json, read_text_bounded
from talan_core.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    import torch

_MOST: Final = 16 * MEGABYTE
_LARGEST_NUMBER: Final = 2**53  # a seed may be large
_LENGTH: Final = 8  # bytes that say how long the header is
_LONGEST_HEADER: Final = 100_000_000  # bytes; safetensors' own limit
_SHOWN: Final = 3  # names of tensors in an error


def damaged(path: Path, why: object) -> UserError:
    """Build the error for a file that is not what was saved.

    Args:
        path: The file, or the checkpoint.
        why: What is wrong with it.
    """
    said = " ".join(str(why).split())
    return UserError(
        f"{path} is damaged or was not written by talan_core or PEFT ({said[:300]}).",
        "Save the model again with save_pretrained(DIR), or copy the whole directory again, and load that.",
    )


def read_json(path: Path) -> dict[str, Any]:
    """Read a file that holds one JSON object.

    Args:
        path: The file.

    Returns:
        The object. All its numbers are finite and at most 2^53.

    Raises:
        UserError: It cannot be read, is no JSON object, or is nested too deeply.
    """
    try:
        data = parse_json(read_text_bounded(path, _MOST), unique=True)
        _check_numbers(data)
    except (OSError, ValueError, RecursionError, MemoryError) as error:
        raise damaged(path, f"{type(error).__name__}: {error}") from error
    if not isinstance(data, dict):
        raise damaged(path, f"it holds a {type(data).__name__}, not an object")
    return data


def read_tensors(path: Path) -> dict[str, torch.Tensor]:
    """Read a safetensors file onto the CPU.

    Args:
        path: The file.

    Returns:
        The tensors by name, all finite.

    Raises:
        UserError: It cannot be read, or a tensor has numbers that are not finite.
    """
    import torch  # noqa: PLC0415 - configurations are checked before anything heavy is loaded
    from safetensors.torch import load_file  # noqa: PLC0415 - as above

    try:
        check_header(path)
        tensors = load_file(str(path), device="cpu")
    except (SafetensorError, OSError, ValueError, KeyError, RuntimeError, AttributeError) as error:
        raise damaged(path, error) from error
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor.float()).all()):
            raise damaged(path, f"the tensor {name} has values that are not finite")
    return tensors


def check_header(path: Path) -> None:
    """Check that a safetensors file is a regular file whose header describes no tensor twice; the last would count.

    Raises:
        ValueError: It is not, or the header is no JSON.
        OSError: It cannot be read.
    """
    with open_regular(path) as file:
        size = int.from_bytes(file.read(_LENGTH), "little")
        if size <= _LONGEST_HEADER:  # a longer one is refused where the tensors are read
            check_unique(file.read(size))


def tensor_types(path: Path) -> dict[str, bool]:
    """Say by name whether each tensor of a safetensors file has floating-point numbers, without reading them.

    Args:
        path: A file that can be read.
    """
    from safetensors import safe_open  # noqa: PLC0415 - configurations are checked before anything heavy is loaded

    with safe_open(str(path), framework="pt") as file:
        return {name: file.get_slice(name).get_dtype().startswith(("F", "BF")) for name in file.keys()}  # noqa: SIM118 - no mapping


def check_tensors(path: Path, found: Mapping[str, torch.Tensor], expected: Mapping[str, torch.Tensor]) -> None:
    """Compare the tensors of a file with those that a model has, both ways, by name, shape and type.

    Args:
        path: The file, for the error.
        found: What it holds.
        expected: What the model has, under the same names.

    Raises:
        UserError: They differ.
    """
    problems = [
        *_listed("not in the checkpoint", expected.keys() - found.keys()),
        *_listed("not in this model", found.keys() - expected.keys()),
    ]
    for name in sorted(found.keys() & expected.keys()):
        one, other = found[name], expected[name]
        if one.shape != other.shape:
            problems.append(f"{name} has shape {tuple(one.shape)}, in this model {tuple(other.shape)}")
        elif one.is_floating_point() != other.is_floating_point():
            problems.append(f"{name} is {one.dtype}, in this model {other.dtype}")
    if problems:
        shown = problems[: 2 * _SHOWN]
        more = f"\n  and {len(problems) - len(shown)} more" if len(problems) > len(shown) else ""
        raise misfit(path, "\n  ".join(["", *shown]) + more)


def misfit(path: Path, why: str) -> UserError:
    """Build the error for a checkpoint that was made for another model or by another method.

    Args:
        path: The file.
        why: What does not fit.
    """
    return UserError(
        f"{path} does not fit this model, and loading it would leave weights out:{why}",
        "Load it with the backbone that it was trained on: "
        "talan_core.load(DIR, base_model=AutoModelForCausalLM.from_pretrained(NAME)), or save it again.",
    )


@contextlib.contextmanager
def one_error(directory: Path) -> Iterator[None]:
    """Turn what a library raises on a checkpoint's contents into one error of the user's; its cause is kept.

    Args:
        directory: The checkpoint.
    """
    try:
        yield
    except UserError:
        raise
    except (
        ArithmeticError,
        AssertionError,
        AttributeError,
        EOFError,
        ImportError,
        LookupError,
        MemoryError,
        NotImplementedError,
        OSError,
        RecursionError,
        RuntimeError,
        SafetensorError,
        TypeError,
        ValueError,
    ) as error:
        raise damaged(directory, f"{type(error).__name__}: {error}") from error


def check_largest(path: Path, sizes: Iterable[tuple[str, object]], largest: int) -> None:
    """Refuse sizes beyond what a checkpoint's tensors have, before a model of these sizes is made.

    Args:
        path: The configuration, for the error.
        sizes: Names and values; a value that is no number is left to other checks.
        largest: The largest dimension that there is.
    """
    for name, value in sizes:
        if isinstance(value, int | float) and value > largest:
            raise damaged(path, f"{name}={value}, and no tensor has a dimension above {largest}")


def largest_dimension(tensors: Mapping[str, torch.Tensor]) -> int:
    """Return the largest dimension of any of some tensors; 0 where there is none."""
    return max((size for tensor in tensors.values() for size in tensor.shape), default=0)


def _listed(what: str, names: Iterable[str]) -> list[str]:
    ordered = sorted(names)
    if not ordered:
        return []
    more = f" and {len(ordered) - _SHOWN} more" if len(ordered) > _SHOWN else ""
    return [f"{what}: {', '.join(ordered[:_SHOWN])}{more}"]


def _check_numbers(data: object) -> None:
    """Raise a ValueError for a number that no configuration has; the depth is that which JSON could be read at."""
    todo = [data]
    while todo:
        item = todo.pop()
        if isinstance(item, dict):
            todo.extend(cast("dict[str, Any]", item).values())
        elif isinstance(item, list):
            todo.extend(item)
        elif isinstance(item, float) and not math.isfinite(item):
            raise ValueError(f"the number {item}")
        elif isinstance(item, int | float) and abs(item) > _LARGEST_NUMBER:
            raise ValueError(f"the number {float(item):g}" if abs(item) < 10**300 else "a number of over 300 digits")
