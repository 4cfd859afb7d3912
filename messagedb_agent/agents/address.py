"""A database's address as people write it: whether it is well formed, and what of it may be shown.

A password with `@`, `/` or `?` in it that is not percent-encoded makes a URL whose parts libpq
finds elsewhere than its writer: the password's tail becomes a host or a database name, and would
stand in every error. Such a URL is refused before anybody parses it, and nothing of it is shown.
"""

import re

from messagedb_agent.errors import ConfigurationError

MASK = "***"

_HOST = r"(?:\[[0-9A-Fa-f:.]+(?:%\w+)?\]|[^\s@:/?#\[\],]*)(?::\d*)?"
_URL = re.compile(
    r"postgres(?:ql)?://"
    r"(?P<user>[^\s@/]*@)?"
    rf"(?P<hosts>{_HOST}(?:,{_HOST})*)"
    r"(?P<database>/[^\s@/?#]*)?"
    r"(?:\?(?P<query>[^\s@?#]*))?"
)
_IS_MEANT_AS_URL = re.compile(r"\s*[\w+.-]*://")
_PAIR = r"(\w+)\s*=\s*('[^'\\]*'|[^\s'\\]+)"
_PAIRS = re.compile(rf"\s*{_PAIR}(?:\s+{_PAIR})*\s*")
# What says where a database is, and no more; all other values are masked.
_OPEN = frozenset({"host", "hostaddr", "port", "dbname", "sslmode", "connect_timeout"})


def require_well_formed(address: str) -> None:
    """Refuse a URL that may be read otherwise than it was meant.

    A connection string (`host=... dbname=...`) is left to libpq.

    Raises:
        ConfigurationError: it holds what must be percent-encoded; nothing of it is repeated.
    """
    if _IS_MEANT_AS_URL.match(address) and not _URL.fullmatch(address):
        raise ConfigurationError(
            "MESSAGE_DB_URL is no database URL (postgresql://user:password@host:port/database); "
            "percent-encode what is special in a password, such as @ as %40",
            field="MESSAGE_DB_URL",
        )


def shown(address: str) -> str:
    """Return an address without user, password, or anything that may be part of them."""
    if url := _URL.fullmatch(address):
        scheme, database = address.partition("://")[0], url["database"] or ""
        user = f"{MASK}@" if url["user"] else ""
        query = f"?{_query(url['query'])}" if url["query"] else ""
        return f"{scheme}://{user}{url['hosts']}{database}{query}"
    if _PAIRS.fullmatch(address):
        return " ".join(_pair(name, value) for name, value in re.findall(_PAIR, address))
    return MASK


def _query(text: str) -> str:
    pairs = (pair.partition("=") for pair in text.split("&"))
    return "&".join(_pair(name, value) for name, _, value in pairs)


def _pair(name: str, value: str) -> str:
    if name in _OPEN:
        return f"{name}={value}"
    return f"{name}={MASK}" if re.fullmatch(r"[a-z_]+", name) else MASK
