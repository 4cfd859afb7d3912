"""What a context strategy leaves out of a conversation.

The messages that are shown begin where they began for the call before, and when they are too many,
they begin further on: a cut never moves back, and nothing is shown again. A cut stands before a
message of the user, or between two rounds; then the message that the turn answers is shown too.
What the model has not seen yet is always shown. An answer that was sent back, as it is not the
output that was asked for, is no turn's end: the note that says so stays with it.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from messagedb_agent.events.request import AssistantReply, RequestMessage, ToolAnswer, UserText
from messagedb_agent.events.strategy import (
    ContextStrategy,
    FirstLast,
    LastN,
    Summarize,
    TokenWindow,
)
from messagedb_agent.events.values import MessageRange
from messagedb_agent.projections.conversation import REJECTED

CountTokens = Callable[[str], int]
"""Says how many tokens a text has, at least about."""
Weigh = Callable[[RequestMessage], int]
"""Says how much of a bound a message takes: one, or its tokens."""

_SENT_BACK = REJECTED.partition("{")[0]
_TOKENS_A_MESSAGE = 4  # role and delimiters, about, in every provider's format


def text_of(message: RequestMessage) -> str:
    """Return all that is sent of a message, as one text."""
    if not isinstance(message, AssistantReply):
        return message.text
    asked = (part for call in message.calls for part in (call.name, call.arguments))
    return "\n".join((message.text, *asked, message.provider_blocks or ""))


def left_out(
    strategy: ContextStrategy,
    messages: Sequence[RequestMessage],
    before: Sequence[MessageRange],
    count_tokens: CountTokens,
) -> tuple[MessageRange, ...]:
    """Return which messages are not shown, by their places in the conversation.

    Args:
        strategy: the strategy in force.
        messages: the conversation.
        before: what was left out for the call before, under the same strategy.
        count_tokens: counts tokens of a text as the model does.
    """
    if not strategy.parts:
        return ()
    cut = _Cut(messages, 0, min(_begun(messages, before), _unseen(messages)))

    def tokens(message: RequestMessage) -> int:
        return count_tokens(text_of(message)) + _TOKENS_A_MESSAGE

    # What begins the conversation is shown whatever else is said, and takes of every bound.
    for part in sorted(strategy.parts, key=lambda part: not isinstance(part, FirstLast)):
        match part:
            case LastN(messages=most, slides=slides):
                cut = cut.bounded(most - cut.weight_of_head(_one), _one, slides=slides)
            case FirstLast(first=first, last=last, slides=slides):
                cut = cut.with_head(first).bounded(last, _one, slides=slides)
            case TokenWindow(tokens=most, slides=slides):
                cut = cut.bounded(most - cut.weight_of_head(tokens), tokens, slides=slides)
            case Summarize():
                pass  # that is decided, and done, before the model is asked
    return cut.ranges()


def kept(messages: Sequence[RequestMessage], out: Sequence[MessageRange]) -> Iterator[range]:
    """Return the places of the messages that are shown; whatever ranges a log names are taken."""
    at = 0
    for one in out:
        if one.first > at:
            yield range(at, min(one.first, len(messages)))
        at = max(at, one.last + 1)
    if at < len(messages):
        yield range(at, len(messages))


def heeded(
    messages: Sequence[RequestMessage], before: Sequence[MessageRange]
) -> Sequence[MessageRange]:
    """Return what was left out for the call before, if a model could be shown the rest of it.

    Others may have written anything: ranges that part a round, or take what the conversation begins
    with, are taken for none.

    Args:
        messages: the conversation.
        before: what was left out.
    """
    shown = [part for part in kept(messages, before) if part]
    if not shown or not isinstance(messages[shown[0].start], UserText):
        return ()
    size = len(messages)
    cuts = {place for part in shown for place in (part.start, part.stop)} - {0, size}
    return before if all(_may_begin(messages, cut) for cut in cuts) else ()


def _one(_: RequestMessage) -> int:
    return 1


def _begun(messages: Sequence[RequestMessage], before: Sequence[MessageRange]) -> int:
    """Return where the newest messages began; others may have written anything."""
    start = before[-1].last + 1 if before else 0
    return start if start < len(messages) and _may_begin(messages, start) else 0


def _may_begin(messages: Sequence[RequestMessage], index: int) -> bool:
    return not isinstance(messages[index], ToolAnswer) and not _sends_back(messages, index)


def _opens(messages: Sequence[RequestMessage], index: int) -> bool:
    """Say whether a message stands for what a turn answers."""
    return isinstance(messages[index], UserText) and not _sends_back(messages, index)


def _sends_back(messages: Sequence[RequestMessage], index: int) -> bool:
    """Say whether a message is the note that an answer is sent back by.

    A user may say the same, and is taken for one. The first message is none, whatever it says.
    """
    message = messages[index]
    return index > 0 and isinstance(message, UserText) and message.text.startswith(_SENT_BACK)


def _unseen(messages: Sequence[RequestMessage]) -> int:
    """Return where that begins which the model has not seen.

    That is the newest round, or what was said, with the answer that was sent back, if one was.
    """
    at = len(messages)
    while at and not isinstance(messages[at - 1], AssistantReply):
        at -= 1
    reply = messages[at - 1] if at else None
    asks = isinstance(reply, AssistantReply) and bool(reply.calls)
    is_whole = at < len(messages) and _may_begin(messages, at)
    return at if not at or (is_whole and not asks) else at - 1


@dataclass(frozen=True, slots=True)
class _Cut:
    """The messages before `head` are shown, and those from `start` on."""

    messages: Sequence[RequestMessage]
    head: int
    start: int

    def with_head(self, first: int) -> "_Cut":
        """Show the first messages; no round is parted, and the first message is shown always."""
        size = len(self.messages)
        head = min(first, size)
        while head < size and head and not _may_begin(self.messages, head):
            head -= 1
        return _Cut(self.messages, max(head, self.head, min(1, size)), self.start)

    def weight_of_head(self, weigh: Weigh) -> int:
        return sum(weigh(message) for message in self.messages[: self.head])

    def bounded(self, most: int, weigh: Weigh, *, slides: bool) -> "_Cut":
        """Begin further on where that is needed: in a jump to half of it, or sliding."""
        start, size = max(self.head, self.start), len(self.messages)
        if start == size:
            return self
        weights = {place: weigh(self.messages[place]) for place in range(start, size)}
        rest, opener = sum(weights.values()), self._opener(start)
        weight_of_opener = weigh(self.messages[opener]) if opener is not None else 0
        if rest + weight_of_opener <= most:
            return _Cut(self.messages, self.head, start)
        goal, latest = most if slides else most // 2, min(_unseen(self.messages), size - 1)
        while start < latest and rest + weight_of_opener > goal:
            if _opens(self.messages, start):
                weight_of_opener = weights[start]
            rest -= weights[start]
            start += 1
            while start < latest and not _may_begin(self.messages, start):
                rest -= weights[start]
                start += 1
            if _opens(self.messages, start):
                weight_of_opener = 0
        return _Cut(self.messages, self.head, start)

    def _opener(self, start: int) -> int | None:
        """Return the place of the message that a cut turn answers; None where it is shown."""
        if _opens(self.messages, start):
            return None
        at = start
        while at > self.head:
            at -= 1
            if _opens(self.messages, at):
                return at
        return None

    def ranges(self) -> tuple[MessageRange, ...]:
        start = max(self.head, self.start)
        if start <= self.head:
            return ()
        opener = self._opener(start)
        begins = (self.head,) if opener is None else (self.head, opener + 1)
        ends = (start,) if opener is None else (opener, start)
        pairs = zip(begins, ends, strict=True)
        return tuple(MessageRange(first=a, last=b - 1) for a, b in pairs if a < b)
