"""Paired scores in, a published result out: pairing, inference, verdicts, signature.

Covered: one backbone, one base and one treat arm, any number of benchmarks. Every step takes its cells from one list
and seeds are matched by number, so that further backbones add cells and a rule for their seeds, not another way
through.
"""

from talan_eval.comparison.build import compare
from talan_eval.comparison.columns import ScoreColumns, ScoredItem
from talan_eval.comparison.pairing import CellScores, pair_columns, pair_scores
from talan_eval.comparison.settings import StatisticsSettings
from talan_eval.comparison.signature import family_hash

__all__ = [
    "CellScores",
    "ScoreColumns",
    "ScoredItem",
    "StatisticsSettings",
    "compare",
    "family_hash",
    "pair_columns",
    "pair_scores",
]
