"""What a screen and a pipe show of a comparison, in order: what is read first stands last, where the prompt comes.

How to read it, the methods and the origin of the numbers are shown to those who ask for them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from talan_eval.report import format as fmt
from talan_eval.report import methods, origin_words, wording
from talan_eval.report.contrast_tables import also_table, e0_table, main_table, slice_table
from talan_eval.report.inside_words import blocks_beside_adapters
from talan_eval.report.layout import overview
from talan_eval.report.loss_words import loss_table, loss_view
from talan_eval.report.next_steps import margin_note
from talan_eval.report.selection_words import selection

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from talan_eval.report.table import Table
    from talan_eval.report.view import View
    from talan_eval.result.schema import Result

EXPLAIN: Final = "--explain"
"""The option that asks for the rest."""


@dataclass(frozen=True)
class Sentence:
    """One paragraph.

    Attributes:
        text: It.
        style: "bold" for what was found, "dim" for what identifies it, "alarm" for what must not be overlooked.
        apart: Whether an empty line stands before it.
    """

    text: str
    style: str = ""
    apart: bool = False


@dataclass(frozen=True)
class Glossary:
    """Paragraphs with labels."""

    notes: tuple[wording.Note, ...]


@dataclass(frozen=True)
class TableShown:
    """A table.

    Attributes:
        table: It.
        whole: Whether every column counts: where the width does not suffice, it goes on below.
    """

    table: Table
    whole: bool = False


@dataclass(frozen=True)
class Signed:
    """The signature.

    Attributes:
        shown: What there is room for on a screen.
        whole: All of it, where a line may be long.
    """

    shown: str
    whole: str


@dataclass(frozen=True)
class Hint:
    """Where the rest is; who shows it knows how much was left out."""


Piece = Sentence | Glossary | TableShown | Signed | Hint


def screen(views: Sequence[View], *, explain: bool) -> tuple[Piece, ...]:
    """Return what is shown of a result.

    Args:
        views: Its contrasts.
        explain: Whether to add how to read it, methods, and where the numbers come from.
    """
    return tuple(_pieces(views, explain=explain))


def _pieces(views: Sequence[View], *, explain: bool) -> Iterator[Piece]:
    first = views[0]
    result = first.result
    if explain:
        yield Glossary((*wording.notes(views), *margin_note(views)))
        yield Sentence(methods.paragraph(result), apart=True)
        yield from _origin(result)
    if result.warnings:
        yield Glossary(tuple(wording.Note("!", warning) for warning in result.warnings))
    if cautions := wording.cautions(views):
        yield Glossary(cautions)
    yield _stamp(result)
    yield Signed(result.signature if explain else origin_words.short_signature(result), result.signature)
    if not explain:
        yield Hint()
    yield from _tables(views, explain=explain)
    yield Sentence(wording.headline(first), "bold", apart=True)
    if not first.several and (sentence := wording.per_benchmark(first)):
        yield Sentence(sentence)


def _tables(views: Sequence[View], *, explain: bool) -> Iterator[Piece]:
    """Yield the tables: those of each contrast, the main one last, then those about all."""
    about_all = {part.key: part.table for part in overview(views)}
    if "arms" in about_all:
        yield TableShown(about_all["arms"], whole=True)
    for view in views:
        beside = [slice_table(view), also_table(view)]
        if len(view.contrast.seeds) == 1:  # all there is to say
            beside.append(e0_table(view))
        if explain:
            beside.append(loss_table(view))
        elif said := _loss_in_short(view):
            yield Sentence(said, apart=True)
        yield from (TableShown(table) for table in beside if table.rows)
        yield TableShown(main_table(view))
    for sentence in selection(views[0].result):
        yield Sentence(sentence, apart=True)
    yield from (TableShown(about_all[key], whole=True) for key in ("confirmation", "matrix") if key in about_all)


def _origin(result: Result) -> Iterator[Sentence]:
    texts = (origin_words.unparsed(result), origin_words.live_probe(result), *blocks_beside_adapters(result))
    yield from (Sentence(text, apart=place == 0) for place, text in enumerate(filter(None, texts)))
    yield Sentence(f"Provenance: {origin_words.provenance_summary(result)}", "dim")


def _stamp(result: Result) -> Sentence:
    text = origin_words.sandbox_stamp(result)
    return Sentence(text, "alarm" if text.startswith("UNSANDBOXED") else "")


def _loss_in_short(view: View) -> str:
    """Say what the held-out loss shows on average; empty where it was not measured or allows no interval."""
    found = loss_view(view)
    if found is None or found.mean.e1 is None or found.mean.delta is None:
        return ""
    which = f" of {view.contrast.name}" if view.several else ""
    return (
        f"Held-out loss{which}, less is better: {fmt.change(found.mean.delta, found.unit)} {found.unit} per token "
        f"(E1 {fmt.percent(1 - view.alpha)} CI {fmt.interval(found.mean.e1.ci)}), {found.mean.verdict}. Its table: "
        f"{EXPLAIN}"
    )
