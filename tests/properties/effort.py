"""How many examples a property is tried on: what CI has time for, or a hundred times that.

`pytest --hypothesis-profile=night` and `--hypothesis-profile=release` are the longer runs.
"""

from hypothesis import HealthCheck, settings

FACTORS = {"night": 100, "release": 500}
"""How many times CI's examples each profile takes; other profiles take CI's own."""


def factor() -> int:
    """Return how many times CI's examples this run takes."""
    return FACTORS.get(settings.get_current_profile_name(), 1)


def register_profiles() -> None:
    """Make the profiles known, before hypothesis looks for the one that was asked for."""
    for name, times in FACTORS.items():
        settings.register_profile(name, settings(max_examples=100 * times, deadline=None))


def examples(count: int) -> settings:
    """Return settings for `count` examples, times the factor of the profile in force.

    How long an example takes says nothing here: machines that run tests are busy.
    """
    return settings(
        max_examples=count * factor(),
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow],
        print_blob=True,
    )
