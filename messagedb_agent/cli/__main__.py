"""`python -m messagedb_agent.cli`: the same as the command `messagedb-agent`."""

import sys

from messagedb_agent.cli.app import main

if __name__ == "__main__":
    sys.exit(main())
