"""Supervised fine-tuning with paired seeds; import from the submodules, importing this package loads nothing."""
