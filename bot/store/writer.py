"""One thread that runs the transaction scripts of a process, one after the other.

Scripts that wait at the same time share a commit: the disk is slow, and takes many at once as fast as
one. One that raises undoes itself alone, and nobody hears of an end before the commit.
"""

import asyncio
import contextlib
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, NamedTuple, TypeVar

from bot.store.tx import Tx

R = TypeVar("R")
Script = Callable[[Tx], Any]
Outcome = tuple[Any, BaseException | None]


class Job(NamedTuple):
    script: Script
    durable: bool
    alone: bool
    ended: Future[Any] | asyncio.Future[Any]


class Writer:
    """What both stores have in common; `_transact` is theirs."""

    together = 32  # scripts that share a commit, at most

    def __init__(self) -> None:
        self._waiting: deque[Job] = deque()
        self._guard = threading.Lock()
        self._at_work = False  # the thread looks at what waits before it rests
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="store")

    async def run(self, script: Callable[[Tx], R], durable: bool = True, alone: bool = True) -> R:
        """See `bot.store.tx.Store`."""
        ended: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        self._enter(Job(script, durable, alone, ended))
        return await ended

    def run_now(self, script: Callable[[Tx], R]) -> R:
        """The same without an event loop."""
        ended: Future[R] = Future()
        self._enter(Job(script, True, True, ended))
        return ended.result()

    def _enter(self, job: Job) -> None:
        with self._guard:
            self._waiting.append(job)
            at_work, self._at_work = self._at_work, True
        if not at_work:
            self._thread.submit(self._work_off)

    def _work_off(self) -> None:
        with self._guard:
            taken = [self._waiting.popleft() for _ in range(min(len(self._waiting), self.together))]
        jobs = [job for job in taken if not job.ended.cancelled()]
        if jobs:
            self._carry_out(jobs)
        with self._guard:
            self._at_work = bool(self._waiting)
        if self._at_work:  # behind what else the thread was given
            self._thread.submit(self._work_off)

    def _carry_out(self, jobs: Sequence[Job]) -> None:
        try:
            # several that lock rows of many requests, each in its own order, would wait for another
            # process's, and that for them
            alone = len(jobs) > 1 or jobs[0].alone
            self._prepare(any(job.durable for job in jobs), alone)
            outcomes = self._transact([job.script for job in jobs])
        except BaseException as e:  # noqa: BLE001 - whoever asked hears it: none came to anything
            outcomes = [(None, e)] * len(jobs)
        told: dict[asyncio.AbstractEventLoop, list[tuple[Job, Outcome]]] = {}
        for job, outcome in zip(jobs, outcomes, strict=True):
            if isinstance(job.ended, Future):
                _end(job, outcome)
            else:
                told.setdefault(job.ended.get_loop(), []).append((job, outcome))
        for loop, ends in told.items():  # woken once, not for each
            with contextlib.suppress(RuntimeError):  # it is closed: nobody waits any more
                loop.call_soon_threadsafe(_end_all, ends)

    def _prepare(self, durable: bool, alone: bool) -> None:
        """How the next transaction is: whether its end waits for the disk, and whether no other may
        write to the ledger beside it."""
        raise NotImplementedError

    def _transact(self, scripts: Sequence[Script]) -> Sequence[Outcome]:
        """Run these in one transaction. Raises where none of them came to anything."""
        raise NotImplementedError


def _end_all(ends: Sequence[tuple[Job, Outcome]]) -> None:
    for job, outcome in ends:
        _end(job, outcome)


def _end(job: Job, outcome: Outcome) -> None:
    result, error = outcome
    if job.ended.done():  # whoever waited has given up
        return
    if error is None:
        job.ended.set_result(result)
    else:
        job.ended.set_exception(error)


def attempt(tx: Tx, script: Script, fatal: Callable[[BaseException], bool]) -> Outcome:
    """What comes of `script` within a transaction that goes on whatever it raises, unless that is
    `fatal` to the transaction itself."""
    tx.execute("SAVEPOINT script")
    try:
        result = script(tx)
    except BaseException as e:
        if fatal(e):
            raise
        tx.execute("ROLLBACK TO script")
        tx.execute("RELEASE script")
        return None, e
    tx.execute("RELEASE script")
    return result, None
