"""Which account runs the server: PostgreSQL refuses to run as root."""

import os
import pwd
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

from messagedb_agent.errors import ConfigurationError


class ProcessIdentity(TypedDict, total=False):
    """What `subprocess` takes to run a child as somebody else; empty means as ourselves."""

    user: int
    group: int
    extra_groups: list[int]


@dataclass(frozen=True, slots=True)
class Account:
    """An account other than our own that runs the server and owns its data."""

    name: str
    uid: int
    gid: int

    def may_enter(self, folder: Path) -> bool:
        """Whether the account can go through `folder` and every folder above it.

        What does not exist is taken as enterable: we shall make it so, or fail to. Access control
        lists are not looked at, so the answer may be a needless no.
        """
        return all(self._may(path, stat.S_IXUSR) for path in (folder, *folder.parents))

    def may_read(self, path: Path) -> bool:
        """Whether the account can reach `path` and read it."""
        return self.may_enter(path.parent) and self._may(path, stat.S_IRUSR)

    def _may(self, path: Path, owner_bit: int) -> bool:
        try:
            found = path.stat()
        except (FileNotFoundError, NotADirectoryError):
            return True
        except OSError:
            return False
        if owner_bit == stat.S_IXUSR and not stat.S_ISDIR(found.st_mode):
            return True  # no folder can be made there, and the attempt says so
        if found.st_uid == self.uid:
            return bool(found.st_mode & owner_bit)
        if found.st_gid == self.gid:
            return bool(found.st_mode & (owner_bit >> 3))
        return bool(found.st_mode & (owner_bit >> 6))


def server_account() -> Account | None:
    """Return the account that runs the server; None means our own.

    Raises:
        ConfigurationError: we are root, and there is no account to use.
    """
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        if entry.pw_uid != 0:
            return Account(name, entry.pw_uid, entry.pw_gid)
    raise ConfigurationError(
        "PostgreSQL does not run as root, and there is no account 'postgres' or 'nobody' to run "
        "the embedded server; create one (useradd --system postgres), or run as another user",
        field="MESSAGE_DB_URL",
    )


def identity(account: Account | None) -> ProcessIdentity:
    """Return the arguments that make `subprocess` run a child as `account`."""
    if account is None:
        return {}
    return {"user": account.uid, "group": account.gid, "extra_groups": []}
