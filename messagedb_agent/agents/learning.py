"""Facts that a model finds in what users have said, each with the message that taught it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import orjson
import pydantic

from messagedb_agent.agent.decider import check_open
from messagedb_agent.agents.memory import MAX_FACTS, UserMemory
from messagedb_agent.agents.run import Run
from messagedb_agent.engine.aside import ask_aside
from messagedb_agent.engine.batch import Batch
from messagedb_agent.engine.effects import Effects
from messagedb_agent.engine.history import read_events
from messagedb_agent.errors import RefusedName, ValidationError
from messagedb_agent.events.memory import (
    FactRemembered,
    FactsExtracted,
    MemoryEvent,
    checked_name,
    value_text,
)
from messagedb_agent.events.recorded import Place
from messagedb_agent.events.schema import LlmCallFailed, LlmResponseReceived, UserMessageAdded
from messagedb_agent.events.values import EventPlace, MessageRange
from messagedb_agent.projections.conversation import Conversation
from messagedb_agent.projections.memory import Fact, Memory
from messagedb_agent.projections.requests import FoldedRequest, facts_request

_MOST_AT_ONCE = 40  # messages of a conversation that one request shows
_BEFORE = 4  # of them, those before the first new one, by which it is understood
_MOST_FACTS = 100  # of one answer


class Unusable(Exception):
    """The model's answer is no list of facts."""


class _Found(pydantic.BaseModel):
    """A fact as a model gives it."""

    message: pydantic.StrictInt
    key: str
    value: pydantic.JsonValue
    category: str | None = None


class _Answer(pydantic.BaseModel):
    facts: list[_Found] = pydantic.Field(max_length=_MOST_FACTS)


@dataclass(frozen=True, slots=True)
class _Said:
    """A message of a user that was not looked through yet, and its place in the conversation."""

    number: int
    place: Place
    user: str


@dataclass
class _Asked:
    """What a request shows of the conversation."""

    said: Sequence[_Said] = ()


async def learn(
    run: Run, effects: Effects, memory: UserMemory, by: str | None
) -> tuple[Fact, ...] | LlmCallFailed:
    """Ask a thread's model what its users say of themselves, and remember it.

    What was looked through before is not asked about again: how far that is stands in the users'
    streams, in one append with the facts.

    Args:
        run: the thread.
        effects: asks the model.
        memory: where facts are remembered.
        by: who wants it, for the log.

    Returns:
        What is known now and was not before; or why the model gave no answer.

    Raises:
        Unusable: the model's answer is no list of facts; nothing of it is remembered.
        Refused: the thread was never started or is deleted, it holds an event that needs newer
            code, or a limit of it is reached.
    """
    learned: list[Fact] = []
    while True:
        await run.journal.catch_up()
        speakers = await _speakers(run, memory)
        if not _new(run.journal.shown, speakers):
            return tuple(learned)
        asked = _Asked()

        def fold(
            shown: Conversation,
            asked: _Asked = asked,
            speakers: Mapping[Place, str] = speakers,
        ) -> FoldedRequest:
            check_open(shown.state)
            new = _new(shown, speakers)
            first = max(0, new[0].number - _BEFORE) if new else 0
            end = min(len(shown.entries), first + _MOST_AT_ONCE)
            asked.said = [said for said in new if said.number < end]
            return facts_request(shown, _left_out(first, end, len(shown.entries)))

        outcome = await ask_aside(run.journal, effects.perform, "facts", fold, _nothing_more)
        if isinstance(outcome, LlmCallFailed):
            return outcome
        if isinstance(outcome, LlmResponseReceived):
            found = _found(outcome.text, {said.number for said in asked.said})
            learned += await _remember(memory, outcome.llm_call_id, asked.said, found, by)


def _nothing_more(_: Batch, __: LlmResponseReceived) -> None:
    """Let nothing follow in the thread: facts stand in the users' streams."""


async def _speakers(run: Run, memory: UserMemory) -> Mapping[Place, str]:
    """Return who said what was not looked through yet, by the places of the messages."""
    owner = run.view.started.user if run.view.started else None
    known: dict[str, Memory | None] = {}
    speakers = {}
    async for recorded in read_events(memory.store, run.journal.stream):
        if not isinstance(recorded.event, UserMessageAdded):
            continue
        user = recorded.event.user or owner or ""
        if user not in known:
            try:
                known[user] = await memory.recall(user)
            except RefusedName:  # nobody, or of whom no stream can be
                known[user] = None
        of_user = known[user]
        if of_user and recorded.position > of_user.extracted.get(recorded.stream, -1):
            speakers[recorded.place] = user
    return speakers


def _new(shown: Conversation, speakers: Mapping[Place, str]) -> Sequence[_Said]:
    return [
        _Said(number, entry.source, speakers[entry.source])
        for number, entry in enumerate(shown.entries)
        if entry.source in speakers
    ]


def _left_out(first: int, end: int, size: int) -> tuple[MessageRange, ...]:
    before = (MessageRange(last=first - 1),) if first else ()
    behind = (MessageRange(first=end, last=size - 1),) if end < size else ()
    return (*before, *behind)


def _found(text: str, numbers: set[int]) -> Sequence[_Found]:
    """Return the facts in a model's answer, those of messages that it was to look through.

    Raises:
        Unusable: it is no list of facts, or one of them cannot be kept.
    """
    text = text.strip().removeprefix("```json").removeprefix("```").removesuffix("```")
    try:
        found = _Answer.model_validate(orjson.loads(text)).facts
        for fact in found:
            checked_name(fact.key, "key")
            value_text(fact.value)
            if fact.category is not None:
                checked_name(fact.category, "category")
    except pydantic.ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"])) or "answer"
        raise Unusable(f"{where}: {first['msg']}") from error
    except (orjson.JSONDecodeError, ValidationError) as error:
        raise Unusable(str(error)) from error
    return [fact for fact in found if fact.message in numbers]


async def _remember(
    memory: UserMemory,
    claim: str,
    said: Sequence[_Said],
    found: Sequence[_Found],
    by: str | None,
) -> Sequence[Fact]:
    """Note facts in the streams of those who said them, and how far was looked."""
    learned: list[Fact] = []
    for user in dict.fromkeys(one.user for one in said):
        own = {one.number: one for one in said if one.user == user}
        events: list[MemoryEvent] = []

        def wanted(
            known: Memory,
            user: str = user,
            own: Mapping[int, _Said] = own,
            events: list[MemoryEvent] = events,
        ) -> Sequence[MemoryEvent]:
            events[:] = _events(known, user, claim, own, found, by)
            return events

        after = await memory.note(user, wanted)
        keys = [event.key for event in events if isinstance(event, FactRemembered)]
        learned += [after.facts[key] for key in dict.fromkeys(keys)]
    return learned


def _events(
    known: Memory,
    user: str,
    claim: str,
    own: Mapping[int, _Said],
    found: Sequence[_Found],
    by: str | None,
) -> Sequence[MemoryEvent]:
    """Return what is to be noted of a user; nothing that another one has noted meanwhile."""

    def is_new(place: Place) -> bool:
        return place.position > known.extracted.get(place.stream, -1)

    texts = {key: (fact.text, fact.category) for key, fact in known.facts.items()}
    events: list[MemoryEvent] = []
    for fact in found:
        one, text = own.get(fact.message), value_text(fact.value)
        is_known = texts.get(fact.key) == (text, fact.category)
        has_room = fact.key in texts or len(texts) < MAX_FACTS
        if one is None or not is_new(one.place) or is_known or not has_room:
            continue
        texts[fact.key] = (text, fact.category)
        taught = EventPlace(stream_name=one.place.stream, position=one.place.position)
        events.append(
            FactRemembered(
                user=user,
                key=fact.key,
                value=text,
                category=fact.category,
                taught_by=taught,
                by=by,
            )
        )
    through: dict[str, int] = {}
    for one in own.values():
        if is_new(one.place):
            through[one.place.stream] = max(one.place.position, through.get(one.place.stream, -1))
    events += [
        FactsExtracted(user=user, stream_name=stream, position=position, llm_call_id=claim)
        for stream, position in through.items()
    ]
    return events
