"""Paired-seed comparisons of adapters on lm-eval tasks."""
