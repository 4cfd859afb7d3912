"""The tools that come along, called as the engine calls them."""

import json
from datetime import UTC, datetime

import pytest

from messagedb_agent.tools.builtin import builtin_tools
from messagedb_agent.tools.tool import ToolContext, ToolFailure, ToolResult
from messagedb_agent.tools.toolbox import Toolbox

NOON = datetime(2026, 7, 4, 12, 0, 30, 999_000, tzinfo=UTC)
TOOLS = Toolbox(*builtin_tools(now=lambda: NOON))
CONTEXT = ToolContext(thread_id="t", call_id="c", attempt=1, idempotency_key="k")


async def run(name: str, **arguments: str) -> ToolResult | ToolFailure:
    return await TOOLS.run(name, json.dumps(arguments), CONTEXT)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({}, "2026-07-04T12:00:30+00:00 (Saturday, UTC)"),
        ({"timezone": ""}, "2026-07-04T12:00:30+00:00 (Saturday, UTC)"),
        ({"timezone": "utc"}, "2026-07-04T12:00:30+00:00 (Saturday, UTC)"),
        ({"timezone": "Europe/Paris"}, "2026-07-04T14:00:30+02:00 (Saturday, Europe/Paris)"),
        (
            {"timezone": "Pacific/Kiritimati"},
            "2026-07-05T02:00:30+14:00 (Sunday, Pacific/Kiritimati)",
        ),
    ],
)
async def test_the_time_is_told_in_the_zone_asked_for(arguments: dict[str, str], text: str) -> None:
    assert await run("get_current_time", **arguments) == ToolResult(text)


@pytest.mark.parametrize(
    "zone", ["Gotham", "../../etc/passwd", "/etc/localtime", "Europe", "a\x00b", "x" * 10_000]
)
async def test_an_unknown_zone_is_refused_with_an_example(zone: str) -> None:
    match await run("get_current_time", timezone=zone):
        case ToolFailure("raised", message):
            assert message.startswith("unknown time zone ")
            assert message.endswith("use an IANA name such as Europe/Paris")
            assert len(message) < 200
        case outcome:
            pytest.fail(f"{outcome}")


async def test_calculate_gives_the_value_or_the_reason() -> None:
    assert await run("calculate", expression="42 * 7") == ToolResult("294")
    assert await run("calculate", expression="1 / 0") == ToolFailure("raised", "division by zero")


async def test_echo_gives_back_every_character() -> None:
    text = "a\x00b \N{SNOWMAN} \n"
    assert await run("echo", text=text) == ToolResult(text)


def test_all_of_them_may_be_run_again_and_need_no_approval() -> None:
    specs = TOOLS.specs()
    assert [spec.name for spec in specs] == ["get_current_time", "calculate", "echo"]
    assert {(spec.effect, spec.needs_approval) for spec in specs} == {("retry", False)}
    assert all(spec.description for spec in specs)


def test_the_clock_is_the_machines_where_none_is_given() -> None:
    before = datetime.now(UTC).replace(microsecond=0)
    told = Toolbox(*builtin_tools())
    assert told.specs() == TOOLS.specs()
    from messagedb_agent.tools.builtin import utc_now

    assert before <= utc_now() <= datetime.now(UTC)
