"""Under which names a server has the arms that it is to answer for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from talan_core.errors import UserError, unknown_name
from talan_eval.generation.backend import Endpoint
from talan_eval.generation.endpoint import check_address
from talan_eval.intake.stored_arms import SEED

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence


def served_names(
    typed: Sequence[str], arms: Sequence[str], stored: Iterable[tuple[str, int]], *, asked: bool
) -> dict[tuple[str, int], str]:
    """Return the name of each checkpoint at the server, by arm and seed.

    Args:
        typed: ``--served``, as ARM=MODEL.
        arms: Names of all arms.
        stored: The stored checkpoints, by arm and seed.
        asked: Whether a server is asked at all.

    Raises:
        UserError: An arm is named that is none, or twice, or one with several checkpoints has one name for all, or no
            server is asked.
    """
    given: dict[str, str] = {}
    for arm, model in (_read(one, arms) for one in typed):
        if arm in given:
            raise UserError(f"--served names the arm {arm} twice.", f"Type one of them: --served {arm}={model}")
        given[arm] = model
    if not asked:
        if typed:
            raise UserError(
                f"--served {typed[0]} says what a server has, and none is asked.",
                "Add --backend openai --base-url URL, or leave it out.",
            )
        return {}
    checkpoints = [*stored, *((arm, 0) for arm in arms if arm not in {name for name, _ in stored})]
    return {(arm, seed): _name(given, arm, seed, checkpoints) for arm, seed in checkpoints}


def endpoint_of(base_url: str | None, served: Mapping[tuple[str, int], str]) -> Endpoint | None:
    """Return the server that is asked, or None where none is.

    Args:
        base_url: ``--base-url``.
        served: From :func:`served_names`.

    Raises:
        UserError: It is asked and has no address, or has an address and is not asked.
    """
    if served and base_url is None:
        raise UserError("--backend openai needs the address of a server.", "Type --base-url http://127.0.0.1:8000/v1")
    if base_url is None:
        return None
    if not served:
        raise UserError(f"--base-url {base_url}: no server is asked.", "Add --backend openai, or leave it out.")
    which = tuple(sorted((arm, seed, model) for (arm, seed), model in served.items()))
    return Endpoint(check_address(base_url), tuple(sorted(set(served.values()))), which)


def _read(typed: str, arms: Sequence[str]) -> tuple[str, str]:
    arm, _, model = typed.partition("=")
    if not model:
        raise UserError(f"--served {typed} names no model.", "Type ARM=MODEL, as in --served mine=mine-1")
    if arm not in arms:
        raise unknown_name("arm", arm, arms)
    return arm, model


def _name(given: Mapping[str, str], arm: str, seed: int, checkpoints: Sequence[tuple[str, int]]) -> str:
    several = sum(name == arm for name, _ in checkpoints) > 1
    name = given.get(arm, f"{arm}-{SEED}" if several else arm)
    if several and SEED not in name:
        raise UserError(
            f"--served {arm}={name}: the arm has several checkpoints, and one name cannot stand for all.",
            f"Type {SEED} where the seed stands: --served {arm}={name}-{SEED}",
        )
    return name.replace(SEED, str(seed))
