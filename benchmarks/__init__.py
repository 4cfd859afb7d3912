"""Measures what the README claims; `uv run python -m benchmarks` prints one table."""
