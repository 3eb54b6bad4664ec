"""The published schema and its reading."""
