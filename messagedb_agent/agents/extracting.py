"""What is known of users, with what can be learned of them from threads: `Engine.memory`."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from messagedb_agent.agents.learning import Unusable
from messagedb_agent.agents.memory import UserMemory
from messagedb_agent.agents.standing import Standing
from messagedb_agent.errors import ModelError
from messagedb_agent.events.schema import LlmCallFailed
from messagedb_agent.projections.memory import Fact

if TYPE_CHECKING:
    from messagedb_agent.agents.asking import Asking


@dataclass(frozen=True)
class EngineMemory(UserMemory):
    """What is known of users, and what can be learned of them from threads.

    Attributes:
        engine: asks the models of threads.
    """

    engine: "Asking" = field(kw_only=True, repr=False, compare=False)

    async def extract(self, thread: Standing | str, *, by: str | None = None) -> tuple[Fact, ...]:
        """Have a thread's model find what its users say of themselves, and remember it.

        Each fact is remembered of who said it, with the message that taught it. Messages that were
        looked through before are not looked through again; in a fork, those of its past neither.
        The call is recorded in the thread, beside its turns, which it neither waits for nor
        disturbs. What stands in the conversation is looked through: of what a summary stands for,
        and of who is not named, nothing is learned.

        Args:
            thread: any state of the thread, or its id in full.
            by: who wants it, for the log.

        Returns:
            What is known now and was not before.

        Raises:
            NotFound: there is no such thread.
            ModelError: the model gave no answer, or one that is no list of facts (kind
                `bad_output`); nothing of it is remembered, and it is asked again the next time.
            Refused: the thread is deleted, it holds an event that needs newer code, or a limit of
                the session is reached.
            RefusedName: no thread can have this id.
            IntegrityError: a fork's parent is missing or cut.
            StoreUnavailable: the store was not reached; asking again is safe.
        """
        thread_id = thread if isinstance(thread, str) else thread.thread_id
        rest, found = await self.engine._turns.learn(thread_id, by)
        agent = self.engine._agent(rest.thread_id, rest.view)
        match found:
            case LlmCallFailed():
                raise ModelError(found.message, kind=found.kind, agent=agent)
            case Unusable():
                raise ModelError(
                    f"the answer is no list of facts: {found}", kind="bad_output", agent=agent
                ) from found
        return found
