"""Tells somebody that a tool call waits for approval: one line each, or a message to a URL.

    messagedb-agent consume examples.notifier:tell --group notifier --from now \
        --types ToolApprovalRequested
    NOTIFY_URL=http://localhost:8080/hook messagedb-agent consume examples.notifier:tell ...

It is told at least once: after a crash some may be told again.
"""

import json
import os
import urllib.error
import urllib.request

from messagedb_agent.store.message import Message

TIMEOUT_S = 10.0


def tell(message: Message) -> None:
    """Tell of one message; what raises is tried again, and parked in the end."""
    if message.type != "ToolApprovalRequested":
        return
    asked = json.loads(message.data or "{}")
    thread = message.stream_name.partition("-")[2]
    line = f"{asked['toolName']} {asked['arguments']} waits: messagedb-agent approve {thread}"
    if url := os.environ.get("NOTIFY_URL"):
        body = json.dumps({"text": line}).encode()
        request = urllib.request.Request(  # noqa: S310 - whoever sets the URL chose it
            url, body, {"Content-Type": "application/json"}
        )
        try:
            urllib.request.urlopen(request, timeout=TIMEOUT_S).close()  # noqa: S310 - likewise
        except urllib.error.HTTPError as error:
            error.close()  # it is the answer, too
            raise
    else:
        print(line, flush=True)
