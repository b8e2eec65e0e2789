"""The real SQLite store on a real file, with its thread replaced: whoever asks waits for a moment of
simulated time, in which others may ask too, and then the transactions run at once.

The disk is not waited for (`synchronous = OFF`): what a machine forgets that loses its power is not
simulated here.
"""

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from bot.store.sqlite import SqliteStore, _take_lock
from bot.store.tx import StoreError, Tx
from bot.store.writer import Outcome, Script

if TYPE_CHECKING:
    from .process import Process
    from .world import World

R = TypeVar("R")


class Inline(Executor):
    """Does at once, in the thread of whoever asks."""

    def submit(self, work: Callable[..., R], /, *args: Any, **kwargs: Any) -> Future[R]:
        done: Future[R] = Future()
        try:
            done.set_result(work(*args, **kwargs))
        except BaseException as e:  # noqa: BLE001 - whoever asked hears it
            done.set_exception(e)
        return done


class Asked(NamedTuple):
    by: "Process"
    script: Script
    ended: asyncio.Future[Any]


class SimulatedStore(SqliteStore):
    def __init__(self, path: Path, world: "World") -> None:
        self.path = path
        self.shared = world.replicas > 1  # type: ignore[misc]
        self._world = world
        self._thread = Inline()  # type: ignore[assignment]
        self._durable = True
        self._lock = _take_lock(path)
        self._db = self._open()
        self._db.conn.execute("PRAGMA synchronous = OFF")
        self._asked: list[Asked] = []
        self._at_it = False
        self._freezes = False
        self.closed = False

    async def run(self, script: Callable[[Tx], R], durable: bool = True, alone: bool = True) -> R:
        by = self._world.running
        if by is None or not by.alive or self.closed:
            raise asyncio.CancelledError
        ended: asyncio.Future[R] = by.loop.create_future()
        self._asked.append(Asked(by, script, ended))
        if not self._at_it:
            self._at_it = True
            chance = self._world.chance
            pause = (
                chance.uniform(0.0001, 0.002) if chance.random() < 0.95 else chance.uniform(0, 0.3)
            )
            self._world.timeline.after(pause, self._turn)
        return await ended

    def run_now(self, script: Callable[[Tx], R]) -> R:
        (result, _), *_ = super()._transact([script])
        return result  # type: ignore[no-any-return]

    def _turn(self) -> None:
        """Run what was asked for, together, as the real store does; and let it go wrong."""
        self._at_it = False
        if self.closed:
            return
        taken, self._asked = self._asked[: self.together], self._asked[self.together :]
        if self._asked:
            self._at_it = True
            self._world.timeline.after(0.0001, self._turn)
        # of a process that died meanwhile, it may be there already or not
        jobs = [a for a in taken if a.by.alive or self._world.chance.random() < 0.5]
        trouble = self._world.trouble_of_store() if jobs else None
        if trouble == "freeze":
            self._freezes = True
        deciding = [
            job.by for job in jobs if "Engine.handle" in getattr(job.script, "__qualname__", "")
        ]
        if self._freezes and deciding:  # with its facts gathered, and nothing decided yet
            self._freezes = False
            self._world.freeze(self._world.chance.choice(deciding))
        jobs = [job for job in jobs if not self._waits(job)]
        if not jobs:
            return
        match trouble:
            case "before":
                self._answer(
                    jobs, [(None, StoreError("the database cannot be written to"))] * len(jobs)
                )
            case "within":  # written, and then the disk is full: all of it is undone
                self._answer(jobs, self._transact([*(j.script for j in jobs), _full])[:-1])
            case "after":
                self._transact([j.script for j in jobs])
                self._answer(jobs, [(None, StoreError("the connection was lost"))] * len(jobs))
            case "death before":
                self._world.dies(self._world.chance.choice(jobs).by)
                jobs = [j for j in jobs if j.by.alive]
                if jobs:
                    self._answer(jobs, self._transact([j.script for j in jobs]))
            case "death after":
                outcomes = self._transact([j.script for j in jobs])
                self._world.dies(self._world.chance.choice(jobs).by)
                self._answer(jobs, outcomes)
            case _:
                self._answer(jobs, self._transact([j.script for j in jobs]))

    def _waits(self, job: Asked) -> bool:
        """A process that is frozen begins no transaction; it does when it goes on."""
        rest = job.by.frozen_until - self._world.timeline.now
        if rest <= 0 or not job.by.alive:
            return False

        def again() -> None:
            self._asked.append(job)
            if not self._at_it:
                self._at_it = True
                self._world.timeline.after(0.001, self._turn)

        self._world.timeline.after(rest, again)
        return True

    def _transact(self, scripts: Sequence[Script]) -> Sequence[Outcome]:
        connection = self._db.conn
        changes = connection.total_changes
        try:
            outcomes = super()._transact(scripts)
        except BaseException as e:  # noqa: BLE001 - whoever asked hears it: none came to anything
            outcomes = [(None, e)] * len(scripts)
        self._world.transacted(
            sum(error is None for _, error in outcomes), connection.total_changes - changes
        )
        return outcomes

    def _answer(self, jobs: Sequence[Asked], outcomes: Sequence[Outcome]) -> None:
        for job, (result, error) in zip(jobs, outcomes, strict=True):
            if job.ended.done() or not job.by.alive:
                continue
            if error is None:
                job.ended.set_result(result)
            else:
                job.ended.set_exception(error)

    def close(self) -> None:
        self.closed = True
        super().close()


def _full(tx: Tx) -> None:
    raise sqlite3.OperationalError("database or disk is full")
