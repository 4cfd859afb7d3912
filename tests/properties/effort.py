"""How many examples a property is tried on."""

import os

from hypothesis import HealthCheck, settings

_FACTOR = int(os.environ.get("PROPERTY_FACTOR", "1"))


def examples(count: int) -> settings:
    """Return settings for `count` examples, times `PROPERTY_FACTOR` from the environment.

    How long an example takes says nothing here: machines that run tests are busy.
    """
    return settings(
        max_examples=count * _FACTOR,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow],
        print_blob=True,
    )
