"""`search`: finds what was said; `db reindex`: takes in what a search reads."""

from messagedb_agent.cli.common import Common
from messagedb_agent.cli.exits import ExitCode
from messagedb_agent.cli.naming import ShortThreads
from messagedb_agent.cli.next_steps import command
from messagedb_agent.cli.opening import opened, set_up
from messagedb_agent.cli.rendering.json import text_of, utc_text
from messagedb_agent.cli.rendering.tables import print_table
from messagedb_agent.cli.rendering.text import local_time
from messagedb_agent.cli.running import run
from messagedb_agent.cli.terminal import note, out

_HEADINGS = ("message", "by", "said", "text")


def search(common: Common, text: str, user: str | None, limit: int, form: str) -> int:
    """Print the messages that fit, the best first."""
    setup = set_up(common)

    async def work() -> None:
        async with opened(setup) as engine:
            hits = await engine.search(text, user=user, limit=limit)
            short = ShortThreads(engine)
            names = [await short.name(hit.thread_id, hit.position) for hit in hits]
        if form == "json":
            found = [
                {
                    "threadId": hit.thread_id,
                    "position": hit.position,
                    "role": hit.role,
                    "by": hit.by,
                    "saidAt": utc_text(hit.said_at),
                    "snippet": hit.snippet,
                    "rank": hit.rank,
                }
                for hit in hits
            ]
            out(text_of(found))
        elif not hits:
            note("nothing found")
        else:
            rows = [
                (
                    name,
                    hit.by or hit.role,
                    local_time(int(hit.said_at.timestamp() * 1000)),
                    hit.snippet,
                )
                for name, hit in zip(names, hits, strict=True)
            ]
            print_table(_HEADINGS, rows)
            note(f"see it with: {command(setup.common, 'show', hits[0].thread_id)}")

    run(work())
    return ExitCode.OK


def reindex(common: Common, *, anew: bool) -> int:
    """Take in what is new, or all."""
    setup = set_up(common)

    async def work() -> int:
        async with opened(setup) as engine:
            return await engine.index_search(anew=anew)

    note(f"messages taken in for the search: {run(work())}")
    return ExitCode.OK
