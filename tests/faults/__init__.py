"""Faults that the suite must catch, each a patch against the package: `python -m tests.faults`."""
