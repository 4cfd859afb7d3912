"""Another program on the same Message DB: follow a thread, and say something in it.

It knows nothing of this project but its stream names and two keys of its events, and uses
message-db-py alone (`pip install message-db-py psycopg2-binary`):

    python examples/additional_consumer.py THREAD --url "$(messagedb-agent db url)"
    python examples/additional_consumer.py THREAD --from 8
    python examples/additional_consumer.py THREAD --say "What is 6 * 7?"
    messagedb-agent continue THREAD

THREAD is the whole id of a thread. The last line answers what the line before it has said. The
URL is that of the role `message_store`; for another role add
`&options=-csearch_path%3Dmessage_store,public`.
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Iterator
from typing import Any

from message_db.client import MessageDB

PAGE = 1000
SHOWN_CHARACTERS = 100


def follow(
    client: MessageDB, stream: str, position: int, *, poll_s: float | None
) -> Iterator[dict[str, Any]]:
    """Yield the messages of a stream from a position on, and new ones as they come.

    Args:
        client: the Message DB.
        stream: full name of the stream.
        position: first position to read.
        poll_s: seconds between looks for news; None stops at the end.
    """
    while True:
        page = client.read_stream(stream, position, PAGE)
        yield from page
        if page:
            position = page[-1]["position"] + 1
        elif poll_s is None:
            return
        else:
            time.sleep(poll_s)


def say(client: MessageDB, stream: str, text: str) -> int:
    """Add a user's message as any writer may, and return its position."""
    position: int = client.write(stream, "UserMessageAdded", {"text": text})
    return position


def line(message: dict[str, Any]) -> str:
    """Return a message as one line; its position comes first, for `--from`."""
    data = json.dumps(message["data"], ensure_ascii=False)
    cut = data if len(data) <= SHOWN_CHARACTERS else f"{data[: SHOWN_CHARACTERS - 1]}…"
    return f"{message['position']:>6}  {message['type']:<24}  {cut}"


def main() -> None:
    given = _arguments()
    client = MessageDB.from_url(given.url, max_connections=1)
    stream = f"{given.category}-{given.thread}"
    if given.say is not None:
        print(f"{say(client, stream, given.say)}: said; messagedb-agent continue {given.thread}")
        return
    try:
        for message in follow(client, stream, given.start, poll_s=None if given.once else 0.5):
            print(line(message), flush=True)
    except KeyboardInterrupt:
        sys.exit(130)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("thread", metavar="THREAD", help="whole id of the thread")
    parser.add_argument("--url", default=os.environ.get("MESSAGE_DB_URL"), help="of the Message DB")
    parser.add_argument("--category", default="agent:v0", help="of the thread's stream")
    parser.add_argument("--from", dest="start", type=int, default=0, metavar="POSITION")
    parser.add_argument("--once", action="store_true", help="stop at the end of the stream")
    parser.add_argument("--say", metavar="TEXT", help="add a user's message, and do not follow")
    given = parser.parse_args()
    if not given.url:
        parser.error("--url or MESSAGE_DB_URL is needed")
    return given


if __name__ == "__main__":
    main()
