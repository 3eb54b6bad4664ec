"""Results for others: what would be uploaded to the Hub, file by file, and the upload itself.

Scores, intervals, settings and signatures are published; questions and answers are not.
"""

from __future__ import annotations

import json
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from talan_core.errors import UserError
from talan_eval.pipeline.hub_merge import merged_card
from talan_eval.pipeline.scores import score_files
from talan_eval.report import delimited, hub_card, markdown, scored
from talan_eval.report.markdown import escape
from talan_eval.report.scored import arm_card
from talan_eval.result.arm_scores import ArmScores
from talan_eval.result.reading import read_result, read_scores

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from huggingface_hub import HfApi

    from talan_eval.result.schema import Result

Kind = Literal["model", "dataset"]
_README = "README.md"
_SHORT = 2  # parts of a path that give nothing away, such as /tmp
_PATH = re.compile(r"(?<![\w:/.~])~?/(?:[^\s\"'`|,;:()\[\]<>/]+/)+([^\s\"'`|,;:()\[\]<>/]+)")
_ENDPOINT = "https://huggingface.co"


@dataclass(frozen=True, slots=True)
class Upload:
    """What goes into one repository.

    Attributes:
        repository: OWNER/NAME.
        kind: What it is.
        files: Content by path in it.
        title: The commit's message.
    """

    repository: str
    kind: Kind
    files: Mapping[str, bytes]
    title: str


def read_published(place: Path) -> Result | ArmScores:
    """Read what is to be published; raises a ``UserError`` where there is neither a result nor scores."""
    found = read_scores(place)
    return read_result(place, "results/NAME") if found is None else found


def uploads(found: Result | ArmScores, place: Path, model: str | None, dataset: str | None) -> tuple[Upload, ...]:
    """Return what would be uploaded.

    Args:
        found: The result, or the scores of one arm.
        place: The directory that it was read from.
        model: Repository whose card gets the scores; None for none.
        dataset: Repository of the results; None for none.

    Raises:
        UserError: A repository has no owner or no name.
    """
    for name in filter(None, (model, dataset)):
        owner, _, rest = name.partition("/")
        if not owner or not rest or "/" in rest or name != name.strip():
            raise UserError(f"{name!r} is no repository of the Hub.", "Type OWNER/NAME, such as me/my-adapter")
    parts = []
    known = sorted(_places(found.provenance), key=len, reverse=True)  # the longest first: one may begin another
    if model is not None:
        files = {_README: _card(found).encode("utf-8", "replace")}
        parts.append(Upload(model, "model", _without(known, files), "Scores by talan-eval"))
    if dataset is not None:
        parts.append(Upload(dataset, "dataset", _without(known, _dataset(found, place)), "Results of talan-eval"))
    return tuple(parts)


def send(upload: Upload, *, public: bool, endpoint: str | None = None) -> str:
    """Create the repository where it is not there, and commit the files to it; a card that is there is kept.

    Args:
        upload: What goes where.
        public: Whether a new repository is public.
        endpoint: The Hub; HF_ENDPOINT or huggingface.co when None.

    Returns:
        The address of the commit.

    Raises:
        UserError: The client is not installed, nobody is logged in, or the Hub refuses.
    """
    try:
        from huggingface_hub import CommitOperationAdd, HfApi  # noqa: PLC0415 - an extra
        from huggingface_hub.errors import HfHubHTTPError  # noqa: PLC0415 - as above
    except ImportError as error:
        raise UserError("Pushing needs huggingface_hub.", "Install it: pip install huggingface_hub") from error
    api = HfApi(endpoint=endpoint, library_name="talan-eval")
    transport = [kind for kind in HfHubHTTPError.__bases__ if issubclass(kind, Exception)]  # no network, no answer
    failures: tuple[type[Exception], ...] = (OSError, ValueError, *transport)
    try:
        api.create_repo(upload.repository, repo_type=upload.kind, private=not public, exist_ok=True)
        files = dict(upload.files)
        if upload.kind == "model":
            files[_README] = merged_card(_existing(api, upload.repository), files[_README].decode()).encode()
        operations = [CommitOperationAdd(name, content) for name, content in sorted(files.items())]
        commit = api.create_commit(
            upload.repository, operations, commit_message=upload.title, repo_type=upload.kind, revision="main"
        )
    except failures as error:
        said = " ".join(str(error).split())[:300]
        raise UserError(
            f"{upload.repository} was not written: {type(error).__name__}: {said}",
            "Check the name, and that you may write there: hf auth login",
        ) from error
    return str(commit.commit_url)


def _places(part: object) -> Iterator[str]:
    """Return the paths of this machine that a provenance holds."""
    if isinstance(part, dict):
        for value in part.values():
            yield from _places(value)
    elif isinstance(part, list | tuple):
        for value in part:
            yield from _places(value)
    elif isinstance(part, str) and len(Path(part).parts) > _SHORT and (Path(part).is_absolute() or part[0] == "~"):
        yield part


def _without(known: Sequence[str], files: Mapping[str, bytes]) -> dict[str, bytes]:
    """Return files in which each path of this machine is its last part: where it lies is nobody's business."""
    cleaned = {}
    for name, content in files.items():
        text = content.decode("utf-8", "replace")
        for place in known:
            text = text.replace(place, Path(place).name).replace(json.dumps(place)[1:-1], Path(place).name)
        cleaned[name] = _PATH.sub(r"\1", text).encode()
    return cleaned


def _existing(api: HfApi, repository: str) -> str | None:
    """Return the card of a repository; None where it has none."""
    from huggingface_hub.errors import EntryNotFoundError  # noqa: PLC0415 - an extra

    with tempfile.TemporaryDirectory() as cache:
        try:
            return Path(api.hf_hub_download(repository, _README, cache_dir=cache)).read_text("utf-8")
        except EntryNotFoundError:
            return None


def _card(found: Result | ArmScores) -> str:
    return arm_card.card(found) if isinstance(found, ArmScores) else hub_card.render(found)


def _dataset(found: Result | ArmScores, place: Path) -> dict[str, bytes]:
    home = place if place.is_dir() else place.parent
    if isinstance(found, ArmScores):
        report, table, extra = scored.markdown(found), scored.csv(found), {}
    else:
        report, table, extra = markdown.render(found), delimited.render(found), _scores(home, found)
    files = {
        "result.json": found.to_json().encode(),
        "report.md": report.encode("utf-8", "replace"),
        "report.csv": table.encode("utf-8", "replace"),
        **extra,
    }
    return {_README: _dataset_card(found, sorted(files)).encode("utf-8", "replace"), **files}


def _scores(home: Path, result: Result) -> dict[str, bytes]:
    """Return the raw scores; none where the directory holds a result alone."""
    try:
        return score_files(home, result)
    except UserError:
        return {}


def _dataset_card(found: Result | ArmScores, names: list[str]) -> str:
    what = found.arm if isinstance(found, ArmScores) else found.contrasts[0].name
    configs: list[dict[str, Any]] = [{"config_name": "scores", "data_files": "report.csv"}]
    import yaml  # noqa: PLC0415 - only here

    metadata = yaml.safe_dump({"tags": ["talan-eval"], "configs": configs}, sort_keys=False)
    listed = "\n".join(f"- `{name}`" for name in names if not name.startswith("scores/"))
    raw = "\n- `scores/`: raw scores, seeds by items" if any(name.startswith("scores/") for name in names) else ""
    return (
        f"---\n{metadata}---\n\n# {escape(what)}\n\nResults of talan-eval: scores, no questions, no answers.\n\n"
        f"{listed}{raw}\n\nSignature: `{found.signature}`\n"
    )
