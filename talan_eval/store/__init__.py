"""Crash-safe records of one experiment in one directory. It knows names, bytes, hashes and JSON."""
