"""Sample logs of other harnesses, read into one form: who answered what, and how it was scored.

``sources`` finds the logs that an option names, ``formats`` recognises and reads them (``lm_eval``, ``inspect_logs``,
``tables``, ``own``), ``selection`` chooses filter and metric, ``seeds`` says which run pairs with which, and ``checks``
refuses what cannot be compared. Nothing here computes a statistic, and nothing here needs torch.

Not covered: logs in the cloud (copy them first), lm-eval's aggregated results without samples, and arena-style votes.
"""
