"""Statistics of paired, crossed seed-by-item comparisons: pure functions of arrays.

Units: every function of this package works in *proportions*. A score is in [0, 1], a difference in [-1, 1], a mean
square is a squared proportion. Percentage points appear only in the result schema, which multiplies by 100.

Layout of the data: ``D`` with shape (S, N) holds ``y_treat - y_base`` for training seed s (row) and benchmark item i
(column), each y the mean over k samples of that item. Rows and columns are crossed: each seed sees the same items.

Three estimands, named on every interval and p-value:

* E0: is this trained pair of checkpoints better on this kind of item? Items random, one seed. (``mcnemar``)
* E1: would re-training give the gain on this benchmark? Seeds random, items fixed. (``guarded_t``, ``signflip``,
  ``seed_bootstrap``; by name ``wilcoxon`` and ``cmh``)
* E2: would re-training give the gain on new items of this kind? Both random. (``crossed``, ``pigeonhole``)

The arms' seeds may be the same (paired), other ones (``independent``, ``label_permutation``), or the base may have none
(``fixed_base``).

Around them: several backbones (``backbones``, ``backbone_flips``), families of cells (``multiplicity``) and contrasts
(``contrast_family``, ``joint_flips``), all arms at once (``arm_permutation``), the best arm (``selection``), trainings
that diverged (``diverged``), items in clusters (``clusters``), one-sided bounds and gates (``noninferiority``), seeds
added after a look (``anytime``), plans (``variance``, ``power``, ``planner``) and single items (``items``).

Not covered: claims about other benchmarks or backbones.
"""
