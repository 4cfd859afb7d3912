"""An outcome that is appended in the transaction which its tool has written in."""

from dataclasses import dataclass

from messagedb_agent.agent.counting import counts
from messagedb_agent.engine.batch import Batch, Draft
from messagedb_agent.engine.ended import Ended, Stands, Undone
from messagedb_agent.engine.journal import Journal
from messagedb_agent.errors import Conflict, StoreUnavailable, TransactionRefused
from messagedb_agent.events.recorded import Recorded
from messagedb_agent.events.schema import ToolExecutionCompleted, ToolExecutionFailed
from messagedb_agent.events.values import MAX_FAILURE_CHARS
from messagedb_agent.store.message import NewMessage
from messagedb_agent.store.transactional import Transaction, Transactional


@dataclass(frozen=True, slots=True)
class Within:
    """What a transactional tool's outcome is appended with.

    Attributes:
        store: begins transactions.
        journal: the thread; it is read and not moved on, as others work with it meanwhile.
    """

    store: Transactional
    journal: Journal

    async def commit(self, transaction: Transaction, fact: Draft) -> Ended:
        """Append an outcome where its stream ends, and commit; all of it, or nothing.

        What the tool wrote stands exactly where its outcome does. Where somebody else has closed
        the call, or the database refuses it, it is rolled back.

        Args:
            transaction: what the tool has written in.
            fact: the tool's result.

        Returns:
            `Stands` where it was committed; a failure to record where it was rolled back for good;
            `Undone` where it was rolled back, or nobody knows because the database went away.
            Whoever claims the call again finds out: that append waits for the category's lock,
            which a transaction that may still be committed holds, and then conflicts with it.
        """
        event = fact.event
        if not isinstance(event, ToolExecutionCompleted):
            raise TypeError(f"a {type(event).__name__} is no result of a tool")
        undone = Undone(event.call_id, event.attempt)
        try:
            batch = await self._sealed(transaction, fact, event.call_id)
            if batch is None:
                return _failed(fact, event, "all is rolled back: somebody else closed the call")
            (sealed,) = batch.sealed
            message = NewMessage(sealed.id, sealed.type, sealed.data, sealed.metadata)
            await transaction.commit(
                self.journal.stream, message, expected_version=batch.expected_version
            )
        except TransactionRefused as error:
            return _failed(fact, event, str(error))
        except (Conflict, StoreUnavailable):
            return undone
        return Stands(event.call_id)

    async def _sealed(self, transaction: Transaction, fact: Draft, call_id: str) -> Batch | None:
        """Seal an outcome behind all there is; None where its call is closed."""
        news = await transaction.locked(self.journal.stream, self.journal.version + 1)
        taken: set[str] = set()
        while True:
            batch = self.journal.behind(news, taken)
            head = batch.head
            recorded = Recorded(fact.id, head.stream, head.version + 1, fact.event, 0)
            if not counts(batch.shown.state, recorded):
                return None
            id = batch.only_id(call_id, "outcome")
            if not await transaction.has(id):
                batch.add(Draft(id, fact.event, fact.cause))
                return batch
            taken.add(id)  # by what answers nothing, as the call is open


def _failed(fact: Draft, event: ToolExecutionCompleted, why: str) -> Draft:
    failed = ToolExecutionFailed(
        call_id=event.call_id,
        attempt=event.attempt,
        kind="raised",
        message=why[:MAX_FAILURE_CHARS],
        elapsed_ms=event.elapsed_ms,
    )
    return Draft(fact.id, failed, fact.cause)
