"""Real faults on real processes and a real database: kills, pauses, outages, cuts, races, cancels.

`python -m tests.chaos kills --kills 10000` runs any number of them, seeded; the tests here run the
sizes of every build through the same functions. What each run saw is counted and printed, and two
oracles judge it that know nothing of each other: the log itself, and a ledger that the tools
write outside of it, synced to disk, when they begin and when they take effect.
"""
