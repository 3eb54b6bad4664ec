"""The tables through a real LaTeX, with names that try to break them."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from talan_eval.report import latex, methods
from talan_eval.result.margins import within_margin

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
        "\\documentclass{article}\\usepackage[T1]{fontenc}\\usepackage{booktabs,graphicx,textcomp}\\begin{document}\n"
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
