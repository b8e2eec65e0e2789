"""One process of the bot: the real Engine and Worker, in an event loop that can be frozen or dropped."""

import asyncio
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any

from bot.audit.exporting import Exporter
from bot.engine import Engine
from bot.store.tx import StoreError
from bot.wiring import machine_clock
from bot.worker import Worker

from .database import SimulatedStore
from .platform import SimulatedPlatform
from .slack import SimulatedDirectory, SimulatedMessenger
from .timeline import Loop

if TYPE_CHECKING:
    from .world import World

ORIGIN = "simulation"


class Process:
    def __init__(self, world: "World", name: str, store: SimulatedStore, skew: int) -> None:
        """`skew`: by how many ms its clock differs from true time."""
        self.name = name
        self.skew = skew
        self.alive = True
        self.up = False  # it takes deliveries
        self.frozen_until = 0.0
        self.never = asyncio.Event()  # set by nobody
        self.engine: Engine
        self.worker: Worker
        self._world = world
        self._store = store
        self.loop = Loop(world.timeline, self._failed)
        self._tasks: set[asyncio.Task[None]] = set()  # a loop holds on to none
        self.spawn(self._live())

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = self.loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if self.alive and not task.cancelled() and (e := task.exception()) is not None:
            self._world.broken(f"in {self.name}: {e!r}")

    async def _live(self) -> None:
        world = self._world
        try:
            clock = machine_clock(self._store)
            there = world.platforms.values()
            platforms = {t.name: SimulatedPlatform(t, clock, world) for t in there}
            self.engine = Engine(
                store=self._store,
                clock=clock,
                directory=SimulatedDirectory(world),
                platforms=platforms,
                policy=world.policy,
                origin=ORIGIN,
            )
            await self.engine.adopt(world.policy)
            messenger = SimulatedMessenger(self, world)
            self.worker = Worker(self.engine, messenger, Exporter(self._store, ORIGIN, ()))
            self.up = True
            await self.worker.run()
        except StoreError:
            pass  # the real one ends as well, and is started again
        world.dies(self)

    def _failed(self, context: dict[str, Any]) -> None:
        if self.alive:
            self._world.broken(
                f"in {self.name}: {context.get('exception') or context['message']!r}"
            )

    def kill(self) -> None:
        """Drop it: nothing of it reaches anybody any more."""
        self.alive = self.up = False
        for _ in range(100):
            left = asyncio.all_tasks(self.loop)
            if not left:
                break
            for task in left:
                task.cancel()
            self.loop.step()
        else:
            raise AssertionError(f"{self.name} does not end: {left}")
        self.loop.close()
