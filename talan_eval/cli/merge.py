"""``talan-eval merge``: what several machines computed of one experiment, put together."""

from __future__ import annotations

from pathlib import Path

from talan_eval.cli.displayed import show_result, show_scores
from talan_eval.cli.help import examples
from talan_eval.cli.output import note, terminal
from talan_eval.report.clean import one_line
from talan_eval.requests.commands import command_of
from talan_eval.requests.merge import MergeRequest

DOC = """Put the results of several machines together: other seeds, arms or benchmarks of one experiment.

Whatever makes two results different experiments (backbone, recipe, questions, settings, versions) is refused by name,
and so are answers to one question that differ. Evaluations and checkpoints are linked or copied into --out, nothing is
asked or trained again; compare with the options of all of them goes on from there.
"""
EXAMPLES = examples(
    "talan-eval merge results/NEW results/OLD --out results/BOTH",
    "talan-eval merge node1/results/NAME node2/results/NAME node3/results/NAME --out results/NAME",
)


def perform(request: MergeRequest) -> None:
    """Merge, write the reports and print the table."""
    from talan_eval.pipeline.merge import merge  # noqa: PLC0415 - --help must not wait for it
    from talan_eval.result.schema import Result  # noqa: PLC0415 - as above

    merged = merge(tuple(Path(place) for place in request.results), request)
    for text in merged.notes:
        note(f"Note: {one_line(text)}\n")
    console = terminal()
    console.print(
        f"Written to {request.out}: report.md, result.json, manifest.json, samples/", markup=False, soft_wrap=True
    )
    if isinstance(merged.document, Result):
        show_result(console, merged.document, explain=request.explain)
    else:
        show_scores(console, merged.document, explain=request.explain)


command = command_of(MergeRequest, perform, DOC)
