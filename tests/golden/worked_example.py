"""The worked example of the specification: two rows, their chain, and the request they fold to."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from messagedb_agent.events.chain import GENESIS, hash_text
from messagedb_agent.events.codec import Envelope, Sealed, seal
from messagedb_agent.events.metadata import Travelling
from messagedb_agent.events.recorded import Recorded
from messagedb_agent.events.schema import SessionStarted, UserMessageAdded
from messagedb_agent.events.values import Definition, ModelParameters, ToolSpec
from messagedb_agent.projections.conversation import conversation
from messagedb_agent.projections.projection import fold
from messagedb_agent.projections.requests import FoldedRequest, answer_request
from tests.rows import Row, stored

FILE = Path(__file__).parent / "worked-example.json"
STREAM = "agent:v0-0f8fad5b-d9cb-469f-a165-70867728950e"
WRITER = "kX3w9Qd_fzE"
STARTED = SessionStarted(
    thread_id="0f8fad5b-d9cb-469f-a165-70867728950e",
    definition=Definition(
        name="helper",
        system_prompt="Be brief.",
        model="offline",
        parameters=ModelParameters.model_validate({"temperature": "0.2"}),
        tools=(
            ToolSpec(
                name="calculate",
                description="Works out a sum.",
                parameters_schema='{"type":"object"}',
                effect="retry",
            ),
        ),
    ),
)
SAID = UserMessageAdded(text="Grüß dich! What is 42 * 7?", user="ada")


@dataclass(frozen=True, slots=True)
class Example:
    """The two rows and the request."""

    sealed: tuple[Sealed, Sealed]
    rows: tuple[Row, Row]
    request: FoldedRequest
    links: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """Return what `verify_chain.mjs` reads."""
        folded = self.request.request
        spec = folded.tools[0]
        return {
            "rows": [
                {
                    "id": row.id,
                    "streamName": row.stream_name,
                    "type": row.type,
                    "position": row.position,
                    "data": row.data,
                    "metadata": row.metadata,
                }
                for row in self.rows
            ],
            "hashes": [hash_text(one.hash) for one in self.sealed],
            "request": {
                "settings": {
                    "model": folded.model,
                    "parameters": {"temperature": "0.2"},
                    "systemPrompt": folded.system_prompt,
                    "tools": [
                        {
                            "name": spec.name,
                            "description": spec.description,
                            "parametersSchema": spec.parameters_schema,
                        }
                    ],
                },
                "messages": [{"role": "user", "text": SAID.text}],
                "links": list(self.links),
                "digest": self.request.digest,
            },
        }


def example() -> Example:
    """Return the example as the code makes it."""
    ids = ("019b76da-a800-7000-8000-000000000001", "019b76da-a801-7000-8000-000000000002")
    envelopes = [Envelope(None, Travelling(), 1_767_225_600_000 + ms, WRITER) for ms in (0, 1)]
    first = seal(ids[0], STREAM, 0, STARTED, envelopes[0], GENESIS)
    second = seal(ids[1], STREAM, 1, SAID, envelopes[1], first.hash)
    shown = fold(
        conversation,
        [Recorded(ids[0], STREAM, 0, first.event), Recorded(ids[1], STREAM, 1, second.event)],
    )
    return Example(
        (first, second),
        (stored(first, STREAM, 0), stored(second, STREAM, 1)),
        answer_request(shown),
        tuple(hash_text(entry.digest) for entry in shown.entries),
    )


if __name__ == "__main__":
    if not FILE.exists():
        text = json.dumps(example().as_json(), ensure_ascii=False, indent=2)
        FILE.write_text(text + "\n", encoding="utf-8")
