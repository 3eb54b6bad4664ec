"""The generated world of the ``micro`` backbone: four families of problems with worked solutions.

Each family is the small twin of a real benchmark and lives in one module: ``word_problems`` (GSM8K), ``algebra``
(MATH-500), ``science`` (GPQA Diamond), ``programs`` (MBPP). ``problem`` says what a problem is and how the
pre-training, training and test splits are kept apart; ``corpus`` turns problems into pre-training documents.
"""
