"""A tool that waits for approval, and what it did."""

from pathlib import Path

TOOLS = '''
from messagedb_agent import tool

@tool(needs_approval=True)
def wipe(path: str) -> str:
    """Remove a folder.

    Args:
        path: which.
    """
    with open("ledger", "a") as file:
        file.write(path + "\\n")
    return f"{path} is gone"
'''
WIPE = 'call wipe {"path": "/tmp"}'
BOTH = 'call wipe {"path": "/a"}\ncall wipe {"path": "/b"}'


def planted() -> tuple[str, str]:
    """Write the tool's module into the current folder; return the options that name it."""
    Path("people_tools.py").write_text(TOOLS)
    return ("--tools", "people_tools")


def wiped() -> list[str]:
    """Return what the tool was let remove, in order."""
    ledger = Path("ledger")
    return ledger.read_text().split() if ledger.exists() else []
