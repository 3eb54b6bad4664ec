"""Every table of every format is read back and compared with the published JSON, column by column and row by row."""

from __future__ import annotations

import dataclasses
import json

import pytest

from talan_eval.comparison import ContrastSpec, Origin, StatisticsSettings, compare
from talan_eval.comparison.arm_records import ArmFacts
from talan_eval.report import latex
from talan_eval.report.columns import cell_columns
from talan_eval.report.context import Context
from talan_eval.report.layout import closing, details, overview
from talan_eval.report.table import ColumnOf, records
from talan_eval.report.view import views
from talan_eval.result.evidence import MarginTest
from talan_eval.result.margins import ContrastMargins, with_margins
from talan_eval.result.schema import FailedCell, LiveProbe, Result

from .expected import csv_values, expected_tables
from .readers import agrees, every_face, latex_tables, read_csv, read_latex, read_pipe, read_terminal

RICH = StatisticsSettings(resamples=200, slices=("subject",), also=("wilcoxon", "tost"), margin=2.0)
QUICK = StatisticsSettings(resamples=200)
NOWHERE = Origin(provenance={})
COSTS = ("training_seconds", "evaluation_seconds", "trained_parameters", "peak_memory_bytes")
BY_ARM = {
    "lora": dict(zip(COSTS, (50.0, 10.0, 12_345, 3_000_000_000), strict=True)),
    "talan+lora": dict(zip(COSTS, (65.0, 12.5, 23_456, None), strict=True)),
    "noise+lora": dict(zip(COSTS, (61.0, 11.0, 23_457, None), strict=True)),
}


def labelled(found):
    """Give the items of score matrices a label to slice by, clusters of systematic items and unparsed answers."""
    made = []
    for matrix in found:
        size = len(matrix.items.item_ids)
        items = dataclasses.replace(matrix.items, labels={"subject": tuple("ab"[n % 2] for n in range(size))})
        scores = matrix.scores.copy()
        scores[:, 0] = float(matrix.arm != "lora")  # an item that one arm always loses
        shares = tuple(0.01 * (len(matrix.arm) + seed) for seed in matrix.seeds)
        made.append(dataclasses.replace(matrix, items=items, scores=scores, unparsed=shares))
    return made


def one_pair(matrices):
    found = labelled(matrices(arms={"lora": 0.0, "talan+lora": 0.1}))
    probes = [
        LiveProbe(arm=arm, seed=seed, max_logit_change=1.0) for arm in ("lora", "talan+lora") for seed in range(7)
    ]
    origin = Origin(provenance={"times": {"by_arm": BY_ARM}}, probes=probes)
    return compare(found, [ContrastSpec("lora", "talan+lora")], origin, RICH)


def many_on_two(matrices):
    found = labelled(matrices(backbones=("micro", "other")))
    contrasts = [ContrastSpec("lora", arm) for arm in ("talan+lora", "noise+lora", "dora")]
    facts = {("talan+lora", "micro"): ArmFacts("trained", (), 4321)}
    return compare(found, contrasts, Origin(provenance={"times": {"by_arm": BY_ARM}}, arms=facts), RICH)


def confirmed_best(matrices):
    found = compare(labelled(matrices()), [ContrastSpec("lora", arm) for arm in ("dora", "noise+lora")], NOWHERE, QUICK)
    fresh = compare(labelled(matrices(seeds=5)), [ContrastSpec("lora", "dora")], NOWHERE, QUICK)
    chosen = found.selection.model_copy(
        update={
            "confirmation_seeds": tuple(range(5)),
            "confirmed": fresh.contrasts[0].aggregate,
            "arms": fresh.arms[:2],
        }
    )
    return found.model_copy(update={"selection": chosen})


def mixed_pairings(matrices):
    """A base without seeds, independent seeds of unequal number, and a paired contrast, in one family."""
    found = []
    for matrix in matrices(seeds=8):
        rows = {"lora": 1, "dora": 5}.get(matrix.arm, 8)
        seeds = tuple(range(20, 25)) if matrix.arm == "dora" else tuple(range(rows))
        found.append(dataclasses.replace(matrix, seeds=seeds, scores=matrix.scores[:rows]))
    contrasts = [
        ContrastSpec("lora", "talan+lora", "fixed"),
        ContrastSpec("noise+lora", "dora", "independent"),
        ContrastSpec("noise+lora", "talan+lora", "paired"),
    ]
    return compare(found, contrasts, Origin(provenance={}), QUICK)


def diverged(matrices):
    found = matrices(arms={"lora": 0.0, "talan+lora": 0.1}, seeds=9)
    for place, matrix in enumerate(found):
        if matrix.arm != "lora":
            found[place] = dataclasses.replace(matrix, seeds=matrix.seeds[2:], scores=matrix.scores[2:])
    facts = {("talan+lora", "micro"): ArmFacts("trained", (0, 1), 99)}
    return compare(found, [ContrastSpec("lora", "talan+lora")], Origin(provenance={}, arms=facts), QUICK)


def one_seed(matrices):
    found = matrices(arms={"lora": 0.0, "talan+lora": 0.1}, seeds=1)
    return compare(found, [ContrastSpec("lora", "talan+lora")], Origin(provenance={}), QUICK)


MAKERS = (one_pair, many_on_two, confirmed_best, mixed_pairings, diverged, one_seed)


@pytest.fixture(params=MAKERS, ids=lambda make: make.__name__)
def found(request, matrices):
    return request.param(matrices)


def check(rows, expected, header, where):
    """Compare rows of text with what each must show; None in expected columns that the table leaves out."""
    assert len(rows) == len(expected), where
    for row, (name, values) in zip(rows, expected, strict=True):
        assert row[0] == name, where
        for column, text in zip(header[1:], row[1:], strict=True):
            assert column in values, (where, column)
            assert agrees(text, values[column]), (where, name, column, text, values[column])
        for column, value in values.items():
            assert column in header or value is None, (where, column)


def flat(rows):
    """Split cells of several lines into one column a line, in text and in what it must show."""
    return [
        (name, {f"{title}, line {line}": value for title, lines in values.items() for line, value in enumerate(lines)})
        for name, values in rows
    ]


def flat_text(header, rows):
    names = [header[0], *(f"{title}, line {line}" for title in header[1:] for line in range(3))]
    return names, [(row[0], *(line for text in row[1:] for line in text.split("\n"))) for row in rows]


def parts_of(result, context=None):
    every = views(result, Context() if context is None else context)
    yield from ((None, part) for part in overview(every))
    for view in every:
        yield from ((view.place, part) for part in details(view))
    yield from ((None, part) for part in closing(result))


def test_every_column_of_every_row_is_the_results_number_in_every_format(found):
    document = json.loads(found.to_json())
    expected = {key: rows for key, rows in expected_tables(document).items() if rows}
    order = [(place, part.key) for place, part in parts_of(found)]
    assert set(order) == set(expected)
    for face, tables in every_face(found, Context()).items():
        # the page folds details below the rest of their contrast
        titles = {part.table.title: (place, part.key) for place, part in parts_of(found)}
        assert len(titles) == len(order)
        assert sorted(table.title for table in tables) == sorted(titles), face
        for table in tables:
            key = titles[table.title]
            header, rows, wanted = list(table.header), table.rows, expected[key]
            if key[1] == "matrix":
                wanted = flat(wanted)
                header, rows = flat_text(header, rows)
            if key[1] == "seeds":  # a seed that a benchmark lacks has a column and no value
                wanted = [(name, {title: values.get(title) for title in header[1:]}) for name, values in wanted]
            if key[1] in {"cross", "arms", "confirmation"}:
                wanted = [(name, {**dict.fromkeys(header[1:]), **values}) for name, values in wanted]
            check([tuple(row) for row in rows], wanted, header, (face, *key))


def test_the_csv_holds_every_number_at_full_precision(found):
    document = json.loads(found.to_json())
    expected = []
    for contrast in document["contrasts"]:
        expected += [csv_values(document, contrast, cell, "cell") for cell in contrast["cells"]]
        expected += [csv_values(document, contrast, cell, "slice") for cell in contrast["slices"]]
        expected.append(csv_values(document, contrast, contrast["aggregate"], "mean"))
    rows = read_csv(found)
    assert len(rows) == len(expected)
    for row, values in zip(rows, expected, strict=True):
        assert set(values) == set(row)
        for key, value in values.items():
            assert row[key] == ("" if value is None else str(value)), (key, value)


def test_the_terminal_shows_the_same_tables(found):
    document = json.loads(found.to_json())
    expected = {key: rows for key, rows in expected_tables(document).items() if rows}
    keys = [(None, "arms")]  # what is read first stands last
    for place, contrast in enumerate(document["contrasts"]):
        pairs = ["pairs"] if len({s for cell in contrast["cells"] for s in cell["seeds"]}) == 1 else []
        keys += [(place, key) for key in ("slices", "also", *pairs, "main")]
    keys += [(None, key) for key in ("confirmation", "matrix")]
    keys = [key for key in keys if key in expected]
    columns = {(place, part.key): part.table.columns for place, part in parts_of(found)}
    for face, read in (("terminal", read_terminal), ("pipe", read_pipe)):
        _compared(read(found), keys, columns, expected, face)


def _compared(shown, keys, columns, expected, face):
    assert len(shown) == len(keys), face
    for key, (_, heading, found_rows) in zip(keys, shown, strict=True):
        header, rows, wanted = [column.name for column in columns[key]], found_rows, expected[key]
        for column in columns[key]:
            named = column.header if face == "terminal" else (column.name,)
            assert all(line in heading for line in named), (face, key, column.name)
        if key[1] == "matrix":
            wanted = flat(wanted)
            header, rows = flat_text(header, rows)
        if key[1] in {"arms", "confirmation"}:
            wanted = [(name, {**dict.fromkeys(header[1:]), **values}) for name, values in wanted]
        check(rows, wanted, header, (face, *key))


def test_the_table_for_a_paper_has_few_columns_the_same_numbers_and_says_what_was_tested(found):
    text = latex.render(found)
    papers = latex_tables(text.partition("% ---- Appendix")[0])
    whole = {table.title: table for table in read_latex(text)}
    assert len(papers) == len(found.contrasts)
    for paper, contrast in zip(papers, found.contrasts, strict=True):
        assert paper.header[0] == "benchmark"
        assert paper.header[-1] == "verdict"
        assert 5 <= len(paper.header) <= 8
        full = next(table for title, table in whole.items() if paper.title.startswith(f"{title}. Estimand: "))
        for name in paper.header:
            assert paper.column(name) == full.column(name)
        for word in (
            contrast.aggregate.verdict_estimand, f"{len(contrast.seeds)} {contrast.pairing} training seed",
            f"{contrast.cells[0].n_items}", found.primary.family_hash,
        ):  # fmt: skip
            assert word in paper.title


def test_no_table_of_a_paper_is_shrunk(found):
    assert "resizebox" not in latex.render(found)


def test_json_reads_back_as_the_same_result(found):
    assert Result.from_json(found.to_json()) == found


def test_a_column_that_is_added_to_the_list_is_in_every_format(matrices, monkeypatch):
    found = many_on_two(matrices)
    column = ColumnOf(
        ("seeds of", "the row"), "seeds of the row", kind="count", keys=("seeds_of_row",),
        value=lambda line: None if line.cell is None else len(line.cell.seeds),
    )  # fmt: skip
    for module in ("contrast_tables", "delimited"):
        monkeypatch.setattr(
            f"talan_eval.report.{module}.cell_columns",
            lambda level, unit="points": (*cell_columns(level, unit), column),
        )
    for face, tables in every_face(found, Context()).items():
        main = [table for table in tables if "verdict" in table.header]
        assert len(main) == 2 * len(found.contrasts), face  # with slices
        for table in main:
            assert set(table.column("seeds of the row")) <= {"7", "n/a"}, face
    assert {row["seeds_of_row"] for row in read_csv(found)} == {"7", ""}
    for read in (read_terminal, read_pipe):
        shown = [rows for _, heading, rows in read(found) if "the row" in heading and len(rows) == 5]
        assert [row[-1] for row in shown[0]] == ["7"] * 4 + ["n/a"]


def test_no_two_columns_of_a_data_file_have_one_name():
    header, rows = records(cell_columns(""), [])
    assert len(set(header)) == len(header)
    assert rows == []


def test_a_margin_is_that_of_its_own_contrast(matrices):
    found = many_on_two(matrices)
    sizes = [len(contrast.cells) for contrast in found.contrasts]
    tests = {
        word: MarginTest(margin=30.0, p_not_worse=None, p_not_better=None, word=word) for word in ("no worse", None)
    }
    margins = tuple(
        ContrastMargins(
            tests["no worse" if place == 1 else None],
            tuple(tests["no worse" if n == place else None] for n in range(size)),
        )
        for place, size in enumerate(sizes)
    )
    found = found.model_copy(update={"contrasts": with_margins(found.contrasts, margins)})
    for face, tables in every_face(found, Context()).items():
        main = [table for table in tables if "verdict" in table.header and "mean" in table.rows[-1][0]]
        for place, (table, contrast) in enumerate(zip(main, found.contrasts, strict=True)):
            verdicts = table.column("verdict")
            for n, cell in enumerate(contrast.cells):
                replaced = n == place and cell.verdict == "inconclusive"
                assert (verdicts[n] == "no worse than 30") == replaced, face
            assert (verdicts[-1] == "no worse than 30") == (place == 1 and contrast.aggregate.verdict == "inconclusive")


def test_a_failed_evaluation_leaves_counts_out_of_the_cost(matrices):
    found = one_pair(matrices)
    failed = FailedCell(arm="lora", seed=7, task="gsm8k_micro", reason="no memory")
    (part,) = closing(found.model_copy(update={"failed_cells": (failed,)}))
    names = [column.name for column in part.table.columns]
    for row in part.table.texts():
        assert row[names.index("answers")] == row[names.index("s per fine-tuning")] == "n/a"
