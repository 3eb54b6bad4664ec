"""Every table of every format is read back and compared with the published JSON, column by column and row by row."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest

from talan_eval.comparison import ContrastSpec, Origin, StatisticsSettings, compare
from talan_eval.comparison.arms import ArmFacts
from talan_eval.report.columns import cell_columns
from talan_eval.report.context import Context, NotWorse
from talan_eval.report.layout import closing, details, overview
from talan_eval.report.table import ColumnOf, records
from talan_eval.report.view import views
from talan_eval.result.schema import FailedCell, LiveProbe, Result

from .readers import agrees, every_face, read_csv, read_terminal

RICH = StatisticsSettings(resamples=200, slices=("subject",), also=("wilcoxon", "tost"), margin=2.0)
QUICK = StatisticsSettings(resamples=200)
BY_ARM = {
    "lora": {"training_seconds": 50.0, "evaluation_seconds": 10.0, "trained_parameters": 12345, "peak_memory_bytes": 3e9},
    "talan+lora": {"training_seconds": 65.0, "evaluation_seconds": 12.5, "trained_parameters": 23456, "peak_memory_bytes": None},
    "noise+lora": {"training_seconds": 61.0, "evaluation_seconds": 11.0, "trained_parameters": 23456, "peak_memory_bytes": None},
}  # fmt: skip


def sized(by_arm):
    return {
        name: {key: int(value) if key == "peak_memory_bytes" and value else value for key, value in own.items()}
        for name, own in by_arm.items()
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
    probes = [LiveProbe(arm=arm, seed=seed, max_logit_change=1.0) for arm in ("lora", "talan+lora") for seed in range(7)]
    origin = Origin(provenance={"times": {"by_arm": sized(BY_ARM)}}, probes=probes)
    return compare(found, [ContrastSpec("lora", "talan+lora")], origin, RICH)


def many_on_two(matrices):
    found = labelled(matrices(backbones=("micro", "other")))
    contrasts = [ContrastSpec("lora", arm) for arm in ("talan+lora", "noise+lora", "dora")]
    facts = {("talan+lora", "micro"): ArmFacts("trained", (), 4321)}
    return compare(found, contrasts, Origin(provenance={"times": {"by_arm": sized(BY_ARM)}}, arms=facts), RICH)


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
    found = [
        matrix if matrix.arm == "lora" else dataclasses.replace(matrix, seeds=matrix.seeds[2:], scores=matrix.scores[2:])
        for matrix in matrices(arms={"lora": 0.0, "talan+lora": 0.1}, seeds=9)
    ]
    facts = {("talan+lora", "micro"): ArmFacts("trained", (0, 1), 99)}
    return compare(found, [ContrastSpec("lora", "talan+lora")], Origin(provenance={}, arms=facts), QUICK)


def one_seed(matrices):
    found = matrices(arms={"lora": 0.0, "talan+lora": 0.1}, seeds=1)
    return compare(found, [ContrastSpec("lora", "talan+lora")], Origin(provenance={}), QUICK)


MAKERS = (one_pair, many_on_two, mixed_pairings, diverged, one_seed)


@pytest.fixture(params=MAKERS, ids=lambda make: make.__name__)
def found(request, matrices):
    return request.param(matrices)


def path(record, *names):
    for name in names:
        record = None if record is None else record[name]
    return record


def pairs(*cells):
    """Sum lost and gained items over all seeds of some cells."""
    every = [pair for cell in cells for pair in cell["e0"]]
    return [sum(pair[name] for pair in every) for name in ("lost", "gained")] if every else None


def said_verdict(one):
    return one["verdict"] + ("*" if one["verdict_basis"] == "normality-based" else "")


def adjusted(document, one, *, mean):
    if not mean:
        return one["adjusted_p"]
    if len(document["contrasts"]) > 1:
        return one["family_p"]
    return one["adjusted_p"] if document["settings"]["variants_tried"] > 1 else None


def half(one):
    ci = path(one, "e1", "ci")
    return None if ci is None else (ci[1] - ci[0]) / 2


def main_values(document, contrast, one, *, mean=False):
    """What each column of the main table must show, from the published JSON alone."""
    cells = contrast["cells"] if mean else [one]
    return {
        "base mean": one["base_mean"],
        "treat mean": one["treat_mean"],
        "delta": one["delta"],
        "E1 95 % CI": path(one, "e1", "ci"),
        "E1 p": path(one, "e1", "p"),
        "sign-flip p": path(one, "e1", "signflip", "p"),
        "sign-flip floor": path(one, "e1", "signflip", "floor"),
        "permutation p": path(one, "e1", "permutation", "p"),
        "permutation floor": path(one, "e1", "permutation", "floor"),
        "bootstrap 95 % CI": path(one, "e1", "bootstrap", "ci"),
        "E2 95 % CI": path(one, "e2", "ci"),
        "flips lost/gained": pairs(*cells),
        "adjusted p": adjusted(document, one, mean=mean),
        "simultaneous 95 % CI": one["simultaneous_ci"],
        "MDE 80 %": one["mde80"],
        "verdict": said_verdict(one),
    }


def csv_values(document, contrast, one, level):
    mean = level == "mean"
    cells = contrast["cells"] if mean else [one]
    e1 = one["e1"]
    ends = {
        "e1": path(e1, "ci"), "bootstrap": path(e1, "bootstrap", "ci"), "e2": path(one, "e2", "ci"),
        "simultaneous": one["simultaneous_ci"],
    }  # fmt: skip
    flips = pairs(*cells) or (None, None)
    seeds = min(len(entry["seeds"]) for entry in contrast["aggregate"]["backbones"])
    return {
        "level": level, "base": contrast["base"], "treatment": contrast["treatment"], "pairing": contrast["pairing"],
        "backbone": "+".join(b["backbone"] for b in contrast["aggregate"]["backbones"]) if mean else one["backbone"],
        **{key: None if mean else one[key] for key in ("task", "slice", "metric", "n_items", "n_dropped", "k")},
        "n_seeds": seeds if mean else one["n_seeds"],
        **{key: one[key] for key in ("base_mean", "treat_mean", "delta", "adjusted_p", "mde80", "verdict", "verdict_basis")},
        **{f"{name}_{end}": None if ci is None else ci[side]
           for name, ci in ends.items() for side, end in enumerate(("lo", "hi"))},
        "e1_p": path(e1, "p"), "e1_binding": path(e1, "binding"), "e2_p": path(one, "e2", "p"),
        "signflip_p": path(e1, "signflip", "p"), "signflip_floor": path(e1, "signflip", "floor"),
        "permutation_p": path(e1, "permutation", "p"), "permutation_floor": path(e1, "permutation", "floor"),
        "bootstrap_method": path(e1, "bootstrap", "method"), "lost": flips[0], "gained": flips[1],
        "holm_p": None if mean else one["holm_p"], "maxt_p": None if mean else one["maxt_p"],
        "family_p": one["family_p"] if mean else None,
        "r": path(one, "pairedness", "correlation"), "width_ratio": path(one, "pairedness", "width_ratio"),
        "signature": document["signature"],
    }  # fmt: skip


def names_of(document, cells):
    several = len({cell["backbone"] for contrast in document["contrasts"] for cell in contrast["cells"]}) > 1
    return [f"{cell['backbone']}/{cell['task']}" if several else cell["task"] for cell in cells]


def check(rows, expected, header, where):
    """Compare rows of text with what each must show; None in expected columns that the table leaves out."""
    assert len(rows) == len(expected), where
    for row, (name, values) in zip(rows, expected, strict=True):
        assert row[0] == name, where
        for column, text in zip(header[1:], row[1:], strict=True):
            assert column in values, (where, column)
            assert agrees(text, values[column]), (where, name, column, text, values[column])
        for column, value in values.items():
            assert column in header or value is None or column in {"E2 p"}, (where, column)


def expected_tables(document):
    """What every table must show: by the contrast's place (None: of all) and key, rows of a name and values by column."""
    tables = {}
    several = len(document["contrasts"]) > 1
    for place, contrast in enumerate(document["contrasts"]):
        cells, mean = contrast["cells"], contrast["aggregate"]
        names = names_of(document, cells)
        both = list(zip(names, cells, strict=True))
        tables[place, "main"] = [
            *((name, main_values(document, contrast, cell)) for name, cell in both),
            ("mean" if place else "mean (primary)", main_values(document, contrast, mean, mean=True)),
        ]
        slices = zip(names_of(document, contrast["slices"]), contrast["slices"], strict=True)
        tables[place, "slices"] = [
            (f"{name} {cell['slice']} ({cell['n_items']})", main_values(document, contrast, cell)) for name, cell in slices
        ]
        tables[place, "pairs"] = [
            (name, {"seed": str(pair["seed"]), "delta": pair["delta"], "lost": pair["lost"], "gained": pair["gained"],
                    "McNemar p": pair["mcnemar_p"], "E0 95 % CI": pair["ci"]})
            for name, cell in both for pair in cell["e0"]
        ]  # fmt: skip
        tables[place, "items"] = [
            (name, {"item": flip["item_id"], "lost": flip["lost"], "gained": flip["gained"], "sign test p": flip["p"],
                    "adjusted p": flip["adjusted_p"]})
            for name, cell in both for flip in path(cell, "items", "flips") or () if flip["adjusted_p"] <= 0.05
        ]  # fmt: skip
        sliced = [(f"{n} {c['slice']}", c) for n, c in zip(names_of(document, contrast["slices"]), contrast["slices"], strict=True)]
        tables[place, "also"] = [
            (name, {"test": test["name"], "seed": "all" if test["seed"] is None else str(test["seed"]), "p": test["p"],
                    "CI": test["ci"], "caution": test["caution"]})
            for name, cell in (*both, *sliced, ("mean", mean)) for test in cell["also"]
        ]  # fmt: skip
        tables[place, "pairing"] = [
            (name, {"r over seeds": path(cell, "pairedness", "correlation"),
                    "width unpaired/paired": path(cell, "pairedness", "width_ratio")})
            for name, cell in (*both, ("mean" if place else "mean (primary)", mean)) if cell["pairedness"] is not None
        ]  # fmt: skip
        tables[place, "seeds"] = seed_rows(contrast, both)
        tables[place, "cross"] = cross_rows(contrast)
    tables[None, "matrix"] = matrix_rows(document) if several else []
    shown = several or any(arm["diverged"] for arm in document["arms"])
    tables[None, "arms"] = arm_rows(document) if shown else []
    tables[None, "cost"] = cost_rows(document)
    return tables


def seed_rows(contrast, both):
    if contrast["pairing"] == "independent":
        sides = ((contrast["base"], "base_seeds", "base_by_seed"), (contrast["treatment"], "seeds", "treat_by_seed"))
        return [
            (f"{name}, {arm}", {f"seed {s}": value for s, value in zip(cell[seeds], cell[values], strict=True)})
            for name, cell in both for arm, seeds, values in sides
        ]  # fmt: skip
    backbones = contrast["aggregate"]["backbones"]
    means = [(f"{b['backbone']}/mean" if len(backbones) > 1 else "mean", b) for b in backbones]
    return [
        (name, {f"seed {s}": value for s, value in zip(one["seeds"], one["deltas"], strict=True)})
        for name, one in (*both, *means)
    ]


def cross_rows(contrast):
    mean = contrast["aggregate"]
    entries = mean["backbones"]
    rows = []
    for entry in entries:
        whole = mean if len(entries) == 1 else entry
        values = {c["task"]: [c["delta"], half(c)] for c in contrast["cells"] if c["backbone"] == entry["backbone"]}
        rows.append((entry["backbone"], {**values, "mean gain": [entry["delta"], half(whole)], **counts(whole["positive"])}))
    if len(entries) > 1:
        tasks = {cell["task"]: [] for cell in contrast["cells"]}
        for cell in contrast["cells"]:
            tasks[cell["task"]].append(cell["delta"])
        values = {task: float(np.mean(deltas)) for task, deltas in tasks.items()}
        rows.append(("mean", {**values, "mean gain": [mean["delta"], half(mean)], **counts(mean["positive"])}))
    return rows


def counts(positive):
    if positive is None:
        return {"positive": None, "p by chance": None, "G1": None}
    g1 = "pass" if positive["g1"] else "no"
    return {"positive": [positive["positive"], positive["n_cells"]], "p by chance": positive["p"], "G1": g1}


class Lines(list):
    """The values of a cell of several lines."""


def matrix_rows(document):
    rows = []
    for place, contrast in enumerate(document["contrasts"]):
        name = f"{contrast['treatment']} against {contrast['base']}" + ("" if place else " (primary)")
        mean = contrast["aggregate"]
        entries = [("mean", mean), *zip(names_of(document, contrast["cells"]), contrast["cells"], strict=True)]
        rows.append((name, {
            title: Lines([[one["delta"], half(one)], adjusted(document, one, mean=one is mean), said_verdict(one)])
            for title, one in entries
        }))  # fmt: skip
    return rows


def arm_rows(document):
    rows = []
    for arm in document["arms"]:
        seeds, gone = len(arm["seeds"]), len(arm["diverged"])
        values = {
            "backbone": arm["backbone"], "kind": arm["kind"], "seeds": seeds,
            "diverged": [gone, gone + seeds] if gone else None,
            "share that diverges": None if arm["divergence_ci"] is None else [100 * end for end in arm["divergence_ci"]],
            "trained parameters": arm["trained_parameters"],
        }  # fmt: skip
        for score in arm["scores"]:
            share = score["unparsed"]
            values |= {score["task"]: score["mean"], f"unparsed {score['task']}": None if share is None else 100 * share}
        rows.append((arm["name"], values))
    return rows


def cost_rows(document):
    times = path(document["provenance"].get("times"), "by_arm")
    if times is None:
        return []
    base = times[document["primary"]["contrast"]["base"]]
    rows = []
    for name in dict.fromkeys(arm["name"] for arm in document["arms"]):
        if name not in times:
            continue
        own, trained = times[name], sum(probe["arm"] == name for probe in document["probes"]) or None
        answers = sum(
            score["n_items"] * score["k"] * len(score["seeds"])
            for arm in document["arms"] if arm["name"] == name for score in arm["scores"]
        )  # fmt: skip
        memory = own["peak_memory_bytes"]
        rows.append((name, {
            "trained parameters": own["trained_parameters"],
            "training GPU GB": None if memory is None else memory / 1e9,
            "fine-tunings": trained, "training s": own["training_seconds"],
            "s per fine-tuning": trained and own["training_seconds"] / trained,
            "training, relative": own["training_seconds"] / base["training_seconds"],
            "answers": answers, "evaluation s": own["evaluation_seconds"],
            "ms per answer": 1000 * own["evaluation_seconds"] / answers,
            "evaluation, relative": own["evaluation_seconds"] / base["evaluation_seconds"],
        }))  # fmt: skip
    return rows


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
            if key[1] in {"cross", "arms"}:
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
        assert set(values) <= set(row)
        for key, value in values.items():
            assert row[key] == ("" if value is None else str(value)), (key, value)


def test_the_terminal_shows_the_same_tables(found):
    document = json.loads(found.to_json())
    expected = {key: rows for key, rows in expected_tables(document).items() if rows}
    wanted = ["matrix", "arms"] if len(document["contrasts"]) > 1 else ["arms"]
    keys = [(None, key) for key in wanted]
    for place, contrast in enumerate(document["contrasts"]):
        keys += [(place, key) for key in ("main", "slices", "also")]
        keys += [(place, "pairs")] if len({s for cell in contrast["cells"] for s in cell["seeds"]}) == 1 else []
    keys = [key for key in keys if key in expected]
    columns = {(place, part.key): part.table.columns for place, part in parts_of(found)}
    shown = read_terminal(found, Context())
    assert len(shown) == len(keys)
    for key, (_, heading, rows) in zip(keys, shown, strict=True):
        header, wanted = [column.name for column in columns[key]], expected[key]
        for column in columns[key]:
            assert all(line in heading for line in column.header), (key, column.name)
        if key[1] == "matrix":
            wanted = flat(wanted)
            header, rows = flat_text(header, rows)
        if key[1] == "arms":
            wanted = [(name, {**dict.fromkeys(header[1:]), **values}) for name, values in wanted]
        check(rows, wanted, header, ("terminal", *key))


def test_json_reads_back_as_the_same_result(found):
    assert Result.from_json(found.to_json()) == found


def test_a_column_that_is_added_to_the_list_is_in_every_format(matrices, monkeypatch):
    found = many_on_two(matrices)
    column = ColumnOf(
        ("seeds of", "the row"), "seeds of the row", kind="count", keys=("seeds_of_row",),
        value=lambda line: None if line.cell is None else len(line.cell.seeds),
    )  # fmt: skip
    for module in ("contrast_tables", "delimited"):
        monkeypatch.setattr(f"talan_eval.report.{module}.cell_columns", lambda level: (*cell_columns(level), column))
    for face, tables in every_face(found, Context()).items():
        main = [table for table in tables if "verdict" in table.header]
        assert len(main) == 2 * len(found.contrasts), face  # with slices
        for table in main:
            assert set(table.column("seeds of the row")) <= {"7", "n/a"}, face
    assert {row["seeds_of_row"] for row in read_csv(found)} == {"7", ""}
    shown = [rows for _, heading, rows in read_terminal(found, Context()) if "the row" in heading]
    assert [row[-1] for row in shown[0]] == ["7"] * 4 + ["n/a"]


def test_no_two_columns_of_a_data_file_have_one_name(matrices):
    header, rows = records(cell_columns(""), [])
    assert len(set(header)) == len(header)
    assert rows == []


def test_a_margin_is_that_of_its_own_contrast(matrices):
    found = many_on_two(matrices)
    sizes = [len(contrast.cells) for contrast in found.contrasts]
    margins = tuple(
        NotWorse(30.0, tuple(n == place for n in range(size)), mean=place == 1) for place, size in enumerate(sizes)
    )
    for face, tables in every_face(found, Context(not_worse=margins)).items():
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
