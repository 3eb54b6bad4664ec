"""The methods behind the numbers, with references, as the result states them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from talan_eval.result.schema import Method

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from talan_eval.comparison.inference import Analysed, AnalysedContrast
    from talan_eval.comparison.statistics_settings import StatisticsSettings
    from talan_eval.result.schema import E1, Aggregate

_MCNEMAR = Method(
    code="mcnemar",
    estimand="descriptive",
    text="Sign test of the items that differ between two checkpoints, by name beside E0; mid-p above 1,000 of them.",
    reference="McNemar, Q. (1947). Note on the sampling error of the difference between correlated proportions.",
)
_BONETT_PRICE = Method(
    code="bonett-price",
    estimand="E0",
    text="Adjusted Wald test and interval for a difference of paired proportions.",
    reference="Bonett, D. G. and Price, R. M. (2012). Adjusted Wald confidence interval for a difference of binomial "
    "proportions based on paired data.",
)
_MIDP = Method(
    code="mcnemar-midp",
    estimand="E0",
    text="Conditional mid-p test and interval of right-or-wrong answers; the weaker of it and Bonett-Price counts.",
    reference="Fagerland, M. W., Lydersen, S. and Laake, P. (2013). The McNemar test for binary matched-pairs data: "
    "mid-p and asymptotic are better than exact conditional.",
)
_ITEM_T = Method(
    code="item-t",
    estimand="E0",
    text="Paired t over items, with the floor of Bonett and Price.",
    reference="Student (1908). The probable error of a mean.",
)
_CLUSTERED = Method(
    code="cluster-robust",
    estimand="E0, E2",
    text="Sandwich variance over clusters of items, t with one degree of freedom less than clusters.",
    reference="Liang, K.-Y. and Zeger, S. L. (1986). Longitudinal data analysis using generalized linear models.",
)
_GUARDED_T = Method(
    code="guarded-t",
    estimand="E1",
    text="Paired t over training seeds; the widest of the seed spread, item-level noise and a floor counts.",
    reference="Student (1908). The probable error of a mean; guard of this package, see its statistics page.",
)
_WELCH = Method(
    code="welch-satterthwaite",
    estimand="E1",
    text="Degrees of freedom of the t over independently trained backbones.",
    reference="Welch, B. L. (1947). The generalization of Student's problem when several different population "
    "variances are involved.",
)
_INDEPENDENT = Method(
    code="welch",
    estimand="E1",
    text="Welch's t over the independent seeds of two arms, guarded like the paired one.",
    reference="Welch, B. L. (1947). The generalization of Student's problem when several different population "
    "variances are involved.",
)
_PERMUTATION = Method(
    code="permutation",
    estimand="E1",
    text="Studentised permutation of seed labels; exact only where both arms' seed effects have one distribution.",
    reference="Janssen, A. (1997). Studentized permutation tests for non-i.i.d. hypotheses and the generalized "
    "Behrens-Fisher problem.",
)
_GLOBAL = Method(
    code="arm-permutation",
    estimand="family",
    text="Permutation of the arms within seeds, largest difference of two means: does any arm differ?",
    reference="Pesarin, F. (2001). Multivariate permutation tests.",
)
_SIMULTANEOUS = Method(
    code="simultaneous",
    estimand="family",
    text="Intervals for all at once: the wider of Bonferroni's guarded t and single-step max-T.",
    reference="Westfall, P. H. and Young, S. S. (1993). Resampling-based multiple testing.",
)
_SIGN_FLIP = Method(
    code="sign-flip",
    estimand="E1",
    text="Exact randomization test over all signs of the seed differences.",
    reference="Fisher, R. A. (1935). The design of experiments.",
)
_HARTIGAN = Method(
    code="hartigan",
    estimand="E1",
    text="Interval from the means of all subsets of the seeds, which inverts the sign-flip test.",
    reference="Hartigan, J. A. (1969). Using subsample values as typical values.",
)
_BOOTSTRAPS: Final[Mapping[str, Method]] = {
    "bootstrap_t": Method(
        code="bootstrap-t",
        estimand="E1",
        text="Studentised bootstrap over seeds.",
        reference="Efron, B. (1979). Bootstrap methods: another look at the jackknife.",
    ),
    "expanded_percentile": Method(
        code="expanded-percentile",
        estimand="E1",
        text="Percentile bootstrap over seeds with widened tails.",
        reference="Hesterberg, T. C. (2015). What teachers should know about the bootstrap.",
    ),
    "percentile": Method(
        code="percentile",
        estimand="E1",
        text="Percentile bootstrap over seeds; covers less than its level with few seeds.",
        reference="Efron, B. (1979). Bootstrap methods: another look at the jackknife.",
    ),
    "basic": Method(
        code="basic",
        estimand="E1",
        text="Basic bootstrap over seeds; covers less than its level with few seeds.",
        reference="Davison, A. C. and Hinkley, D. V. (1997). Bootstrap methods and their application.",
    ),
    "bca": Method(
        code="bca",
        estimand="E1",
        text="BCa bootstrap over seeds; covers less than its level with few seeds.",
        reference="Efron, B. (1987). Better bootstrap confidence intervals.",
    ),
}
_CROSSED = Method(
    code="guarded-crossed",
    estimand="E2",
    text="Crossed random effects of seeds and items from mean squares, guarded like the t.",
    reference="Satterthwaite, F. E. (1946). An approximate distribution of estimates of variance components.",
)
_PIGEONHOLE = Method(
    code="pigeonhole",
    estimand="E2",
    text="Bootstrap of seeds and items at once.",
    reference="Owen, A. B. (2007). The pigeonhole bootstrap.",
)
_HOLM = Method(
    code="holm",
    estimand="family",
    text="Step-down Bonferroni correction of the guarded p-values over cells, and over slices on their own.",
    reference="Holm, S. (1979). A simple sequentially rejective multiple test procedure.",
)
_MAX_T = Method(
    code="max-t",
    estimand="family",
    text="Joint sign flips of all cells with one sign per seed of a backbone, step-down.",
    reference="Westfall, P. H. and Young, S. S. (1993). Resampling-based multiple testing.",
)
_BH = Method(
    code="benjamini-hochberg",
    estimand="descriptive",
    text="False discovery rate over cells, and over slices on their own (exploratory).",
    reference="Benjamini, Y. and Hochberg, Y. (1995). Controlling the false discovery rate.",
)
_TARONE = Method(
    code="item-sign-test",
    estimand="descriptive",
    text="Sign test of each item over seeds; false discovery rate over the items that could be significant.",
    reference="Tarone, R. E. (1990). A modified Bonferroni method for discrete data.",
)
_BONFERRONI = Method(
    code="bonferroni",
    estimand="family",
    text="Every deciding p times the variants of the treat arm that were tried.",
    reference="Dunn, O. J. (1961). Multiple comparisons among means.",
)
_DESCRIPTIVE = Method(
    code="iqm,poi",
    estimand="descriptive",
    text="Interquartile mean and probability of improvement over seeds and cells.",
    reference="Agarwal, R. et al. (2021). Deep reinforcement learning at the edge of the statistical precipice.",
)
_ALSO: Final[Mapping[str, Method]] = {
    "wilcoxon": Method(
        code="wilcoxon",
        estimand="E1",
        text="Signed-rank test of the seed differences, exact.",
        reference="Wilcoxon, F. (1945). Individual comparisons by ranking methods.",
    ),
    "cmh": Method(
        code="cmh",
        estimand="E0",
        text="Cochran-Mantel-Haenszel test with seeds as strata.",
        reference="Mantel, N. and Haenszel, W. (1959). Statistical aspects of the analysis of data from retrospective "
        "studies of disease.",
    ),
    "item-bootstrap": Method(
        code="item-bootstrap",
        estimand="E0",
        text="Percentile bootstrap over the items of one checkpoint pair.",
        reference="Efron, B. (1979). Bootstrap methods: another look at the jackknife.",
    ),
    "tost": Method(
        code="tost",
        estimand="E1",
        text="Two one-sided tests of equivalence within a declared margin, guarded like the t.",
        reference="Schuirmann, D. J. (1987). A comparison of the two one-sided tests procedure and the power approach "
        "for assessing the equivalence of average bioavailability.",
    ),
    "benjamini-yekutieli": Method(
        code="benjamini-yekutieli",
        estimand="descriptive",
        text="False discovery rate over cells, and over slices on their own, under any dependence (exploratory).",
        reference="Benjamini, Y. and Yekutieli, D. (2001). The control of the false discovery rate in multiple testing "
        "under dependency.",
    ),
}


def methods_used(
    contrasts: Sequence[AnalysedContrast], means: Sequence[Aggregate], settings: StatisticsSettings
) -> tuple[Method, ...]:
    """List what a comparison used, each method once.

    Args:
        contrasts: Cells and slices with their inference.
        means: The mean of each contrast.
        settings: What was asked for.
    """
    family = [item for one in contrasts for item in (*one.whole, *one.parts)]
    tests = [test for test in (*(item.inference.e1 for item in family), *(mean.e1 for mean in means)) if test]
    crossed = any(item.inference.e2 is not None for item in family) or any(mean.e2 for mean in means)
    pairs = any(item.scores.contrast.pairing != "independent" for item in family)
    used = _of_checkpoints(family, means)
    used.extend(_of_seeds(tests, several=any(len(mean.backbones) > 1 for mean in means)))
    used.extend([_CROSSED, *([_PIGEONHOLE] if pairs else [])] if crossed else [])
    several = len(family) > 1
    judged_e0 = any(mean.verdict_estimand == "E0" for mean in means)
    used.extend([_HOLM] if several and (tests or judged_e0) else [])
    used.extend([_MAX_T] if several and any(test.signflip is not None for test in tests) else [])
    used.extend([_BH] if several and (tests or judged_e0) else [])
    used.extend([_GLOBAL, _SIMULTANEOUS] if tests and len(contrasts) > 1 else [])
    used.extend([_TARONE] if pairs and _bounded(family) else [])
    used.extend([_BONFERRONI] if settings.variants_tried > 1 else [])
    used.extend([_DESCRIPTIVE] if any(mean.delta is not None for mean in means) else [])
    used.extend(_ALSO[name] for name in settings.also)
    return tuple(used)


def _of_checkpoints(family: Sequence[Analysed], means: Sequence[Aggregate]) -> list[Method]:
    """List what stands behind E0: of one pair, or of the mean over several."""
    found = [item.checkpoints.record.method for item in family if item.checkpoints is not None]
    found += [mean.e0_mean.method for mean in means if mean.e0_mean is not None]
    used = [_BONETT_PRICE, _MIDP] if "table" in found else []
    used += [_ITEM_T] if {"t", "mean"} & set(found) else []
    clustered = any(item.scores.items.clusters is not None for item in family)
    used += [_CLUSTERED] if clustered else []
    return [*used, *([_MCNEMAR] if found and _bounded(family) else [])]


def _bounded(family: Sequence[Analysed]) -> bool:
    """Say whether items were lost and gained: without bounds they only differ."""
    return all(item.scores.items.measure.bounded for item in family)


def _of_seeds(tests: Sequence[E1], *, several: bool) -> list[Method]:
    if not tests:
        return []
    used = [_GUARDED_T] if any(test.method == "guarded_t" for test in tests) else []
    used.extend([_WELCH] if several else [])
    if any(test.method == "guarded_welch" for test in tests):
        used.extend([_INDEPENDENT, _PERMUTATION])
    if any(test.signflip is not None for test in tests):
        used.append(_SIGN_FLIP)
    if any(test.signflip is not None and test.signflip.ci is not None for test in tests):
        used.append(_HARTIGAN)
    shown = {test.bootstrap.method for test in tests if test.bootstrap is not None and test.bootstrap.ci is not None}
    return [*used, *(method for name, method in _BOOTSTRAPS.items() if name in shown)]
