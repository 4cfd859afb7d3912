"""Bounds that are part of what a thread means: all who fold or take on a thread share them."""

import json

MAX_INTERRUPTIONS = 3
"""How many claims of a model call in a row may be interrupted before a person must look."""

MAX_TOOL_ATTEMPTS = 3
"""How often a tool call is begun; one that lost its worker in the last is of unknown outcome."""

MAX_PARALLEL_CALLS = 32
"""How many tool calls of one thread run at once; the others wait, unclaimed."""

MAX_TEXT_BYTES = 512 * 1024
"""Most bytes of JSON that a call, a reply or a result may have; a row of ours holds 1 MiB."""

_MOST_BYTES_A_CHAR = 6  # a control character, written as an escape


def is_too_large(*texts: str) -> bool:
    """Say whether texts, written as JSON, have more than `MAX_TEXT_BYTES` bytes together."""
    if sum(map(len, texts)) * _MOST_BYTES_A_CHAR <= MAX_TEXT_BYTES:
        return False
    written = json.dumps(texts, ensure_ascii=False).encode(errors="surrogatepass")
    return len(written) > MAX_TEXT_BYTES
