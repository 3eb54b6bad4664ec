"""Sample logs of other harnesses, read into one form: who answered what, and how it was scored.

``words`` splits what was typed, ``sources`` finds the logs, ``registry`` lists the formats (``lm_eval``,
``inspect_ai``, ``tables``, ``own``), each of them a ``reader``. ``arms`` puts their runs into arms, ``backbones`` parts
these by the model below the adapters, ``selection`` chooses filter and metric, ``seeds`` says which run pairs with
which, ``checks`` and ``copies`` refuse what cannot be compared, and ``account`` says what was done. Nothing here
computes a statistic, and nothing here needs torch.

Not covered: logs in the cloud (copy them first), lm-eval's aggregated results without samples, and arena-style votes.
"""
