"""``talan-eval push``: scores into a model card, results into a dataset of the Hub, numbers into MLflow."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - typer reads the annotations at run time
from typing import TYPE_CHECKING, Annotated

import typer

from talan_core.errors import UserError
from talan_eval.cli.help import examples
from talan_eval.cli.output import say

if TYPE_CHECKING:
    from collections.abc import Sequence

    from talan_eval.pipeline.publish import Upload

EXAMPLES = examples(
    "talan-eval push results/NAME --model me/my-adapter",
    "talan-eval push results/NAME --model me/my-adapter --dataset me/my-results --yes",
    "talan-eval push results/NAME --mlflow --yes",
)


def command(
    result: Annotated[Path, typer.Argument(help="result.json, or the directory of a comparison or an evaluation.")],
    model: Annotated[
        str | None, typer.Option(help="Repository whose model card gets the scores.", metavar="OWNER/NAME")
    ] = None,
    dataset: Annotated[
        str | None, typer.Option(help="Repository of results: JSON, tables, raw scores.", metavar="OWNER/NAME")
    ] = None,
    mlflow: Annotated[
        bool, typer.Option("--mlflow", help="Send the numbers to MLflow too, where MLFLOW_TRACKING_URI says.")
    ] = False,
    public: Annotated[
        bool, typer.Option("--public", help="Create repositories that are not there as public ones.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Send it; without it what would be sent is only listed.")] = False,
) -> None:
    """List what would be published, and publish it with --yes.

    The card keeps what others wrote into it: our section and our entry of the model-index (scores with intervals) are
    renewed. Scores, intervals, settings and signatures are sent, no questions and no answers.
    """
    from talan_eval.pipeline.publish import read_published, send, uploads  # noqa: PLC0415 - --help must not wait for it

    if model is None and dataset is None and not mlflow:
        raise UserError("Nothing says where to push.", "Type --model OWNER/NAME, --dataset OWNER/NAME or --mlflow")
    found = read_published(result)
    parts = uploads(found, result, model, dataset)
    _list(parts, mlflow=mlflow, public=public)
    if not yes:
        say("Nothing was sent. Type the same with --yes to send it.\n")
        return
    for upload in parts:
        say(f"Written: {send(upload, public=public)}\n")
    if mlflow:
        from talan_eval.trackers import reporter_named, send_published  # noqa: PLC0415 - as above

        send_published(found, reporter_named("mlflow"))
        say("Sent to MLflow.\n")


def _list(parts: Sequence[Upload], *, mlflow: bool, public: bool) -> None:
    for upload in parts:
        how = "public" if public else "private"
        say(f"{upload.kind} {upload.repository} ({how} if it is created now):\n")
        shown = [name for name in upload.files if not name.startswith("scores/")]
        for name in shown:
            say(f"  {name} ({len(upload.files[name]):,} bytes)\n")
        if len(shown) < len(upload.files):
            say(f"  scores/ ({len(upload.files) - len(shown)} files)\n")
    if mlflow:
        say("MLflow: a run for each contrast, or for the arm, with its numbers\n")
