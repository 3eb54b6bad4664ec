"""What every table must show, taken from the published JSON alone and by no code of the reports."""

from __future__ import annotations

import numpy as np


def path(record, *names):
    for name in names:
        record = None if record is None else record[name]
    return record


def pairs(*cells):
    """Sum lost and gained items over all seeds of some cells."""
    every = [pair for cell in cells for pair in cell["e0"]]
    return [sum(pair[name] for pair in every) for name in ("lost", "gained")] if every else None


MARGINS = {"no worse": "no worse than", "no better": "no better than", "equivalent": "equal within"}


def said_verdict(one):
    test = one["margin_test"]
    if one["verdict"] == "inconclusive" and test is not None and test["word"] is not None:
        return f"{MARGINS[test['word']]} {test['margin']:g}"
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
        "E0 95 % CI": path(one, "e0_mean", "ci") if one["verdict_estimand"] == "E0" else None,
        "E0 p": path(one, "e0_mean", "p") if one["verdict_estimand"] == "E0" else None,
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
        "e0": path(one, "e0_mean", "ci"), "e1": path(e1, "ci"),
        "bootstrap": path(e1, "bootstrap", "ci"), "e2": path(one, "e2", "ci"),
        "simultaneous": one["simultaneous_ci"],
    }  # fmt: skip
    flips = pairs(*cells) or (None, None)
    seeds = min(len(entry["seeds"]) for entry in contrast["aggregate"]["backbones"])
    return {
        "level": level, "base": contrast["base"], "treatment": contrast["treatment"], "pairing": contrast["pairing"],
        "backbone": "+".join(b["backbone"] for b in contrast["aggregate"]["backbones"]) if mean else one["backbone"],
        **{key: None if mean else one[key] for key in ("task", "slice", "metric", "n_items", "n_dropped", "k")},
        "n_seeds": seeds if mean else one["n_seeds"],
        **{key: one[key] for key in ("base_mean", "treat_mean", "delta", "adjusted_p", "mde80")},
        **{key: one[key] for key in ("verdict", "verdict_basis", "verdict_estimand")},
        "e0_p": path(one, "e0_mean", "p"),
        **{f"{name}_{end}": None if ci is None else ci[side]
           for name, ci in ends.items() for side, end in enumerate(("lo", "hi"))},
        "e1_p": path(e1, "p"), "e1_binding": path(e1, "binding"), "e2_p": path(one, "e2", "p"),
        "signflip_p": path(e1, "signflip", "p"), "signflip_floor": path(e1, "signflip", "floor"),
        "permutation_p": path(e1, "permutation", "p"), "permutation_floor": path(e1, "permutation", "floor"),
        "bootstrap_method": path(e1, "bootstrap", "method"), "lost": flips[0], "gained": flips[1],
        "holm_p": None if mean else one["holm_p"], "maxt_p": None if mean else one["maxt_p"],
        "family_p": one["family_p"] if mean else None,
        "r": path(one, "pairedness", "correlation"), "width_ratio": path(one, "pairedness", "width_ratio"),
        "signature": document["signature"], "unit": document["measure"]["unit"], "recipes": None,
    }  # fmt: skip


def names_of(document, cells):
    several = len({cell["backbone"] for contrast in document["contrasts"] for cell in contrast["cells"]}) > 1
    return [f"{cell['backbone']}/{cell['task']}" if several else cell["task"] for cell in cells]


def expected_tables(document):
    """Return by the contrast's place (None: of all) and key the rows: a name, and the value of each column."""
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
        parts = contrast["slices"]
        sliced = [(f"{n} {c['slice']}", c) for n, c in zip(names_of(document, parts), parts, strict=True)]
        tables[place, "slices"] = [
            (f"{name} ({cell['n_items']})", main_values(document, contrast, cell)) for name, cell in sliced
        ]
        tables[place, "pairs"] = [
            (name, {"seed": str(pair["seed"]), "delta": pair["delta"], "lost": pair["lost"], "gained": pair["gained"],
                    "sign test (McNemar) p": pair["mcnemar_p"], "E0 95 % CI": pair["ci"], "E0 p": pair["p"]})
            for name, cell in both for pair in cell["e0"]
        ]  # fmt: skip
        tables[place, "items"] = [
            (name, {"item": flip["item_id"], "lost": flip["lost"], "gained": flip["gained"], "sign test p": flip["p"],
                    "adjusted p": flip["adjusted_p"]})
            for name, cell in both for flip in path(cell, "items", "flips") or () if flip["adjusted_p"] <= 0.05
        ]  # fmt: skip
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
    chosen = document["selection"]
    tables[None, "confirmation"] = [] if chosen is None else arm_rows({"arms": chosen["arms"]})
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
        values |= {"mean gain": [entry["delta"], half(whole)], **counts(whole["positive"])}
        rows.append((entry["backbone"], values))
    if len(entries) > 1:
        tasks = {cell["task"]: [] for cell in contrast["cells"]}
        for cell in contrast["cells"]:
            tasks[cell["task"]].append(cell["delta"])
        values = {task: float(np.mean(deltas)) for task, deltas in tasks.items()}
        values |= {"mean gain": [mean["delta"], half(mean)], **counts(mean["positive"])}
        rows.append(("mean", values))
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
            "share that diverges": arm["divergence_ci"] and [100 * end for end in arm["divergence_ci"]],
            "trained parameters": arm["trained_parameters"],
        }  # fmt: skip
        for score in arm["scores"]:
            share = score["unparsed"]
            values[score["task"]] = score["mean"]
            values[f"unparsed {score['task']}"] = None if share is None else 100 * share
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
