"""Doors from other tools to this package; import from the submodules, importing this package loads nothing."""
