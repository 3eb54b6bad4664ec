"""Score matrices in, a published result out: contrasts, inference, families, verdicts, signature."""

from talan_eval.comparison.arm_records import ArmFacts
from talan_eval.comparison.build import Origin, compare
from talan_eval.comparison.matrix import ItemTable, ScoreMatrix, score_matrices
from talan_eval.comparison.score_columns import ScoreColumns, ScoredItem, columns_of
from talan_eval.comparison.signature import family_hash
from talan_eval.comparison.statistics_settings import StatisticsSettings
from talan_eval.result.contrast import ContrastSpec

__all__ = [
    "ArmFacts",
    "ContrastSpec",
    "ItemTable",
    "Origin",
    "ScoreColumns",
    "ScoreMatrix",
    "ScoredItem",
    "StatisticsSettings",
    "columns_of",
    "compare",
    "family_hash",
    "score_matrices",
]
