"""What operators see of a run: logs, later traces. Only entry points import this."""
