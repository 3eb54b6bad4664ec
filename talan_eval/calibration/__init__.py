"""The simulation study: how often the intervals of ``talan_eval.stats`` hold what they promise."""
