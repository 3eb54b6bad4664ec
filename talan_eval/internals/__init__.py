"""What the trained checkpoints of a comparison do inside their backbone: measured, averaged over seeds, shown.

- ``subjects`` finds the checkpoints and what each is set against, ``material`` the sequences that they are run on.
- ``measure`` runs one checkpoint (the quantities themselves are in ``talan_core.analysis``), ``kept`` keeps what was
  found, so that a killed measurement goes on.
- ``quantities`` says what is measured, with formula and control; every face is derived from that list.
- ``over_seeds`` and ``configurations`` make means, intervals and bands of it, ``findings`` is the published record.
- ``write_up``, ``depth_plots`` and ``dot_plots`` are its faces.
"""
