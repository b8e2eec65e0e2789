"""Verifying the trail while the bot runs, against what its anchors give back.

At once what is newer than the newest anchored checkpoint, then everything from the first entry, in a
thread and over a connection that only read: nobody waits for them to write. It is done once at a time
for everybody who asks.
"""

import asyncio
import contextlib
import logging
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from itertools import islice
from typing import TypeVar

from bot.audit.held import Held, read_back
from bot.ledger.checkpoint import Checkpoint
from bot.ledger.entry import leaf_hash
from bot.ledger.note import PublicKey
from bot.ledger.tree import EMPTY, Frontier, peaks
from bot.ledger.verify import BATCH, Verified
from bot.ports import Anchor, Clock
from bot.store.anchors import anchored
from bot.store.trail import Trail, verify_trail
from bot.store.tx import Store, Tx

log = logging.getLogger(__name__)


R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Verify:
    """The answer to the query `verify`: that it is asked. What comes of it takes a Watch."""


@dataclass(frozen=True, slots=True)
class Since:
    """What was found at once."""

    size: int  # how many entries there are
    anchored: int  # how many of them the newest checkpoint that is anchored covers
    in_order: (
        bool  # the tree that far is the checkpoint's, and the rest of the entries are in the tree
    )


@dataclass(frozen=True, slots=True)
class Found:
    """What came of it all."""

    at: int  # as of when (ms)
    verified: Verified
    anchors: tuple[Held, ...]

    @property
    def wrong(self) -> bool:
        return bool(self.verified.findings)

    @property
    def best(self) -> Held | None:
        """The anchor that covers most of what is in order; of equals, one that is not weak."""
        return max(self.agreeing, key=lambda a: (a.size, a.weak is None), default=None)

    @property
    def agreeing(self) -> list[Held]:
        """The anchors that the trail was held against, and agrees with."""
        held = self.verified.held
        told = (a for a in self.anchors if a.heads and a.read_back)
        return [a for a in told if all(k in held for k in a.kept())]


class Run:
    """One verification, for everybody who asks while it goes on."""

    def __init__(self, began: int) -> None:
        self.began = began  # ms
        self.anchors: tuple[Held, ...] | None = None  # None: they are still being read
        self.since: Since | None = None  # None: not yet
        self.task: asyncio.Task[Found]

    async def found(self, within: float | None = None) -> Found | None:
        """What came of it; None if that takes longer than `within` (s). Raises StoreError."""
        await asyncio.wait({self.task}, timeout=within)
        return self.task.result() if self.task.done() else None


class Watch:
    """Verifies when asked to, one run at a time."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        origin: str,
        known: Sequence[PublicKey],
        anchors: Callable[[], Sequence[Anchor]],
    ) -> None:
        """`known`: the keys that may have signed this log's checkpoints; `anchors`: those there are
        now."""
        self._store = store
        self._clock = clock
        self._origin = origin
        self._known = known
        self._anchors = anchors
        self._run: Run | None = None

    @property
    def under_way(self) -> bool:
        return self._run is not None and not self._run.task.done()

    def verify(self) -> Run:
        """The run that is under way, or a new one."""
        if self._run is None or self._run.task.done():
            self._run = Run(self._clock.now())
            self._run.task = asyncio.create_task(self._verify(self._run), name="verify")
        return self._run

    async def close(self) -> None:
        """Wait for nothing: whoever asked asks again."""
        if self._run is not None:
            self._run.task.cancel()
            await asyncio.wait({self._run.task})

    async def _verify(self, run: Run) -> Found:
        # the anchors first: the log only grows, so what they keep is of its beginning
        run.anchors = anchors = await self._read()
        against = [kept for anchor in anchors for kept in anchor.kept()]

        def script(tx: Tx) -> Verified:
            with contextlib.suppress(*tx.damaged):  # which verify_trail names
                run.since = since(tx, [k.head for k in against if not k.own])
            return verify_trail(tx, against)

        verified = await _in_thread(lambda: self._store.look_now(script))
        size = run.since.size if run.since is not None else None
        told = [f for anchor in anchors for f in anchor.contradictions(size)]
        verified = replace(verified, findings=(*verified.findings, *told))
        for finding in verified.findings:
            log.error("the trail is not as it was: %s", finding)
        return Found(run.began, verified, anchors)

    async def _read(self) -> tuple[Held, ...]:
        noted = await self._store.run(anchored)
        return await read_back(self._anchors(), noted, self._known, self._origin)


def since(tx: Tx, heads: Sequence[Checkpoint]) -> Since:
    """Hold the tree against the longest of the heads, and what came after it against the tree."""
    trail = Trail(tx)
    head = max(heads, key=lambda h: h.size, default=Checkpoint("", 0, EMPTY))
    try:
        agrees = head.size <= trail.size and trail.root(head.size) == head.root
        in_order = agrees and _grows(trail, head.size)
    except LookupError:  # the tree is not whole
        in_order = False
    return Since(trail.size, head.size, in_order)


def _grows(trail: Trail, size: int) -> bool:
    """Whether the entries after the first `size` are those of the tree, to its end."""
    edge = Frontier(size, {level: trail.node(level, index) for level, index in peaks(size)})
    bodies = trail.bodies(after=size)
    while batch := list(islice(bodies, BATCH)):
        for level, first, hashes in edge.extend([leaf_hash(body) for body in batch]):
            if trail.nodes(level, first, len(hashes)) != hashes:
                return False
    return edge.size == trail.size and not trail.nodes(0, edge.size, 1)


async def _in_thread(work: Callable[[], R]) -> R:
    """In a thread that the end of the process does not wait for: it changes nothing."""
    ended: Future[R] = Future()
    ended.set_running_or_notify_cancel()

    def run() -> None:
        try:
            ended.set_result(work())
        except BaseException as e:  # noqa: BLE001 - whoever waits for it hears it
            ended.set_exception(e)

    threading.Thread(target=run, name="verify", daemon=True).start()
    return await asyncio.wrap_future(ended)
