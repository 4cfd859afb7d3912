"""Posts every event to a URL, signed, in order per thread, and again until it is taken.

    WEBHOOK_URL=http://localhost:8080/hook WEBHOOK_SECRET=... python examples/webhook.py
    python examples/webhook.py --once

The receiver checks `X-Signature`: `sha256=` and the HMAC-SHA256, in hexadecimal digits, of
`X-Timestamp`, a dot and the body, under the secret; and refuses what is old. An event may come
again: `X-Message-Id` is the same each time. Anything but a status from 200 to 299 is an error: the
event is tried again after 1 s, 2 s, 4 s, ... up to 60 s, the thread's later events wait behind it,
and those of other threads go on. After 10 tries the thread is parked from that event on:
`messagedb-agent consume --parked list --group webhook`.
"""

import asyncio
import hashlib
import hmac
import json
import os
import signal
import sys
import time
import urllib.error
import urllib.request

from messagedb_agent import Subscription, connect
from messagedb_agent.consumers import Patience
from messagedb_agent.store.message import Message

TIMEOUT_S = 10.0
PATIENCE = Patience(tries=10, soonest_s=1.0, latest_s=60.0)


def signature(secret: str, timestamp: str, body: bytes) -> str:
    """Return what a receiver compares with `X-Signature`, by `hmac.compare_digest`."""
    signed = timestamp.encode() + b"." + body
    return "sha256=" + hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()


def body_of(message: Message) -> bytes:
    """Return a message as JSON; its data stand in it as they are stored."""
    envelope = {
        "id": message.id,
        "streamName": message.stream_name,
        "type": message.type,
        "position": message.position,
        "globalPosition": message.global_position,
    }
    return f'{json.dumps(envelope)[:-1]}, "data": {message.data or "null"}}}'.encode()


class Webhook:
    """Posts messages to a URL."""

    def __init__(self, url: str, secret: str) -> None:
        self._url = url
        self._secret = secret

    def __call__(self, message: Message) -> None:
        body, timestamp = body_of(message), str(int(time.time()))
        headers = {
            "Content-Type": "application/json",
            "X-Message-Id": message.id,
            "X-Timestamp": timestamp,
            "X-Signature": signature(self._secret, timestamp, body),
        }
        request = urllib.request.Request(self._url, body, headers)  # noqa: S310 - ours by choice
        try:
            urllib.request.urlopen(request, timeout=TIMEOUT_S).close()  # noqa: S310 - likewise
        except urllib.error.HTTPError as error:
            error.close()  # it is the answer, too
            raise


async def main() -> None:
    webhook = Webhook(os.environ["WEBHOOK_URL"], os.environ["WEBHOOK_SECRET"])
    async with connect(os.environ.get("MESSAGE_DB_URL")) as engine:
        subscription = Subscription(
            engine.store,
            os.environ.get("WEBHOOK_CATEGORY", "agent:v0"),
            webhook,
            name="webhook",
            patience=PATIENCE,
        )
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, subscription.stop)
        await subscription.run(once="--once" in sys.argv)


if __name__ == "__main__":
    asyncio.run(main())
