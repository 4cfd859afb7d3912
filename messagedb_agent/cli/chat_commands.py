"""What may be typed in a chat beside messages."""

from typing import TYPE_CHECKING

from messagedb_agent.cli.commands.viewing import print_transcript
from messagedb_agent.cli.naming import no_position, state_at
from messagedb_agent.cli.rendering.live import Live
from messagedb_agent.cli.terminal import note
from messagedb_agent.cli.turning import Turn
from messagedb_agent.errors import ValidationError

if TYPE_CHECKING:
    from messagedb_agent import Agent, Engine
    from messagedb_agent.agents.progress import Progress
    from messagedb_agent.cli.commands.chatting import Chat
    from messagedb_agent.events.recorded import Recorded

HELP = (
    "/show, /fork [POSITION], /model [NAME], /continue, /help, /exit;"
    " Ctrl-C stops a turn, Ctrl-D ends; a message that begins with / is typed with //"
)


_DIGITS = 19  # a number of so many does not always fit in a position


class Leave(Exception):
    """The person goes."""


async def commanded(chat: "Chat", line: str) -> Turn | None:
    """Do what a line says.

    Returns:
        The turn that it begins; None where it begins none.

    Raises:
        Leave: the person goes.
        ValidationError: there is no such command, or not with this value.
    """
    if not line.startswith("/") or line.startswith("//"):
        return chat.saying(line[1:] if line.startswith("//") else line)
    name, _, value = line[1:].partition(" ")
    value = value.strip()
    if value and name in ("exit", "help", "show", "continue"):
        raise ValidationError(f"/{name} stands alone", field="command")
    match name:
        case "exit":
            raise Leave
        case "help":
            note(HELP)
        case "show":
            await print_transcript(chat.engine, _begun(chat).thread_id)
        case "model":
            _choose_model(chat, value)
        case "continue":
            return chat.continuing(_begun(chat))
        case "fork":
            return await _forking(chat, value)
        case _:
            raise ValidationError(f"there is no /{name}; there are {HELP}", field="command")
    return None


def _begun(chat: "Chat") -> "Agent":
    if chat.agent is None:
        raise ValidationError("nothing has been said yet", field="thread")
    return chat.agent


def _choose_model(chat: "Chat", name: str) -> None:
    if name:
        chat.setup.model_settings.check(name)
        chat.engine.models(name)
        chat.model = name
    recorded = chat.agent.model if chat.agent else chat.setup.loaded.settings.model_name
    note(f"model: {chat.model or recorded or 'offline'}")


async def _forking(chat: "Chat", value: str) -> Turn:
    """Return the turn that goes on in a thread of its own, from here or from a position."""
    agent = _begun(chat)
    if value:
        agent = await _at(chat, agent, value)

    async def turn(engine: "Engine", live: Live) -> "Agent":
        return await agent.fork(progress=_telling(agent, live.progress))

    return turn


def _telling(agent: "Agent", progress: "Progress") -> "Progress":
    """Return a progress that also says which thread a fork of an agent is, before it goes on."""
    from messagedb_agent.agents.progress import Progress
    from messagedb_agent.events.schema import SessionStarted

    def on_event(recorded: "Recorded") -> None:
        if isinstance(recorded.event, SessionStarted):
            thread_id = recorded.stream.partition("-")[2]
            note(f"thread {thread_id}, forked at position {agent.position}")
        if progress.on_event:
            progress.on_event(recorded)

    return Progress(progress.on_delta, on_event)


async def _at(chat: "Chat", agent: "Agent", value: str) -> "Agent":
    if value.isascii() and value.isdigit() and len(value) < _DIGITS:
        return await state_at(chat.engine, agent, int(value), field="POSITION")
    raise no_position(agent, value, field="POSITION")
