"""The command `messagedb-agent`, and `python -m messagedb_agent.cli`, which is the same."""

import signal
import sys


def main() -> int:
    """Run the command line of this process; return its exit code."""
    before = signal.getsignal(signal.SIGINT)
    if before is signal.default_int_handler:  # Ctrl-C ends what is only being imported
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from messagedb_agent.cli import app

    if before is signal.default_int_handler:
        signal.signal(signal.SIGINT, before)
    return app.main()


if __name__ == "__main__":
    sys.exit(main())
