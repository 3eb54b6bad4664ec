"""The recipe of an arm as it is typed, and whether it fits into memory; import from the submodules."""
