"""How long a thread is tried, and how long is waited in between."""

from dataclasses import dataclass

_MOST_CAREFUL_S = 8.0
_LONGEST_LACKING = 32  # times `lacking_s`: where thousands lack tools, the looks at them add up


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a thread is tried.

    Attributes:
        tries: how often in a row the handling of a thread may raise, or its worker may die at once
            when it takes the thread up, beside the first, before the thread is parked.
        soonest_s: seconds before another look at a thread that somebody else owns, or whose
            handling has raised; doubled each time.
        latest_s: the most that it grows to.
        lacking_s: seconds before another look at a thread whose tools are not here; doubled each
            time, up to 32 times as long, unless it has news.
        lives_s: half the seconds that a worker lets pass before it takes up a thread at which
            somebody has died; doubled with each death.
    """

    tries: int = 5
    soonest_s: float = 0.1
    latest_s: float = 2.0
    lacking_s: float = 10.0
    lives_s: float = 0.5

    def pause_s(self, times: int) -> float:
        """Return how long to wait after so many looks in a row, from 1."""
        return float(min(self.latest_s, self.soonest_s * 2 ** min(times - 1, 30)))

    def without_tools_s(self, times: int) -> float:
        """Return how long to wait after so many looks in vain at a thread, from 1."""
        return float(self.lacking_s * min(_LONGEST_LACKING, 2 ** min(times - 1, 30)))

    def careful_s(self, deaths: int) -> float:
        """Return how long to wait before a thread is taken up at which so many have died.

        Workers that are killed from outside seldom die just then, if they have lived for a while.
        """
        return float(min(_MOST_CAREFUL_S, self.lives_s * 2**deaths)) if deaths else 0.0
