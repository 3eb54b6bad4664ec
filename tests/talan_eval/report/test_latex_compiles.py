"""The tables through a real LaTeX, with names that try to break them."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from talan_eval.report import latex, methods
from talan_eval.result.margins import within_margin
from talan_eval.result.reading import read_result

pytestmark = pytest.mark.latex
NAMES = [
    "gsm8k_micro",
    r"\input{/etc/passwd}",
    r"50% & $x_1^2$ #1 ~ {a} \\ [b]",
    "`` -- '' \"q\" <x> | *",
    "Größe Ω 😀 \ud800 ñ Ł",
    "*[2cm]",
]


def test_the_tables_compile(many, tmp_path):
    if shutil.which("latexmk") is None:
        pytest.skip("needs LaTeX: apt-get install latexmk texlive-latex-recommended texlive-latex-extra")
    found = many(tasks=tuple(f"task{n}" for n in range(len(NAMES))))
    contrasts = []
    for contrast in found.contrasts:
        cells = tuple(one.model_copy(update={"task": name}) for one, name in zip(contrast.cells, NAMES, strict=True))
        contrasts.append(contrast.model_copy(update={"cells": cells, "treatment": r"\undefined{}"}))
    changes = {"contrasts": tuple(contrasts), "signature": f"{found.signature}|{NAMES[2]}"}
    found = found.model_copy(update=changes)
    (tmp_path / "tables.tex").write_text(latex.render(within_margin(found, 30)), "ascii")
    (tmp_path / "methods.tex").write_text(methods.latex_paragraph(found), "ascii")
    (tmp_path / "references.bib").write_text(methods.bibliography(found), "ascii")
    (tmp_path / "paper.tex").write_text(
        "\\documentclass{article}\\usepackage[T1]{fontenc}\\usepackage{booktabs,textcomp}\\begin{document}\n"
        "\\input{methods}\n\\input{tables}\n\\bibliographystyle{plain}\\bibliography{references}\\end{document}\n"
    )
    done = subprocess.run(
        ["latexmk", "-pdf", "-halt-on-error", "-interaction=nonstopmode", "paper.tex"],  # noqa: S607 - the system's
        cwd=tmp_path, capture_output=True, text=True, errors="replace", check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:]
    log = (tmp_path / "paper.log").read_text("latin-1")
    assert "undefined" not in log.replace(r"\undefined", "").lower().replace("undefined{}", "")
    assert (tmp_path / "paper.pdf").stat().st_size > 20_000


# text width, column width in inches, columns: as in the style files of NeurIPS and of ACL
PAGES = {"neurips": (5.5, 5.5, 1), "acl": (6.3, 3.03, 2)}


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("name", ["micro_lora_vs_talan+lora", "smollm2-135m_lora_vs_talan+lora"])
def test_no_table_of_a_committed_result_is_wider_than_the_page(name, page, tmp_path):
    if shutil.which("latexmk") is None:
        pytest.skip("needs LaTeX: apt-get install latexmk texlive-latex-recommended texlive-latex-extra")
    found = read_result(Path(__file__).parents[3] / "results" / name)
    (tmp_path / "tables.tex").write_text(latex.render(found), "ascii")
    compiled(tmp_path, page, "\\input{tables}")
    log = (tmp_path / "paper.log").read_text("latin-1")
    too_wide = [float(points) for points in re.findall(r"Overfull .hbox \(([\d.]+)pt too wide", log)]
    assert [points for points in too_wide if points > 1] == []


def test_a_table_that_is_too_wide_would_be_seen(tmp_path):
    if shutil.which("latexmk") is None:
        pytest.skip("needs LaTeX: apt-get install latexmk texlive-latex-recommended texlive-latex-extra")
    compiled(tmp_path, "acl", "\\begin{tabular}{l}" + "wide " * 60 + "\\end{tabular}")
    assert "Overfull" in (tmp_path / "paper.log").read_text("latin-1")


def compiled(place, page, body):
    width, column, columns = PAGES[page]
    options = "twocolumn," if columns > 1 else ""
    sep = f"\\setlength{{\\columnsep}}{{{width - 2 * column}in}}" if columns > 1 else ""
    (place / "paper.tex").write_text(
        f"\\documentclass[{options}10pt]{{article}}\\usepackage[T1]{{fontenc}}\\usepackage{{booktabs,textcomp}}\n"
        f"\\usepackage[textwidth={width}in,textheight=9in]{{geometry}}{sep}\\begin{{document}}\n{body}\n"
        "\\end{document}\n"
    )
    done = subprocess.run(
        ["latexmk", "-pdf", "-halt-on-error", "-interaction=nonstopmode", "paper.tex"],  # noqa: S607 - the system's
        cwd=place, capture_output=True, text=True, errors="replace", check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:]
