"""Items from the Hugging Face Hub, at a pinned revision."""

from __future__ import annotations

from dataclasses import dataclass

from talan_core.errors import UserError
from talan_eval.tasks.datafiles.local import DATA_DIR_VARIABLE


@dataclass(frozen=True, slots=True)
class HubSource:
    """Splits of one data set on the Hub, read one after the other.

    Attributes:
        repo: Repository id.
        revision: Commit hash; nothing else identifies what is read.
        parts: Configuration (None for the only one), split and number of rows of each part.
        gated: Whether the authors ask for an account and a consent.
    """

    repo: str
    revision: str
    parts: tuple[tuple[str | None, str, int], ...]
    gated: bool = False

    @property
    def rows(self) -> int:
        """Rows of all parts together."""
        return sum(rows for _, _, rows in self.parts)


def read_hub(source: HubSource, *, fields: tuple[str, ...], local_path: str) -> list[dict[str, object]]:
    """Read all parts of a source, from the local cache of ``datasets`` where they are in it.

    Args:
        source: What to read.
        fields: Fields that every row has.
        local_path: Where the same items lie in a data directory, for the error.

    Returns:
        The rows in order.

    Raises:
        UserError: The Hub cannot be reached, does not let this user read the data set, or holds other rows.
    """
    from datasets import load_dataset  # noqa: PLC0415 - heavy, and only where no data directory is named
    from datasets.exceptions import DatasetNotFoundError  # noqa: PLC0415 - as above

    rows: list[dict[str, object]] = []
    for config, split, expected in source.parts:
        try:
            part = load_dataset(source.repo, config, split=split, revision=source.revision)
        except DatasetNotFoundError as error:
            raise UserError(
                _name(source) + f" cannot be opened ({type(error).__name__}).", _fix(source, local_path)
            ) from error
        except (OSError, ValueError, RuntimeError) as error:  # unreachable, not in the cache, or no such split
            raise UserError(
                f"{_name(source)} is not in the local cache and cannot be fetched ({type(error).__name__}).",
                _fix(source, local_path),
            ) from error
        missing = [field for field in fields if field not in part.column_names]
        if missing or len(part) != expected:
            found = f"no field {', '.join(map(repr, missing))}" if missing else f"{len(part)} rows, expected {expected}"
            raise UserError(f"{_name(source)}, {config or 'default'}/{split}: {found}.", _fix(source, local_path))
        rows += [dict(row) for row in part]
    return rows


def _name(source: HubSource) -> str:
    return f"The data set {source.repo!r} at revision {source.revision[:12]} ({source.rows} rows)"


def _fix(source: HubSource, local_path: str) -> str:
    consent = (
        f"accept the terms at hf.co/datasets/{source.repo} and type `hf auth login`"
        if source.gated
        else "connect to it"
    )
    return f"Type --data-dir DIR with DIR/{local_path} in it (or set {DATA_DIR_VARIABLE}), or {consent}."
