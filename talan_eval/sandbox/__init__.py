"""Runs untrusted programs behind a boundary of the kernel, and compares the values that they return.

Standard library only. ``runner`` is the way in; ``inside`` is what runs on the other side of the process boundary;
``tiers`` finds out which boundary the machine allows; ``conformance`` shows whether it holds.
"""
