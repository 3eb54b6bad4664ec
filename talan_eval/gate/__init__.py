"""The gate: has a model become worse? Three answers, because "could not tell" is neither yes nor no.

PASS: a loss larger than the margin is excluded. FAIL: a loss was shown. INCONCLUSIVE: neither, with what would decide.
A result that lacks declared cells is INCOMPLETE: the declared test was not performed.

Not covered: gains that are too small (a gate never fails because nothing improved), and adding seeds until it decides.
"""

from talan_eval.gate.decide import Check, CheckOutcome, GateReport, GateSettings, decide

__all__ = ["Check", "CheckOutcome", "GateReport", "GateSettings", "decide"]
