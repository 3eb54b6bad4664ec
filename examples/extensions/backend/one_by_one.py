"""Transformers with one sequence in each pass: ``--backend one_by_one``; no padding, so no rounding that it causes."""

from dataclasses import replace

from talan_eval.generation.transformers_backend import TransformersBackend


class OneByOne(TransformersBackend):
    """Made from the options that every backend is made from."""

    def __init__(self, options):
        super().__init__(replace(options, batch_size=1))

    def identity(self):
        """Say who answers: part of the identity of every answer."""
        return {**super().identity(), "name": "one_by_one"}
