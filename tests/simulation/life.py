"""One life of one node: from its start to its death, and the fence around the dead.

Everything a node runs carries its life in a context variable. When it dies, all its tasks are
cancelled in the same instant and every port answers with cancellation: whatever cleaning up the
dead one's code still does reaches nobody, as after kill -9.
"""

import asyncio
import contextvars
import types
from collections.abc import Coroutine, Generator
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from gateway.errors import UnavailableError

if TYPE_CHECKING:
    from tests.simulation.world import World

LIFE: ContextVar["Life | None"] = ContextVar("simulation_life", default=None)


@types.coroutine
def _turn() -> Generator[None, None, None]:
    """Let others go first."""
    yield


class Life:
    """See the module."""

    def __init__(self, world: "World", house: str, node: str, number: int) -> None:
        self.world = world
        self.house = house
        self.node = node
        self.number = number
        self.alive = True
        self.leaving = False
        self.resting = False
        self.entered = asyncio.Event()
        self.tasks: list[asyncio.Task[Any]] = []
        self.callers: list[asyncio.Future[Any]] = []
        self._context = contextvars.copy_context()
        self._context.run(LIFE.set, self)

    def spawn(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        return self.world.loop.create_task(work, context=self._context)

    def fence(self) -> None:
        """Let nothing of the dead pass."""
        if not self.alive:
            raise asyncio.CancelledError

    async def gate(self, point: str) -> None:
        """Pass a point where something outside is touched: others may go first, or we die here."""
        self.fence()
        world = self.world
        fault = world.visit(self, point)
        if fault is not None and fault.kind == "crash":
            world.crash(self, fault.span, point)
            await world.loop.create_future()
        await _turn()
        self.fence()
        if fault is not None and fault.kind == "doubt":
            raise UnavailableError(public="the connection broke, nobody knows whether it was done")

    def die(self) -> None:
        """End at once, wherever every task stands."""
        self.alive = False
        for task in self.tasks:
            if not task.done():
                task.cancel()
        for caller in self.callers:
            if not caller.done():
                caller.set_exception(ConnectionResetError(f"{self.node} died"))
        self.tasks.clear()
        self.callers.clear()


def task_factory(loop: Any, work: Any, context: Any = None) -> asyncio.Task[Any]:
    """Make a task and note whose it is."""
    task: asyncio.Task[Any] = asyncio.Task(work, loop=loop, context=context)
    loop.tasks.append(task)
    if len(loop.tasks) > 1024:
        loop.tasks = [t for t in loop.tasks if not t.done()]
    life = LIFE.get() if context is None else context.get(LIFE)
    if life is not None:
        if not life.alive:
            task.cancel()
        life.tasks.append(task)
        if len(life.tasks) > 256:
            life.tasks = [t for t in life.tasks if not t.done()]
    return task
