"""One thread that runs the transaction scripts of a process, one after the other.

Scripts that wait at the same time share a commit: the disk is slow, and takes many at once as fast as
one. Each stands under a savepoint, so that one that raises undoes itself alone; nobody hears of an end
before the commit.
"""

import asyncio
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
    ended: Future[Any]


class Writer:
    """What both stores have in common; `_transact` is theirs."""

    together = 32  # scripts that share a commit, at most

    def __init__(self) -> None:
        self._waiting: deque[Job] = deque()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="store")

    async def run(self, script: Callable[[Tx], R], durable: bool = True, alone: bool = True) -> R:
        """See `bot.store.tx.Store`."""
        return await asyncio.wrap_future(self._enter(script, durable, alone))

    def run_now(self, script: Callable[[Tx], R]) -> R:
        """The same without an event loop."""
        return self._enter(script).result()

    def _enter(
        self, script: Callable[[Tx], R], durable: bool = True, alone: bool = True
    ) -> Future[R]:
        ended: Future[R] = Future()
        self._waiting.append(Job(script, durable, alone, ended))
        self._thread.submit(self._work_off)
        return ended

    def _work_off(self) -> None:
        """Run what waits; nothing may be left of it, since it went with an earlier one."""
        taken = [self._waiting.popleft() for _ in range(min(len(self._waiting), self.together))]
        jobs = [job for job in taken if job.ended.set_running_or_notify_cancel()]
        if not jobs:
            return
        try:
            self._prepare(any(job.durable for job in jobs), any(job.alone for job in jobs))
            outcomes = self._transact([job.script for job in jobs])
        except BaseException as e:  # noqa: BLE001 - whoever asked hears it: none came to anything
            outcomes = [(None, e)] * len(jobs)
        for job, (result, error) in zip(jobs, outcomes, strict=True):
            if error is None:
                job.ended.set_result(result)
            else:
                job.ended.set_exception(error)

    def _prepare(self, durable: bool, alone: bool) -> None:
        """How the next transaction is: whether its end waits for the disk, and whether no other may
        write to the ledger beside it."""
        raise NotImplementedError

    def _transact(self, scripts: Sequence[Script]) -> Sequence[Outcome]:
        """Run these in one transaction. Raises where none of them came to anything."""
        raise NotImplementedError


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
