"""Graders: text in, a five-valued verdict out. They never raise on any text.

``number``, ``choice``, ``latex`` and the extraction of programs are pure functions. Only ``symbolic`` (math-verify) and
the running of programs start processes.
"""
