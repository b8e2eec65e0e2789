"""Whether a log is what it was: its entries against its tree, its tree against checkpoints.

Nothing is read here: the log hands its entries and hashes over one after another, so that one of any
size is verified in the same memory. It stops at the first entry that is wrong and says what kind of
wrong it is. What is edited consistently, entries and tree and all, can only be told by a checkpoint
that somebody else has kept.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice
from typing import Protocol

from bot.ledger.checkpoint import Checkpoint
from bot.ledger.entry import leaf_hash
from bot.ledger.tree import Frontier, Nodes, inclusion, root, root_from_inclusion

BATCH = 1024


class Fault(StrEnum):
    EDITED = "edited"
    MISSING = "missing"
    INSERTED = "inserted"
    REORDERED = "reordered"
    TRUNCATED = "truncated"
    FORKED = "forked"
    COLUMN = "column differs"
    INDEX = "index differs"
    TREE = "tree damaged"
    SIGNATURE = "bad signature"
    AHEAD = "checkpoint ahead of the log"
    NOT_ERASED = "not erased"
    UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong, with which entry (from 1; None where no one entry can be named)."""

    fault: Fault
    entry: int | None
    said: str

    def __str__(self) -> str:
        return f"{self.fault}: {self.said}"


class Log(Protocol):
    """What is verified. `nodes` holds the tree's hashes as kept, whatever they are."""

    @property
    def size(self) -> int:
        """How many entries the log says that it has."""
        ...

    def bodies(self) -> Iterator[bytes]:
        """The entries, in their order."""
        ...

    def kept(self, level: int) -> Iterator[bytes] | None:
        """The hashes kept of a level's complete subtrees, in order; None for a level not kept."""
        ...

    def node(self, level: int, index: int) -> bytes:
        """One of them. Raises LookupError where it is not there."""
        ...


@dataclass(frozen=True, slots=True)
class Kept:
    """A checkpoint to hold the log against. `own`: the one that came with the log itself.

    Its root may be the beginning of one, as people were shown it.
    """

    name: str
    head: Checkpoint
    own: bool = False


@dataclass(frozen=True, slots=True)
class Verified:
    size: int  # how many entries were in order, from the first on
    root: bytes  # over them
    findings: tuple[Finding, ...]
    held: tuple[Kept, ...]  # the checkpoints that the log agrees with
    erased: int = 0  # how many sealed values are gone,
    erasures: int = 0  # and how many entries say so

    @property
    def erasing(self) -> str:
        """E.g. `14 values erased under 2 entries`; empty where nothing was."""
        if not self.erasures:
            return ""
        values = "1 value" if self.erased == 1 else f"{self.erased:,} values"
        return f"{values} erased under {_entries(self.erasures)}"


class _Wrong(Exception):
    """The first that is wrong."""

    def __init__(self, fault: Fault, entry: int, said: str) -> None:
        self.finding = Finding(fault, entry, said)


def verify(log: Log, against: Sequence[Kept] = ()) -> Verified:
    """Everything that can be said of `log` alone, and of it and these checkpoints."""
    frontier = Frontier()
    roots = {0: frontier.root}
    findings: list[Finding] = []
    try:
        _grow(log, frontier, sorted({k.head.size for k in against}), roots)
    except _Wrong as e:
        findings.append(e.finding)
    held: list[Kept] = []
    for kept in sorted(against, key=lambda k: k.head.size):
        found = _compare(kept, frontier.size, roots, findings, held)
        if found is not None:
            findings.append(found)
    return Verified(frontier.size, frontier.root, tuple(findings), tuple(held))


def _compare(
    kept: Kept, size: int, roots: dict[int, bytes], findings: list[Finding], held: list[Kept]
) -> Finding | None:
    head = kept.head
    if head.size <= size:
        if roots[head.size].startswith(head.root):
            held.append(kept)
            return None
        since = max((k.head.size for k in held), default=0)
        return Finding(
            Fault.FORKED,
            None,
            f"{kept.name} is over {_entries(head.size)}, and those here are others;"
            f" the first of them is one of {since + 1} to {head.size}",
        )
    if findings:  # as far as it was in order, the log is shorter than this
        return None
    if kept.own:
        return Finding(
            Fault.TRUNCATED,
            size + 1,
            f"{kept.name} is over {_entries(head.size)}, and there are {size}",
        )
    return Finding(
        Fault.AHEAD,
        size + 1,
        f"{kept.name} is over {_entries(head.size)}, and the log has {size}:"
        " it was cut off, or set back to an older state",
    )


def _entries(n: int) -> str:
    return "1 entry" if n == 1 else f"{n} entries"


def _grow(log: Log, frontier: Frontier, stops: list[int], roots: dict[int, bytes]) -> None:
    """Read all of the log, noting its root at each stop."""
    bodies = log.bodies()
    kept: dict[int, Iterator[bytes] | None] = {0: log.kept(0)}
    leaves_kept = kept[0]
    assert leaves_kept is not None
    sha256 = hashlib.sha256
    while True:
        stop = next((s for s in stops if s > frontier.size), frontier.size + BATCH)
        batch = list(islice(bodies, min(BATCH, stop - frontier.size)))
        leaves = [sha256(b"\x00" + body).digest() for body in batch]
        wanted = list(islice(leaves_kept, len(leaves)))
        if leaves != wanted:
            good = next(
                (n for n, (a, b) in enumerate(zip(leaves, wanted, strict=False)) if a != b),
                len(wanted),
            )
            frontier.extend(leaves[:good])
            raise _Wrong(*_first_wrong(log, frontier.size, leaves[good], wanted[good:]))
        made = frontier.extend(leaves)
        roots[frontier.size] = frontier.root
        for level, first, hashes in made[1:]:
            if level not in kept:
                kept[level] = log.kept(level)
            _hold(kept[level], level, first, hashes)
        if not batch:
            break
    size = frontier.size
    if next(leaves_kept, None) is not None:
        raise _Wrong(
            Fault.TRUNCATED,
            size + 1,
            f"the tree goes on after entry {size}, and the entries do not",
        )
    for level, rest in kept.items():
        if rest is not None and next(rest, None) is not None:
            raise _Wrong(
                Fault.TREE, size, f"level {level} of the tree has more than {size} lead to"
            )


def _hold(kept: Iterator[bytes] | None, level: int, first: int, hashes: list[bytes]) -> None:
    """Compare computed hashes with the kept ones."""
    if kept is None:
        return
    found = list(islice(kept, len(hashes)))
    if found != hashes:
        at = next(
            (n for n, (a, b) in enumerate(zip(hashes, found, strict=False)) if a != b), len(found)
        )
        low, high = (first + at) << level, (first + at + 1) << level
        raise _Wrong(
            Fault.TREE,
            low + 1,
            f"the hash kept over entries {low + 1} to {high} is not theirs; the entries are in order",
        )


def _first_wrong(log: Log, index: int, leaf: bytes, wanted: list[bytes]) -> tuple[Fault, int, str]:
    """What is wrong with the entry at `index`, of this leaf, where the tree has another."""
    n = index + 1
    known = _known(log, leaf)
    if not wanted:
        return Fault.INSERTED, n, f"entry {n} is not in the tree, which ends before it"
    if _vouched(log, index, leaf):
        return Fault.TREE, n, f"the hash kept of entry {n} is not its; the entry is in order"
    present = any(leaf_hash(body) == wanted[0] for body in log.bodies())
    if known is not None and present:
        return Fault.REORDERED, n, f"in the place of entry {n} stands entry {known + 1}"
    if known is not None:
        return Fault.MISSING, n, f"entry {n} is gone; entry {known + 1} stands in its place"
    if present:
        return Fault.INSERTED, n, f"what stands in the place of entry {n} is not in the tree"
    return Fault.EDITED, n, f"entry {n} is not what it was when it was written"


def _known(log: Log, leaf: bytes) -> int | None:
    """Where the tree has this leaf."""
    kept = log.kept(0)
    assert kept is not None
    return next((index for index, hash in enumerate(kept) if hash == leaf), None)


def _vouched(log: Log, index: int, leaf: bytes) -> bool:
    """Whether the rest of the tree says that `leaf` is in its place, and its kept hash is not."""
    nodes: Nodes = log.node
    try:
        path = inclusion(index, log.size, nodes)
        whole = root(log.size, nodes)
        return root_from_inclusion(index, log.size, leaf, path) == whole
    except (LookupError, ValueError):
        return False
