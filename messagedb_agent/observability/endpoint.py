"""Sessions with an endpoint: what it sends on elsewhere has not arrived."""

import os
from typing import Any

import requests

_MAKERS = ("", "TRACES_", "METRICS_")  # variables that name who makes sessions, by signal


def session() -> requests.Session | None:
    """Return a session in which a redirect is an error; None where the environment names another.

    The exporters do not follow redirects, and count them as arrivals.
    """
    names = [f"OTEL_PYTHON_EXPORTER_OTLP_HTTP_{of}CREDENTIAL_PROVIDER" for of in _MAKERS]
    if any(os.environ.get(name) for name in names):
        return None
    made = requests.Session()
    made.hooks["response"].append(_arrived)
    return made


def _arrived(response: Any, *_: Any, **__: Any) -> None:
    if 300 <= response.status_code < 400:
        response.close()  # nobody else has it
        raise OSError(f"the endpoint sends elsewhere: {response.status_code}")
