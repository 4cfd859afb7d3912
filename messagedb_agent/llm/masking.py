"""Keeps secrets out of messages that are recorded or shown."""

import re
from collections.abc import Mapping

_MOST_CHARACTERS = 2_000
_MASK = "***"
_SECRET_NAME = re.compile(r"(KEY|TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIAL)", re.IGNORECASE)
# What credentials look like, whoever holds them: an authorization header, keys with the
# prefixes that providers publish (OpenAI, Anthropic, Groq, xAI, Google), a key in an address,
# the user part of an address.
_SECRET_SHAPES = (
    (re.compile(r"(?i)\b(bearer|basic)(\s+)[A-Za-z0-9._~+/=-]{4,}"), rf"\1\2{_MASK}"),
    (re.compile(r"\b(sk|pk|gsk|xai|hf|AIza|ya29)([-_.])?[A-Za-z0-9_*-]{8,}"), _MASK),
    (re.compile(r"(?i)([?&](?:api[-_]?)?(?:key|token)=)[^&\s'\"]+"), rf"\1{_MASK}"),
    (re.compile(r"(://)[^/\s:@]+:[^/\s@]+@"), rf"\1{_MASK}@"),
)


def secrets_of(environ: Mapping[str, str]) -> tuple[str, ...]:
    """Return the values of variables that are secret by their name, longest first.

    Values under eight characters are left out: masking them would garble ordinary text.
    """
    found = {value for name, value in environ.items() if is_secret_name(name) and len(value) >= 8}
    return tuple(sorted(found, key=len, reverse=True))


def is_secret_name(name: str) -> bool:
    """Say whether what a variable of this name holds is a secret."""
    return _SECRET_NAME.search(name) is not None


def masked(text: str, secrets: tuple[str, ...] = ()) -> str:
    """Return `text` as one line of at most 2,000 characters, with secrets replaced by `***`."""
    # The bound is applied before the patterns too, so that no provider's answer makes them slow.
    line = " ".join(text[: 4 * _MOST_CHARACTERS].split())
    for secret in secrets:
        line = line.replace(secret, _MASK)
    for shape, replacement in _SECRET_SHAPES:
        line = shape.sub(replacement, line)
    return line if len(line) <= _MOST_CHARACTERS else line[: _MOST_CHARACTERS - 1] + "…"
