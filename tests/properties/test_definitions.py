"""Whatever an author writes is kept as it was written, and makes one prompt."""

import asyncio
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from messagedb_agent.clock import FixedClock
from messagedb_agent.definitions import AgentDefinition, Definitions
from messagedb_agent.errors import ValidationError
from messagedb_agent.ids import TimeOrderedIds
from messagedb_agent.store.memory import MemoryStore
from tests.properties.effort import examples

TEXTS = st.text(max_size=20) | st.sampled_from(
    ("a\r\nb", " a ", "a\x1cb", "\x85a\u2028", "- a\n\n- b", "# Role", "{{a}}", "\0", "\ud800", "")
)
EXAMPLES = st.fixed_dictionaries({"user": TEXTS, "assistant": TEXTS})
FIELDS = st.fixed_dictionaries(
    {"role": TEXTS},
    optional={
        "goal": TEXTS,
        "constraints": st.lists(TEXTS, max_size=3),
        "personality": TEXTS,
        "instructions": TEXTS,
        "examples": st.lists(EXAMPLES, max_size=2),
        "name": TEXTS,
        "model": TEXTS,
        "tools": st.none() | st.lists(st.sampled_from(("echo", "a_b-c")), max_size=2),
    },
)


@examples(60)
@given(fields=FIELDS)
def test_what_is_saved_reads_back_equal_and_is_not_saved_again(fields: dict[str, Any]) -> None:
    try:
        written = AgentDefinition(**fields)
    except ValidationError:
        return
    again = AgentDefinition(**written.model_dump(exclude_defaults=True))
    assert again == written
    assert again.system_prompt == written.system_prompt
    asyncio.run(kept(written))


async def kept(written: AgentDefinition) -> None:
    clock = FixedClock()
    definitions = Definitions(MemoryStore(), "agent", clock, TimeOrderedIds(clock), "a-writer")
    saved = await definitions.save("one", written)
    assert (saved.definition, saved.system_prompt) == (written, written.system_prompt)
    assert await definitions.save("one", written) == saved
    assert len(await definitions.revisions("one")) == 1
