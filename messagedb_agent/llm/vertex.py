"""Models on Google's Vertex AI: which names mean it, and whether credentials are there."""

import json
from collections.abc import Mapping
from pathlib import Path

from messagedb_agent.errors import ConfigurationError

PREFIX = "vertex_ai/"
_CREDENTIALS = "GOOGLE_APPLICATION_CREDENTIALS"
# The types of credentials that google-auth 2 reads from a file.
_TYPES = (
    "authorized_user",
    "external_account",
    "external_account_authorized_user",
    "gdch_service_account",
    "impersonated_service_account",
    "service_account",
)
_REMEDY = (
    "run `gcloud auth application-default login`, "
    f"or set {_CREDENTIALS} to the file of a service account"
)


def is_vertex(litellm_name: str) -> bool:
    """Whether a name with its provider means Vertex AI."""
    return litellm_name.startswith((PREFIX, "vertex_ai_beta/"))


def check_credentials(environ: Mapping[str, str]) -> None:
    """Look for Google's application default credentials, as Google's own clients do.

    Args:
        environ: may name a file of credentials; the process environment is read as well.

    Raises:
        ConfigurationError: there are none, or what is there cannot be read.
    """
    if path := environ.get(_CREDENTIALS):
        _check_file(path)
        return
    # Half a second to import, and of use to nobody else.
    import google.auth
    from google.auth.exceptions import GoogleAuthError

    try:
        google.auth.default()
    except GoogleAuthError as error:
        raise _missing("no Google credentials for Vertex AI were found") from error


def _check_file(path: str) -> None:
    try:
        content = json.loads(Path(path).read_bytes())
    except OSError as error:
        raise _missing(f"the Google credentials in {path!r} cannot be read") from error
    except ValueError as error:
        raise _missing(f"the Google credentials in {path!r} are not JSON") from error
    if not isinstance(content, dict) or content.get("type") not in _TYPES:
        raise _missing(f"{path!r} holds no Google credentials of a known type")


def _missing(what: str) -> ConfigurationError:
    return ConfigurationError(f"{what}; {_REMEDY}", field=_CREDENTIALS)


def options(
    project: str | None, location: str | None, environ: Mapping[str, str]
) -> dict[str, str]:
    """Return what litellm is told with each call to Vertex AI."""
    told = {
        "vertex_project": project,
        "vertex_location": location,
        "vertex_credentials": environ.get(_CREDENTIALS),
    }
    return {name: value for name, value in told.items() if value}
