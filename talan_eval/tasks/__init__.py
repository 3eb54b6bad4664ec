"""Tasks by name, their catalogue, and their data files."""
