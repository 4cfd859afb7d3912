"""While the store is away: how long consumers wait before they try it again."""

_PAUSES_S = (0.1, 0.2, 0.5, 1.0, 2.0)  # the last one repeats


def pause_s(failures: int) -> float:
    """Return how long to wait, in seconds, after so many failures in a row before the last one."""
    return _PAUSES_S[min(failures, len(_PAUSES_S) - 1)]
