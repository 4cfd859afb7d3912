"""Threads that the golden files hold: every case that decides what the model is shown."""

import json
from collections.abc import Callable

from messagedb_agent.events.schema import (
    Event,
    LlmResponseReceived,
    SessionStarted,
)
from messagedb_agent.events.strategy import parsed
from messagedb_agent.events.values import OutputVerdict
from messagedb_agent.events.words import ToolFailureKind
from tests.given import (
    Call,
    Given,
    History,
    Told,
    approved,
    asked,
    broke,
    call,
    cancelled,
    claim,
    compacted,
    definition,
    denied,
    done,
    ended,
    failed,
    given,
    replied,
    resolved,
    runs,
    started,
    tool,
    user,
)

_TOOLS = (
    tool("look", effect="retry", schema='{"type": "object", "properties": {"where": {}}}'),
    tool("pay"),
    tool("rm", approval=True),
)
_SCHEMA = '{"type": "object", "properties": {"euro": {"type": "integer"}}}'


def thread(*told: Told) -> Given:
    """Return a thread in which a user has spoken, a model call is open, and what came then."""
    return given(started(*_TOOLS), user("Is it in the attic?"), claim(), *told)


def _begun(context: str) -> Given:
    agent = definition(*_TOOLS, context=parsed(context))
    return given(SessionStarted(thread_id="thread", definition=agent))


def _talk(context: str, turns: int) -> Given:
    """Return a thread whose agent has a context strategy, and some turns of it."""
    told = [
        one
        for number in range(turns)
        for one in (user(f"And box {number}?"), claim(), replied(text=f"It holds {number}."))
    ]
    return _begun(context).and_(*told, user("And the last one?"))


def _in_a_long_turn(context: str) -> Given:
    rounds = [
        one
        for box in ("red", "blue", "green")
        for one in (claim(), replied(_look(box)), runs("look"), done("look", f"the {box} one"))
    ]
    talk = user("Hello!"), claim(), replied(text="Hello."), user("Look into all boxes.")
    return _begun(context).and_(*talk, *rounds)


def _half(_: History) -> Event:
    return claim("summary").model_copy(update={"projection_version": 2})


def _look(where: str) -> Call:
    return call("look", json.dumps({"where": where}))


def _with_blocks(told: Callable[[History], Event], blocks: str) -> Told:
    return lambda history: told(history).model_copy(update={"provider_blocks": blocks})


def _with_problem(told: Callable[[History], Event], why: str) -> Told:
    """Say of the calls of a reply that cannot run why they cannot."""

    def tell(history: History) -> Event:
        reply = told(history)
        assert isinstance(reply, LlmResponseReceived)
        calls = [
            c.model_copy(update={"problem_message": why if c.problem else None})
            for c in reply.tool_calls
        ]
        return reply.model_copy(update={"tool_calls": tuple(calls)})

    return tell


def _refused(name: str, kind: ToolFailureKind, why: str) -> Told:
    """A call ends without having run."""
    return lambda history: broke(name, kind, why)(history).model_copy(update={"attempt": 0})


def _went_wrong(name: str) -> Told:
    return lambda history: resolved(name, "the bank says no")(history).model_copy(
        update={"status": "failed"}
    )


def _ran(*calls: tuple[str, str]) -> Given:
    """Return a thread in which tools of any name ran with any arguments."""
    asked_for = replied(*(call(name, arguments) for name, arguments in calls))
    ran = [told for name, _ in calls for told in (runs(name), done(name, "ok"))]
    return thread(asked_for, *ran)


def _in_a_fork(results: Callable[[History], dict[str, object]]) -> Given:
    """Return a fork of a thread with an open round, told how it ended there."""
    parent = thread(
        replied(_look("attic"), "pay", "rm", call("look.twice"), text="Let me see."),
        asked("rm", "{}"),
        runs("look"),
        runs("pay"),
        done("look", "a box"),
        user("Hurry!"),
    )
    given = json.dumps(results(parent.history))
    return parent.forked(given, *_TOOLS).and_(user("And here?"))


THREADS: dict[str, Given] = {
    "message": given(started(*_TOOLS), user("Grüß dich!\n\n Zeile\u2028 \U0001f600 \\u0000 ")),
    "round": thread(
        _with_blocks(
            replied(_look("attic"), text="Let me see."), '{"family": "x", "signature": "c2ln"}'
        ),
        runs("look"),
        done("look", "a box,\nfull of \u201cletters\u201d"),
        claim(),
        replied(text="It is."),
        user("Thanks!"),
    ),
    "parallel-calls": thread(
        replied(_look("attic"), "pay", text=""),
        runs("look"),
        runs("pay"),
        done("pay", "paid"),
        done("look", "a box"),
    ),
    "changed-arguments": thread(
        replied(call("rm", '{"path": "/"}')),
        asked("rm"),
        approved("rm", '{"path": "/tmp/box"}'),
        runs("rm"),
        done("rm", "gone"),
        claim(),
        replied(call("rm", '{"path": "/home"}')),
        asked("rm"),
        approved("rm", '{"path": "/tmp/bag"}'),
        runs("rm"),
        broke("rm", "raised", "no such bag"),
    ),
    "approved-as-asked": thread(
        replied(call("rm", '{"path": "/tmp"}')),
        asked("rm"),
        approved("rm"),
        runs("rm"),
        done("rm", "gone"),
    ),
    "denial": thread(
        replied("rm"),
        asked("rm"),
        denied("rm", "not here"),
        claim(),
        replied("rm"),
        asked("rm"),
        denied("rm"),
    ),
    "cancelled-turn": thread(
        replied(_look("attic"), "pay", "rm", text="Let me see."),
        asked("rm"),
        runs("look"),
        runs("pay"),
        done("look", "a box"),
        user("Stop!"),
        cancelled(),
        broke("pay", "outcome_unknown", "it may have been paid"),
        user("What now?"),
    ),
    "cancelled-call": thread(cancelled(), replied("pay", text="I pay."), user("What now?")),
    "completed-session": thread(
        replied(_look("attic"), "rm"),
        asked("rm"),
        runs("look"),
        done("look", "a box"),
        ended(),
        user("What now?"),
    ),
    "failed-tools": thread(
        _with_problem(
            replied(
                _look("attic"),
                "pay",
                call("conjure", "{}", "unknown_tool"),
                call("rm", '{"path"', "cut_off"),
            ),
            "it cannot run",
        ),
        _refused("conjure", "unknown_tool", "there is no tool named conjure"),
        _refused("rm", "cut_off", "the reply ended within this call"),
        runs("look"),
        runs("pay"),
        broke("look", "raised", "FileNotFoundError: attic"),
        broke("pay", "timed_out", "no result within 5 s"),
    ),
    "unknown-outcome": thread(
        replied("pay"),
        runs("pay"),
        broke("pay", "outcome_unknown", "the worker died while the tool ran"),
        claim(),
        replied(text="It may have been paid."),
        resolved("pay", "booked on Monday"),
    ),
    "note-during-a-call": thread(
        replied("pay"),
        runs("pay"),
        broke("pay", "outcome_unknown", "the worker died while the tool ran"),
        claim(),
        _went_wrong("pay"),
        user("Well?"),
        replied(text="I am waiting."),
    ),
    "message-during-a-turn": thread(
        user("Or in the cellar?"),
        replied(_look("attic")),
        runs("look"),
        user("Or nowhere?"),
        done("look", "a box"),
        claim(),
        user("Are you there?"),
        failed("unavailable", "503"),
    ),
    "open-round": thread(
        replied(text="Yes."),
        user("Sure?"),
        claim(),
        replied(_look("attic"), text="Let me see."),
        runs("look"),
        user("Hurry!"),
    ),
    "compaction": thread(
        replied(_look("attic")),
        runs("look"),
        done("look", "a box"),
        claim(),
        replied(text="It is."),
        user("And the key?"),
        claim(),
        failed("context_overflow", "too long"),
        claim("summary"),
        user("The small one."),
        compacted(7, "A box stands in the attic."),
    ),
    "second-compaction": thread(
        replied(text="Yes."),
        user("And the key?"),
        claim("summary"),
        compacted(3, "It is in the attic."),
        claim(),
        replied(text="In the drawer."),
        user("Which one?"),
        claim("summary"),
        compacted(7, "Box in the attic, key in the drawer."),
        claim(),
        replied(text="The upper one."),
        user("Thanks!"),
    ),
    "fork": _in_a_fork(lambda history: {}),
    "fork-with-given-results": _in_a_fork(
        lambda history: {
            history.call("look"): "what is recorded stands",
            history.call("pay"): "paid in another world",
            history.call("rm"): " \n",
            history.call("look.twice"): 2,
            "nobody's": "nothing",
        }
    ),
    "fork-during-a-call": thread(replied(text="Yes."), user("Sure?"), claim(), user("Well?"))
    .forked(None, *_TOOLS)
    .and_(claim(), replied(text="Quite.")),
    "blank-words": given(started(*_TOOLS), user(" \n"), claim()).and_(
        replied("look", "pay", text=" \n"),
        runs("look"),
        runs("pay"),
        done("look", ""),
        done("pay", " \n\t"),
        claim(),
        replied(text=" "),
        user("Hello?"),
    ),
    "names-and-arguments": _ran(
        ("look", "[1]"),
        ("look for it!", '{"where": [1, 2.50, 1e400]}'),
        ("x" * 70, '{"where":'),
        ("", '{"where": NaN}'),
        ("naïve", ""),
        ("null", "null"),
        ("as-deep-as-may-be", f'{{"a": {"[" * 99}{"]" * 99}}}'),
        ("too-deep", f'{{"a": {"[" * 100}{"]" * 100}}}'),
    ),
    "window": _talk("last_n:4", 4),
    "window-over-the-beginning": _talk("first_last:2,3,sliding", 4),
    "window-in-a-long-turn": _in_a_long_turn("last_n:5,sliding"),
    "window-of-characters": _talk("token_window:80", 5),
    "output": given(started(*_TOOLS), user("What is it worth?", _SCHEMA), claim()).and_(
        replied("look"),
        runs("look"),
        done("look", "a box"),
    ),
    "output-sent-back": given(started(*_TOOLS), user("What is it worth?", _SCHEMA), claim()).and_(
        replied(text="Seven euro.", verdict=OutputVerdict(problem="it is not JSON")),
    ),
    "output-given": given(started(*_TOOLS), user("What is it worth?", _SCHEMA), claim()).and_(
        replied(text="Seven euro.", verdict=OutputVerdict(problem="it is not JSON")),
        claim(repairs=True),
        replied(text='{"euro": 7}', verdict=OutputVerdict()),
        user("Thanks!"),
    ),
    "summary": thread(
        replied(_look("attic")),
        runs("look"),
        user("Hurry!"),
        done("look", "a box"),
        claim(),
        replied(text="It is."),
        user("And the key?"),
        user("The small one."),
    ),
    "summary-of-half": _talk("summarize:50", 4),
    "summary-of-half-a-window": _talk("first_last:1,4,sliding | summarize:50", 4),
    "summary-of-a-long-result": thread(
        replied(_look("attic"), text="Let me see."),
        runs("look"),
        done("look", "ab" * 12_000),
        claim(),
        failed("context_overflow", "too long"),
    ),
    "half-compacted": _talk("summarize:50", 4).and_(
        _half,
        compacted(9, "Boxes hold their numbers."),
        claim(),
        replied(text="Nothing."),
        user("Sure?"),
    ),
    "summary-in-a-fork": thread(replied(text="Yes."))
    .forked(None, *_TOOLS)
    .and_(user("Sure?"), claim(), replied(text="Quite."), user("Why?")),
}
"""By name; a summary is asked for where the name begins so."""
