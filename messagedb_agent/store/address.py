"""A database's address as people write it: what libpq makes of it, and what of it may be shown.

A password with `@` or `/` in it that is not percent-encoded makes a URL whose parts libpq finds
elsewhere than its writer: the password's tail becomes a host or a database name, and would stand
in every error. Such a URL is refused where that can be told, and so is a value that libpq would
refuse and repeat; nothing of it is shown.
"""

import re
from collections.abc import Mapping

from messagedb_agent.errors import ConfigurationError

MASK = "***"
"""Stands for what is not shown."""

VARIABLE = "MESSAGE_DB_URL"

_IS_MEANT_AS_URL = re.compile(r"[\w+.-]*://")
# As libpq splits it: the user ends at the first `@` if that comes before any `/`. Narrower than
# libpq where a part would be another one if what is special in a password were encoded.
_URL = re.compile(
    r"postgres(?:ql)?://"
    r"(?!\S*\?\S*@\S*\?\S*@)"  # the first `@` or the second may end a password
    r"(?![^@/?:]*\?[^/]*@)"  # libpq would take the query's beginning for a user
    r"(?![^@/?]*:\d*/[^@?]*\?\S*@)"  # `host:1/database?` may be the beginning of a password
    r"(?>(?:[^\s@/:?]*(?::[^\s@/]*)?@)?)"  # atomic: where libpq finds a user, there is one
    r"[^\s@/?]*"
    r"(?:/[^\s@?]*)?"
    r"(?:\?\S*)?"
)
_HOST = re.compile(r"[\w.-]+|[0-9A-Fa-f:.]+(?:%\w+)?|/[\w./+ %~-]*")
_NAME = re.compile(r"[\w.$+-]+(?: [\w.$+-]+)*")
_WHOLE_NUMBER = re.compile(r"\s*[+-]?\d+\s*")
_MODE = re.compile("disable|allow|prefer|require|verify-ca|verify-full")
_NUMBERS = (
    "connect_timeout",
    "keepalives",
    "keepalives_idle",
    "keepalives_interval",
    "keepalives_count",
    "tcp_user_timeout",
)


def cleaned(address: str) -> str:
    """Return an address without the blanks and line breaks around it."""
    return address.strip()


def is_connection_string(name: str) -> bool:
    """Say whether a database's name is an address itself, which libpq may take it for."""
    return "=" in name or bool(_IS_MEANT_AS_URL.match(name))


def is_host(text: str) -> bool:
    """Say whether text is a host, an address or the folder of a socket; several have commas."""
    return all(not part or _HOST.fullmatch(part) for part in text.split(","))


def plain_name(text: str) -> str:
    """Return the name of a database or role; masked where it may be more than a name."""
    return text if _NAME.fullmatch(text) else MASK


def require_well_formed(address: str) -> None:
    """Refuse an address that libpq cannot read, may misread, or would repeat in an error.

    Raises:
        ConfigurationError: it is such a one; it names what is wrong, and no value.
    """
    parameters(address)


def parameters(address: str) -> Mapping[str, str]:
    """Return what libpq makes of a `postgresql://` URL or a connection string, by its key words.

    Raises:
        ConfigurationError: it cannot be read, or may be misread; no value is repeated.
    """
    given = _read(cleaned(address))
    if is_connection_string(given.get("dbname", "")):
        raise _refused("its dbname is a connection string itself; name the database alone")
    wrong = [name for name, value in given.items() if not _is_sound(name, value)]
    if wrong:
        raise _refused(f"it has a wrong value of {', '.join(wrong)}")
    return given


def shown(address: str) -> str:
    """Return an address without user, password, or anything that may be part of them.

    Of one that is refused nothing is shown.
    """
    address = cleaned(address)
    try:
        given = parameters(address)
    except ConfigurationError:
        return MASK
    parts = {name: _shown(name, value) for name, value in given.items()}
    if not _IS_MEANT_AS_URL.match(address):
        return " ".join(f"{name}={value}" for name, value in parts.items())
    return _as_url(address.partition("://")[0], parts)


def _read(address: str) -> dict[str, str]:
    """Read an address; an error is not handed on: libpq's text quotes what it cannot read."""
    import psycopg  # not with this module, which the settings need as well
    from psycopg.conninfo import conninfo_to_dict

    if address and (not _IS_MEANT_AS_URL.match(address) or _URL.fullmatch(address)):
        try:
            return {name: str(value) for name, value in conninfo_to_dict(address).items()}
        except (psycopg.ProgrammingError, UnicodeError):  # the latter: %a1 is no UTF-8
            pass
    raise _refused(
        "it is no database URL (postgresql://user:password@host:port/database); "
        "percent-encode what is special in a password, such as @ as %40"
    )


def _refused(why: str) -> ConfigurationError:
    return ConfigurationError(f"{VARIABLE} is wrong: {why}", field=VARIABLE)


def _is_sound(name: str, value: str) -> bool:
    match name:
        case "host":
            return is_host(value)
        case "hostaddr":
            return re.fullmatch(r"[0-9A-Fa-f:.,]*(?:%\w+)?", value) is not None
        case "port":
            return re.fullmatch(r"[\d,]*", value) is not None
        case "sslmode":
            return _MODE.fullmatch(value) is not None
        case _ if name in _NUMBERS:
            return _WHOLE_NUMBER.fullmatch(value) is not None
        case _:
            return True


def _shown(name: str, value: str) -> str:
    """Return a value that says where a database is, and no more; all others are masked."""
    match name:
        case "host" | "hostaddr" | "port" | "sslmode" | "connect_timeout":
            return value
        case "dbname":
            return plain_name(value)
        case _:
            return MASK


def _as_url(scheme: str, parts: dict[str, str]) -> str:
    """Put the parts of an address together again, those that say who asks into one mask."""
    user = f"{MASK}@" if parts.pop("user", None) or "password" in parts else ""
    parts.pop("password", None)
    database = f"/{parts.pop('dbname')}" if "dbname" in parts else ""
    hosts = ""
    if "/" not in parts.get("host", "/"):
        names, ports = parts.pop("host").split(","), parts.pop("port", "").split(",")
        ports = ports * len(names) if len(ports) == 1 else ports
        hosts = ",".join(map(_place, names, ports))
    query = "&".join(f"{name}={value}" for name, value in parts.items())
    return f"{scheme}://{user}{hosts}{database}" + (f"?{query}" if query else "")


def _place(host: str, port: str) -> str:
    host = f"[{host}]" if ":" in host else host
    return f"{host}:{port}" if port else host
