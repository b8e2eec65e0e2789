"""Checkpoints leave the house: to every anchor at most a minute after the log has grown, and at once
when a quorum was reached, so that an anchor keeps what a strict request waits for.

Nothing is signed that an anchor's earlier checkpoint does not agree with: a log that was rewritten,
or set back to an older state, is found here, and stays without anchors until somebody has looked.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Sequence
from functools import partial

from bot.audit.held import signed_heads
from bot.core.events import QuorumReached
from bot.engine import Done, Engine
from bot.ledger.checkpoint import Checkpoint
from bot.ledger.entry import LedgerBroken
from bot.ledger.note import PublicKey, SigningKey
from bot.ledger.tree import consistency
from bot.ports import Anchor, AnchorError, Contradicted, SeenMore
from bot.store import tree
from bot.store.anchors import Anchored, anchored, keep_anchored
from bot.store.tx import StoreError, Tx

log = logging.getLogger(__name__)

EVERY = 60_000  # ms between two checkpoints while the log grows
AGAIN, AGAIN_MOST = 2_000, 60_000  # ms until one that failed is tried again; doubled each time
PUBLISH_WITHIN = 20.0  # s


class Anchoring:
    """Runs until cancelled."""

    def __init__(
        self,
        engine: Engine,
        anchors: Callable[[], Sequence[Anchor]],
        signers: Sequence[SigningKey],
    ) -> None:
        """`anchors`: those there are now; the policy may bring one, or take it away."""
        self.anchors = anchors
        self._engine = engine
        self._signers = signers
        self._wake = asyncio.Event()
        self._round = asyncio.Lock()
        self._due: dict[str, int] = {}  # when each is next (ms)
        self._published: dict[str, int] = {}  # when each last took a checkpoint (ms)
        self._failures: dict[str, int] = {}  # in a row
        self._troubles: dict[str, str] = {}
        self._asked: set[str] = set()  # whose own newest checkpoint was looked at
        engine.committed.append(self._committed)

    @property
    def troubles(self) -> list[str]:
        """What keeps which anchor from having what is new, in words."""
        return [f"{name}: {text}" for name, text in sorted(self._troubles.items())]

    @property
    def troubled(self) -> dict[str, bool]:
        """Of each anchor there is, whether something keeps it from having what is new."""
        return {anchor.name: anchor.name in self._troubles for anchor in self.anchors()}

    @property
    def known(self) -> tuple[PublicKey, ...]:
        """The keys that sign this log's checkpoints."""
        return tuple(key.public for key in self._signers)

    def _committed(self, done: Done) -> None:
        urgent = any(isinstance(event, QuorumReached) for event in done.events)
        for name in self._due.keys() - self._failures.keys():
            if urgent or self._published.get(name, 0) + EVERY <= done.at:
                self._due[name] = 0
                self._wake.set()

    def ask(self) -> None:
        """See what the anchors have by now: another process may have brought it to them."""
        for name in self._due.keys() - self._failures.keys():
            self._due[name] = 0
        self._wake.set()

    async def run(self) -> None:
        while True:
            self._wake.clear()
            await self.round()
            idle = self._engine.clock.now() + EVERY
            await self._engine.clock.wait(min(self._due.values(), default=idle), self._wake)

    async def finish(self, within: float) -> None:
        """Bring what is new to every anchor before the bot stops, as far as that takes `within` (s)."""
        self._due.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within):
                await self.round()

    async def round(self) -> None:
        """Bring what is new to each anchor whose time it is."""
        async with self._round:
            now = self._engine.clock.now()
            there = {anchor.name: anchor for anchor in self.anchors()}
            for gone in (self._due.keys() | self._troubles.keys()) - there.keys():
                self._due.pop(gone, None)
                self._troubles.pop(gone, None)
            due = [a for name, a in there.items() if self._due.get(name, 0) <= now]
            await asyncio.gather(*(self._serve(anchor, now) for anchor in due))
            self._engine.anchor_trouble = "; ".join(self.troubles) or None

    async def _serve(self, anchor: Anchor, now: int) -> None:
        name = anchor.name
        self._due[name] = now + EVERY  # before anything else, since a quorum may come meanwhile
        try:
            async with asyncio.timeout(PUBLISH_WITHIN):
                await self._bring(anchor, now)
        except (AnchorError, LedgerBroken, StoreError, TimeoutError) as e:
            text = str(e) or "it did not answer in time"
            if self._troubles.get(name) != text:
                log.error("anchor %s: %s", name, text)
            self._troubles[name] = text
            failures = self._failures[name] = self._failures.get(name, 0) + 1
            pause = AGAIN_MOST if isinstance(e, Contradicted) else AGAIN << min(failures - 1, 5)
            self._due[name] = now + min(pause, AGAIN_MOST)
            return
        self._troubles.pop(name, None)
        self._failures.pop(name, None)

    async def _bring(self, anchor: Anchor, now: int) -> None:
        store = self._engine.store
        head, kept = await store.run(
            partial(_read, anchor.name, self._engine.origin), durable=False
        )
        if kept is not None and not self._signed_here(kept):
            kept = None  # somebody else wrote that, or the key was changed
        if anchor.name not in self._asked:
            held = await self._held(anchor, kept, head.size)
            if held is not None:
                await store.run(partial(_refuse_another, held, head), durable=False)
            self._asked.add(anchor.name)
        if kept is not None:
            before = Checkpoint(head.origin, kept.size, kept.root)
            await store.run(partial(_refuse_another, before, head), durable=False)
            self._engine.is_anchored(kept.size)
        if head.size == (kept.size if kept else 0):
            return
        if not self._signers:
            raise AnchorError("NOLONE_SIGNING_KEY_FILE is not set, so nothing can be signed")

        async def since(size: int) -> list[bytes]:
            return await store.run(
                lambda tx: consistency(size, head.size, partial(tree.node, tx)), durable=False
            )

        published = await anchor.publish(head, head.sign(self._signers), since)
        found = Anchored(anchor.name, head.size, head.root, now, published.place, published.signed)
        await store.run(partial(self._keep, found))
        self._published[anchor.name] = now
        self._engine.is_anchored(head.size)

    def _keep(self, found: Anchored, tx: Tx) -> None:
        kept = next((a for a in anchored(tx) if a.anchor == found.anchor), None)
        if kept is None or kept.size <= found.size or not self._signed_here(kept):
            keep_anchored(tx, found)  # else another process was here, and brought more

    def _signed_here(self, kept: Anchored) -> bool:
        heads = signed_heads([kept.signed], self.known, self._engine.origin)
        return heads == (Checkpoint(self._engine.origin, kept.size, kept.root),)

    async def _held(self, anchor: Anchor, kept: Anchored | None, size: int) -> Checkpoint | None:
        """The newest checkpoint of ours that the anchor itself gives back; `size`: the log's own."""
        try:
            candidates = await anchor.latest(kept.signed if kept else None)
        except SeenMore as e:
            if e.size > size:
                raise Contradicted(str(e)) from e
            return None  # only its answer was lost
        return next(iter(signed_heads(candidates, self.known, self._engine.origin)), None)


def _read(name: str, origin: str, tx: Tx) -> tuple[Checkpoint, Anchored | None]:
    """The log's present head, and what the anchor keeps as far as is known here."""
    ((size,),) = tx.each("SELECT coalesce(max(seq), 0) FROM entries")
    kept = next((a for a in anchored(tx) if a.anchor == name), None)
    return Checkpoint(origin, size, tree.frontier(tx, size).root), kept


def _refuse_another(before: Checkpoint, head: Checkpoint, tx: Tx) -> None:
    """Raises Contradicted unless `before` is the beginning of this log."""
    if before.size > head.size:
        raise Contradicted(
            f"it keeps a checkpoint over {before.size} entries, and the log has {head.size}: it was"
            " cut off, or set back to an older state. `nolone audit verify` says more"
        )
    try:
        root = tree.root_at(tx, before.size)
    except LookupError as e:
        raise Contradicted(f"{e}. `nolone audit verify` says more") from e
    if root != before.root:
        raise Contradicted(
            f"the first {before.size} entries are not those that it keeps a checkpoint of."
            " `nolone audit verify` says more"
        )
