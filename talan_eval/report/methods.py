"""The methods paragraph for a paper, and its references as BibTeX."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from talan_eval.report import format as fmt
from talan_eval.report.clean import one_line
from talan_eval.report.latex import escape
from talan_eval.report.recipe_words import recipe
from talan_eval.report.selection_words import selection
from talan_eval.report.view import View
from talan_eval.report.wording import named_seeds

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from talan_eval.result.schema import Contrast, Method, Pairing, Result

_WHERE: Final[Mapping[str, str]] = {
    "mcnemar": "journal = {Psychometrika}, volume = {12}, number = {2}, pages = {153--157}",
    "mcnemar-midp": "journal = {BMC Medical Research Methodology}, volume = {13}, pages = {91}",
    "item-t": "journal = {Biometrika}, volume = {6}, number = {1}, pages = {1--25}",
    "bonett-price": "journal = {Journal of Educational and Behavioral Statistics}, volume = {37}, number = {4}, "
    "pages = {479--488}",
    "cluster-robust": "journal = {Biometrika}, volume = {73}, number = {1}, pages = {13--22}",
    "guarded-t": "journal = {Biometrika}, volume = {6}, number = {1}, pages = {1--25}",
    "welch-satterthwaite": "journal = {Biometrika}, volume = {34}, pages = {28--35}",
    "welch": "journal = {Biometrika}, volume = {34}, pages = {28--35}",
    "permutation": "journal = {Statistics and Probability Letters}, volume = {36}, number = {1}, pages = {9--21}",
    "arm-permutation": "publisher = {Wiley}",
    "simultaneous": "publisher = {Wiley}",
    "sign-flip": "publisher = {Oliver and Boyd}, address = {Edinburgh}",
    "hartigan": "journal = {Journal of the American Statistical Association}, volume = {64}, pages = {1303--1317}",
    "bootstrap-t": "journal = {The Annals of Statistics}, volume = {7}, number = {1}, pages = {1--26}",
    "percentile": "journal = {The Annals of Statistics}, volume = {7}, number = {1}, pages = {1--26}",
    "item-bootstrap": "journal = {The Annals of Statistics}, volume = {7}, number = {1}, pages = {1--26}",
    "expanded-percentile": "journal = {The American Statistician}, volume = {69}, number = {4}, pages = {371--386}",
    "basic": "publisher = {Cambridge University Press}",
    "bca": "journal = {Journal of the American Statistical Association}, volume = {82}, pages = {171--185}",
    "guarded-crossed": "journal = {Biometrics Bulletin}, volume = {2}, number = {6}, pages = {110--114}",
    "pigeonhole": "journal = {The Annals of Applied Statistics}, volume = {1}, number = {2}, pages = {386--411}",
    "holm": "journal = {Scandinavian Journal of Statistics}, volume = {6}, number = {2}, pages = {65--70}",
    "max-t": "publisher = {Wiley}",
    "benjamini-hochberg": "journal = {Journal of the Royal Statistical Society, Series B}, volume = {57}, "
    "number = {1}, pages = {289--300}",
    "benjamini-yekutieli": "journal = {The Annals of Statistics}, volume = {29}, number = {4}, pages = {1165--1188}",
    "tost": "journal = {Journal of Pharmacokinetics and Biopharmaceutics}, volume = {15}, number = {6}, "
    "pages = {657--680}",
    "item-sign-test": "journal = {Biometrics}, volume = {46}, number = {2}, pages = {515--522}",
    "bonferroni": "journal = {Journal of the American Statistical Association}, volume = {56}, pages = {52--64}",
    "iqm,poi": "booktitle = {Advances in Neural Information Processing Systems}, volume = {34}",
    "wilcoxon": "journal = {Biometrics Bulletin}, volume = {1}, number = {6}, pages = {80--83}",
    "cmh": "journal = {Journal of the National Cancer Institute}, volume = {22}, number = {4}, pages = {719--748}",
}
_T: Final[Mapping[Pairing, str]] = {
    "paired": "a paired t over seeds",
    "fixed": "a one-sample t over seeds",
    "independent": "Welch's t over seeds",
}
_CODE: Final[Mapping[Pairing, str]] = {"paired": "guarded-t", "fixed": "guarded-t", "independent": "welch"}
_KINDS: Final = {"journal": "article", "publisher": "book", "booktitle": "inproceedings"}
_SMALL: Final = frozenset({"", "a", "an", "the", "on"})
_REFERENCE: Final = re.compile(r"(?P<authors>.+?) \((?P<year>\d{4})\)\. (?P<title>[^;]+?)\.?(?:; .*)?$")


def paragraph(result: Result) -> str:
    """Return the methods paragraph in plain text, with authors and years in brackets."""
    return _paragraph(result, one_line, lambda method: f"({_short(method)})") + "\n"


def latex_paragraph(result: Result) -> str:
    r"""Return the methods paragraph in LaTeX, with ``\cite`` keys of ``bibliography``."""
    keys = _keys(result)

    def cite(method: Method) -> str:
        return f"\\cite{{{keys[method.code]}}}" if method.code in keys else ""

    return _paragraph(result, escape, cite) + "\n"


def bibliography(result: Result) -> str:
    """Return the references of the methods that the result used as BibTeX, each once."""
    keys, entries = _keys(result), {}
    for method in result.methods:
        match = _REFERENCE.fullmatch(method.reference)
        if match is None or method.code not in keys:
            continue
        where = _WHERE.get(method.code, "")
        kind = _KINDS.get(where.split(" ", 1)[0], "misc")
        fields = [
            f"author = {{{_authors(match['authors'])}}}",
            f"title = {{{{{escape(match['title'])}}}}}",
            f"year = {{{match['year']}}}",
            *([where.replace("}, ", "},\n  ")] if where else []),
        ]
        entries[keys[method.code]] = f"@{kind}{{{keys[method.code]},\n  " + ",\n  ".join(fields) + "\n}\n"
    return "\n".join(entries[key] for key in sorted(entries))


def _paragraph(result: Result, text: Callable[[str], str], cite: Callable[[Method], str]) -> str:
    methods = {method.code: method for method in result.methods}

    def ref(code: str) -> str:
        said = cite(methods[code]) if code in methods else ""
        return f" {said}" if said else ""

    first = View(result)
    of_seeds = _of_seeds if result.primary.estimand == "E1" else _of_checkpoints
    parts = [text(_compared(first))]
    parts += [text(f"{sentence} ") for sentence in recipe(result)]
    parts += [text(sentence) for sentence in _pairing(result)]
    parts += [said for code, words in of_seeds(first, methods) for said in (text(words), ref(code)) if said]
    if result.settings.variants_tried > 1:
        tried = result.settings.variants_tried
        parts += [text(f"p-values were multiplied by the {tried} variants tried"), ref("bonferroni"), text(". ")]
    parts += [text(f"{sentence} ") for sentence in selection(result)]
    parts.append(text(f"Signature: {result.signature}."))
    return "".join(_glued(parts))


_Said = tuple[str, str]
"""A reference's code and the words before it; no code for no reference."""


def _of_seeds(view: View, methods: Mapping[str, Method]) -> Iterator[_Said]:
    """Yield what was tested about re-training; nothing that so few seeds left out."""
    result, mean = view.result, view.mean
    if mean.e1 is None or mean.verdict == "not estimable":
        seeds = fmt.count(len(view.contrast.seeds), "training seed")
        yield "", f"With {seeds} nothing was tested about re-training. "
        return
    yield "", _primary(view)
    yield _CODE[view.contrast.pairing], f"{_T[view.contrast.pairing]}"
    yield "", " whose standard error is guarded against a seed spread that is small by luck"
    if mean.e1.signflip is not None and mean.e1.signflip.floor < view.alpha:
        yield "sign-flip", ", and an exact sign-flip test must agree"
    yield "", f". Intervals are {fmt.percent(1 - view.alpha)} intervals. "
    cells = [cell for one in result.contrasts for cell in (*one.cells, *one.slices)]
    if "holm" in methods and any(cell.adjusted_p is not None for cell in cells):
        yield "holm", f"{_all_cells(result)} were tested one by one with Holm's correction"
        if "max-t" in methods and any(cell.maxt_p is not None for cell in cells):
            yield "max-t", " and the joint sign-flip max-T"
            yield "", "; the larger p decides"
        yield "", ". "
    if view.several:
        yield "", "The means of all contrasts were adjusted among each other in the same way. "
    if "guarded-crossed" in methods:
        yield "guarded-crossed", "Intervals for new items use crossed random effects"
        yield "", ". "


def _of_checkpoints(view: View, methods: Mapping[str, Method]) -> Iterator[_Said]:
    """Yield what was tested about one pair of checkpoints."""
    found = view.mean.e0_mean
    if found is None:
        yield "", "Nothing was tested. "
        return
    scope = "With one training seed the verdict is about this pair of checkpoints on items of this kind, and says "
    yield "", f"{scope}nothing about re-training. {_primary(view)}"
    if found.method == "table":
        yield "bonett-price", "the adjusted Wald test of the items lost and gained"
        yield "mcnemar-midp", " and the conditional mid-p test"
        yield "", ", of which the weaker counts for p and interval alike"
    elif found.method == "t":
        yield "item-t", "a paired t over items"
    elif found.method == "clusters":
        yield "cluster-robust", "a t over clusters of items"
    else:
        yield "", "a test over items, the variances of the benchmarks added and items that they share counted once"
    yield "", f". Intervals are {fmt.percent(1 - view.alpha)} intervals. "
    if "holm" in methods:
        yield "holm", f"{_all_cells(view.result)} were tested one by one with Holm's correction"
        yield "", ". "


def _primary(view: View) -> str:
    """Return the start of the sentence about the primary test; of logs nothing is known of when it was declared."""
    which = f"of {view.contrast.name} " if view.several else ""
    declared = ", declared before results were read," if "experiment" in view.result.provenance else ""
    random = "training seeds random and items fixed" if view.mean.verdict_estimand == "E1" else "items random"
    what = (
        f"mean difference {which}on {view.cell_names[0]}"
        if len(view.cells) == 1
        else f"{_weighing(view)} mean difference {which}over {fmt.count(len(view.cells), 'benchmark')}"
    )
    return f"The primary test{declared} is that of the {what} with {random}, two-sided at alpha {view.alpha:g}: "


def _weighing(view: View) -> str:
    weights = view.result.primary.weights
    listed = ", ".join(f"{task} {share:.3g}" for task, share in weights.items()) if weights else ""
    return f"weighted ({listed})" if listed else "equal-weight"


def _all_cells(result: Result) -> str:
    if len(result.contrasts) > 1:
        return f"All cells of {len(result.contrasts)} contrasts"
    return "Benchmarks and slices" if result.contrasts[0].slices else "Benchmarks"


def _compared(view: View) -> str:
    """Return which arms were compared over which seeds on which benchmarks."""
    items = ", ".join(f"{name} ({cell.n_items})" for cell, name in zip(view.cells, view.cell_names, strict=True))
    kind = "paired training seed" if view.contrast.pairing == "paired" else "training seed"
    bases: dict[str, list[str]] = {}
    for contrast in view.result.contrasts:
        bases.setdefault(contrast.base, []).append(contrast.treatment)
    pairs = "; ".join(f"{', '.join(treatments)} with {base}" for base, treatments in bases.items())
    return (
        f"We compared {pairs} over {fmt.count(len(view.contrast.seeds), kind)} "
        f"({named_seeds(view.contrast.seeds)}) on {items}. "
    )


def _pairing(result: Result) -> Iterator[str]:
    """Yield how the arms were paired, as far as the provenance bears it out: logs say nothing of training."""
    by_kind: dict[str, list[Contrast]] = {}
    for contrast in result.contrasts:
        by_kind.setdefault(contrast.pairing, []).append(contrast)
    for kind, contrasts in by_kind.items():
        of = "" if len(by_kind) == 1 else f" ({', '.join(contrast.name for contrast in contrasts)})"
        if kind == "fixed":
            bases = ", ".join(dict.fromkeys(contrast.base for contrast in contrasts))
            yield f"{bases} is one checkpoint without training seeds, the same against each seed{of}. "
        elif kind == "independent":
            yield f"The arms' training seeds are independent{of}. "
        elif "experiment" in result.provenance:
            yield (
                "Both arms of a seed saw the same training examples in the same order and answered the same "
                f"prompts{of}. "
            )
        else:
            yield f"Both arms of a seed answered the same items{of}. "


def _glued(parts: list[str]) -> list[str]:
    """Restore the blanks between sentences that cleaning a part removes."""
    out: list[str] = []
    for part in parts:
        follows = bool(out) and not part.startswith((" ", ".", ",", ";"))
        out.append(f" {part}" if follows else part)
    return out


def _short(method: Method) -> str:
    match = _REFERENCE.fullmatch(method.reference)
    if match is None:
        return one_line(method.reference)
    surnames = _surnames(match["authors"])
    first = surnames[0] + (" and " + surnames[1] if len(surnames) == 2 else "")  # noqa: PLR2004 - two authors
    return f"{first}, {match['year']}"


def _keys(result: Result) -> dict[str, str]:
    keys = {}
    for method in result.methods:
        match = _REFERENCE.fullmatch(method.reference)
        if match is not None:
            first = re.sub(r"[^A-Za-z]", "", _surnames(match["authors"])[0]).lower()
            words = (re.sub(r"[^a-z]", "", word) for word in match["title"].lower().split())
            keys[method.code] = f"{first}{match['year']}{next((word for word in words if word not in _SMALL), '')}"
    return keys


def _people(authors: str) -> list[str]:
    """Split "Efron, B. and Tibshirani, R." or "Agarwal, R. et al." into persons."""
    return [name.strip() for name in re.split(r" and |(?<=\.), (?=[A-Z][a-z])", authors.replace(" et al.", ""))]


def _surnames(authors: str) -> list[str]:
    return [name.split(",")[0] for name in _people(authors)]


def _authors(authors: str) -> str:
    others = " and others" if "et al." in authors else ""
    return escape(" and ".join(_people(authors))) + others
