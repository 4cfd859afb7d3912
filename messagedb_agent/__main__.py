"""`python -m messagedb_agent`: the same as the command `messagedb-agent`."""

import sys

from messagedb_agent.cli.__main__ import main

if __name__ == "__main__":
    sys.exit(main())
