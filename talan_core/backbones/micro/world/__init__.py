"""The generated world of the ``micro`` backbone: four families of problems with worked solutions.

Each family is the small twin of a real benchmark and lives in one module: :mod:`word_problems` (GSM8K), :mod:`algebra`
(MATH-500), :mod:`science` (GPQA Diamond), :mod:`programs` (MBPP). :mod:`problem` says what a problem is and how the
pre-training, training and test splits are kept apart; :mod:`corpus` turns problems into pre-training documents.
"""
