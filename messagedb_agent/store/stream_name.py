"""Stream names: build, take apart, refuse.

Message DB's grammar is `category[:type[+type...]][-id[+id...]]`. It cuts at the first `-`, and it
checks nothing, so a name that its readers would misread is refused here.

Source: Message DB 1.3.0, `functions/category.sql`, `id.sql`, `cardinal-id.sql`, `is-category.sql`.
"""

import hashlib
import re
import string
from functools import lru_cache

from messagedb_agent.errors import RefusedName

MAX_STREAM_NAME_BYTES = 1000  # the index on stream names refuses about 2,600 incompressible bytes

MAX_USER_CHARS = 1000
"""Most characters of a user's name under which something is remembered."""

RESERVED_TYPES = frozenset({"command", "position", "snapshot"})

_WORD = re.compile(r"[A-Za-z][A-Za-z0-9]{0,99}")
_DEFINITION = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}")
_ID = re.compile(r"[A-Za-z0-9._~-]{1,200}")
_MAX_USER_ID = 200
_USER_ID = re.compile(r"(?:[A-Za-z0-9._-]|~[0-9A-F]{2})+|~~[0-9a-f]{64}")
_PLAIN = {ord(char): char for char in f"{string.ascii_letters}{string.digits}._-"}
_UNWRITABLE = re.compile("[\x00\ud800-\udfff]")
_UNSTORABLE = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff\u2028\u2029]")


def category_of(name: str) -> str:
    """Return all before the first `-`; the whole name where there is none."""
    return name.partition("-")[0]


def id_of(name: str) -> str | None:
    """Return all after the first `-`; None for a category."""
    _, hyphen, id = name.partition("-")
    return id if hyphen else None


def cardinal_id_of(name: str) -> str | None:
    """Return the id up to its first `+`; None for a category."""
    id = id_of(name)
    return None if id is None else id.partition("+")[0]


def is_category(name: str) -> bool:
    """Say whether a name has no id, not even an empty one."""
    return "-" not in name


def normalised_category(category: str) -> str:
    """Return a category's name in lower camel case: `my-agent` and `my_agent` become `myAgent`.

    Message DB would cut `my-agent` at its hyphen, and Eventide's readers turn `my_agent` into
    `myAgent` silently. A name without `-` and `_` comes back as it is.

    Raises:
        RefusedName: an empty part, or anything but ASCII letters and digits, a letter first.
    """
    first, *others = re.split("[-_]", category)
    if not first or not all(others):
        raise _refused("category", category, "has an empty part")
    name = first + "".join(part[0].upper() + part[1:] for part in others)
    return _word("category", name)


def thread_category(category: str, version: str) -> str:
    """Return the category of threads, such as `agent:v0`.

    Args:
        category: a normalised category name, such as `agent`.
        version: such as `v0`; one of Message DB's reserved types is refused.

    Raises:
        RefusedName: the category or the version.
    """
    if version in RESERVED_TYPES:
        raise _refused("version", version, "is a reserved type")
    return f"{_word('category', category)}:{_word('version', version)}"


def thread_stream(category: str, version: str, thread_id: str) -> str:
    """Return the stream of a thread, such as `agent:v0-6f9c`.

    Args:
        category: a normalised category name.
        version: such as `v0`.
        thread_id: 1 to 200 of ASCII letters, digits and `._~-`.

    Raises:
        RefusedName: the category, the version or the thread id.
    """
    return f"{thread_category(category, version)}-{checked_thread_id(thread_id)}"


def definitions_category(category: str) -> str:
    """Return the category of the named definitions that stand beside threads: `agentDefinition`.

    Args:
        category: a normalised category name of threads, such as `agent`.

    Raises:
        RefusedName: the category.
    """
    return f"{_word('category', category)}Definition"


def definition_stream(category: str, name: str) -> str:
    """Return the stream of a named definition, such as `agentDefinition-support`.

    Raises:
        RefusedName: the category, or the name.
    """
    if not is_definition_name(name):
        why = "is not 1 to 100 of the characters A-Z a-z 0-9 _ -, a letter or digit first"
        raise _refused("definition", name, why)
    return f"{definitions_category(category)}-{name}"


def is_definition_name(name: str) -> bool:
    """Say whether a definition, or a template, may have this name."""
    return _DEFINITION.fullmatch(name) is not None


def users_category(category: str) -> str:
    """Return the category of what is remembered of users, such as `agentUser`.

    Args:
        category: a normalised category name of threads, such as `agent`.

    Raises:
        RefusedName: the category.
    """
    return f"{_word('category', category)}User"


def user_stream(category: str, user: str) -> str:
    """Return the stream of what is remembered of a user, such as `agentUser-ada~40example.org`.

    Letters, digits and `._-` stand as they are, every other byte of the name's UTF-8 as `~` and
    two hexadecimal digits; a name that is too long so, as `~~` and its SHA-256. So each name has a
    stream of its own, in which Message DB's readers see nothing but an id.

    Args:
        category: a normalised category name of threads.
        user: who it is, any text of at most 1,000 characters.

    Raises:
        RefusedName: the category; or the name is blank, too long, or holds U+0000 or half a
            surrogate pair.
    """
    given: object = user
    if not isinstance(given, str):
        raise _refused("user", given, "is no text")
    if len(user) > MAX_USER_CHARS:
        raise _refused("user", user, f"is longer than {MAX_USER_CHARS} characters")
    if not user.strip():
        raise _refused("user", user, "is empty")
    if _UNWRITABLE.search(user):
        raise _refused("user", user, "holds U+0000 or half a surrogate pair")
    id = "".join(_PLAIN.get(byte, f"~{byte:02X}") for byte in user.encode())
    if len(id) > _MAX_USER_ID:
        id = f"~~{hashlib.sha256(user.encode()).hexdigest()}"
    return f"{users_category(category)}-{id}"


def is_user_id(id: str) -> bool:
    """Say whether `user_stream` may have made this of a user's name."""
    return len(id) <= _MAX_USER_ID and _USER_ID.fullmatch(id) is not None


def beside(category: str, kind: str, identifier: str) -> str:
    """Return the name of a stream that is kept beside a category.

    It is of a category of its own, unseen by who reads the first: `agent:v0+position-workers`.

    Args:
        category: such as `agent:v0`.
        kind: what the stream holds, such as `position`.
        identifier: whose it is.

    Source: Message DB's grammar of names; Eventide appends the type `position` last.
    """
    joint = "+" if ":" in category else ":"
    return f"{category}{joint}{kind}-{identifier}"


def checked_thread_id(id: str) -> str:
    """Return `id`, or refuse it.

    Raises:
        RefusedName: not 1 to 200 of ASCII letters, digits and `._~-`.
    """
    given: object = id
    if not isinstance(given, str) or not _ID.fullmatch(given):
        raise _refused("thread id", id, "is not 1 to 200 of the characters A-Z a-z 0-9 . _ ~ -")
    return id


def is_thread(category: str, stream: str) -> bool:
    """Say whether a stream is one of a category, and has an id that a thread can have."""
    prefix = f"{category}-"
    return stream.startswith(prefix) and _ID.fullmatch(stream, len(prefix)) is not None


@lru_cache(maxsize=4096)  # a turn writes and locks its stream many times
def check_stream(name: str) -> None:
    """Refuse what is no stream name, or cannot be stored as one; foreign names may pass.

    Raises:
        RefusedName: no `-`, nothing on one side of it, control characters, too long.
    """
    _check_storable(name, "stream")
    if is_category(name):
        raise _refused("stream", name, "is a category: it has no id")
    if name[0] == "-" or not id_of(name):
        raise _refused("stream", name, "has an empty part")


def check_category(name: str, field: str = "category") -> None:
    """Refuse what is no category; foreign names may pass.

    Raises:
        RefusedName: empty, an id in it, control characters, too long.
    """
    _check_storable(name, field)
    if not name:
        raise _refused(field, name, "is empty")
    if not is_category(name):
        raise _refused(field, name, "holds an id: a category has no `-`")


def check_prefix(prefix: str) -> None:
    """Refuse what no stream name can begin with.

    Raises:
        RefusedName: control characters, too long.
    """
    _check_storable(prefix, "prefix")


def _check_storable(name: str, field: str) -> None:
    if len(name) > MAX_STREAM_NAME_BYTES:  # first, so that nothing scans a huge text
        raise _refused(field, name, f"is longer than {MAX_STREAM_NAME_BYTES} bytes")
    if _UNSTORABLE.search(name):
        raise _refused(field, name, "holds a control character or half a surrogate pair")
    if len(name.encode()) > MAX_STREAM_NAME_BYTES:
        raise _refused(field, name, f"is longer than {MAX_STREAM_NAME_BYTES} bytes")


def _word(field: str, text: str) -> str:
    if not _WORD.fullmatch(text):
        raise _refused(field, text, "is not 1 to 100 ASCII letters and digits, a letter first")
    return text


def _refused(field: str, value: object, why: str) -> RefusedName:
    is_long = isinstance(value, str) and len(value) > 60
    shown = ascii(f"{value:.60}..." if is_long else value)
    return RefusedName(f"{field} {shown} {why}", field=field)
