"""Runs untrusted programs in separate processes with limits, and compares the values that they return.

Standard library only. ``runner`` is the way in; ``inside`` is what runs on the other side of the process boundary.
"""
