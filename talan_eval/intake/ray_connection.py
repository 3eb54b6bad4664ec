"""The connection to a Ray cluster: made when an experiment is prepared or performed, whichever comes first."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

from talan_core.errors import UserError
from talan_core.extras import lacking


def connect(address: str | None) -> None:
    """Connect to a cluster, or start one on this machine; nothing where there is a connection.

    Args:
        address: As ``ray.init`` takes it, such as "auto"; None starts one.

    Raises:
        UserError: Ray is not installed, or there is no cluster at the address.
    """
    ray = ray_module()
    try:
        ray.init(address=address, log_to_driver=False, logging_level="error", ignore_reinit_error=True)
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise UserError(
            f"There is no Ray cluster at {address!r} ({' '.join(str(error).split())[:200]}).",
            "Start one with: ray start --head, then type --ray-address auto; or leave --ray-address out.",
        ) from error


def has_gpus(address: str) -> bool:
    """Connect to a cluster, and say whether any of its nodes has a GPU: it computes, and not this machine.

    Raises:
        UserError: Ray is not installed, or there is no cluster at the address.
    """
    connect(address)
    return any(one["Alive"] and one.get("Resources", {}).get("GPU", 0) > 0 for one in ray_module().nodes())


def ray_module() -> Any:  # noqa: ANN401 - an extra, without types here
    """Return Ray.

    Raises:
        UserError: It is not installed.
    """
    check_installed()
    import ray  # noqa: PLC0415 - an extra

    return ray


def check_installed() -> None:
    """Find out whether Ray is there, without loading it.

    Raises:
        UserError: It is not.
    """
    if find_spec("ray") is None:
        raise lacking("The executor ray needs Ray, which is not installed.", "ray")
