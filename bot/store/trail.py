"""The trail in the database, as it is verified and exported; it is read, and never changed."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import chain
from operator import itemgetter

from bot.ledger.verify import Fault, Finding, Kept, Verified, verify
from bot.store import tree
from bot.store.openings import Openings
from bot.store.replay import replay
from bot.store.tx import Tx

COLUMNS = ("actor", "at", "kind", "seq", "stream", "version")  # in the order of an entry's bytes
_COLUMNS = "SELECT body, actor, at, kind, seq, stream, version FROM entries ORDER BY seq"
_PLACES = "SELECT level, count(*), max(idx) FROM tree GROUP BY level"


class Trail:
    """The log in an open transaction; see `bot.ledger.verify.Log`."""

    def __init__(self, tx: Tx, size: int | None = None) -> None:
        """`size`: as it was when it had so many entries."""
        self._tx = tx
        if size is None:
            ((size,),) = tx.each("SELECT count(*) FROM entries")
        self.size: int = size

    def bodies(self, after: int = 0) -> Iterator[bytes]:
        """The entries after a seq."""
        # read as bytes, whatever type they have come to
        rows = self._tx.each(
            "SELECT body FROM entries WHERE seq > :after ORDER BY seq", after=after
        )
        return (body if isinstance(body, bytes) else str(body).encode() for (body,) in rows)

    def kept(self, level: int) -> Iterator[bytes]:
        sql = "SELECT hash FROM tree WHERE level = :level ORDER BY idx"
        return map(itemgetter(0), self._tx.each(sql, level=level))

    def gap(self) -> int | None:
        """The first seq that is not there, though a later one is."""
        sql = (
            "SELECT seq + 1 FROM (SELECT 0 AS seq UNION ALL SELECT seq FROM entries) e"
            " WHERE NOT EXISTS (SELECT 1 FROM entries n WHERE n.seq = e.seq + 1)"
            " ORDER BY seq LIMIT 1"
        )
        ((first,),) = self._tx.each(sql)
        ((last,),) = self._tx.each("SELECT coalesce(max(seq), 0) FROM entries")
        return first if first <= last else None

    def node(self, level: int, index: int) -> bytes:
        return tree.node(self._tx, level, index)

    def nodes(self, level: int, first: int, n: int) -> list[bytes]:
        """Some that stand side by side."""
        sql = "SELECT hash FROM tree WHERE level = :level AND idx >= :first ORDER BY idx LIMIT :n"
        return [hash for (hash,) in self._tx.each(sql, level=level, first=first, n=n)]

    def root(self, size: int) -> bytes:
        """The root over the first entries. Raises LookupError where the tree is not whole."""
        return tree.root_at(self._tx, size)

    def newest(self, after: int = 0) -> Iterator[tuple[str, int, bytes]]:
        """Of each stream that has an entry after a seq, its newest: stream, seq, bytes."""
        sql = (
            "SELECT e.stream, e.seq, e.body FROM entries e JOIN"
            " (SELECT stream, max(version) AS version FROM entries WHERE seq <= :size"
            "  GROUP BY stream) n USING (stream, version) WHERE e.seq > :after"
        )
        return self._tx.each(sql, after=after, size=self.size)


def verify_trail(tx: Tx, against: Sequence[Kept] = ()) -> Verified:
    """Everything that can be wrong with the trail in the database; see `bot.ledger.verify`.

    Of what is kept beside entries and tree, the first that is wrong is told: the columns that
    entries are found by, the values behind commitments, and the index that requests are found by.
    """
    try:
        damage = tx.damage()
        if damage is not None:
            said = f"the database file is damaged: {damage}"
            return _only(Finding(Fault.UNREADABLE, None, said))
        trail = Trail(tx)
        found = verify(trail, against)
        if found.findings:
            return found
        values = Openings(tx)
        beside = chain(
            _gaps(trail), columns(tx), _tree(tx, trail.size), values.findings(), replay(tx)
        )
        first = next(beside, None)
    except tx.damaged as e:
        return _only(Finding(Fault.UNREADABLE, None, f"the database cannot be read: {e}"))
    if first is not None:
        return Verified(found.size, found.root, (first,), found.held)
    return replace(found, erased=values.gone, erasures=values.erasures)


def _only(finding: Finding) -> Verified:
    return Verified(0, hashlib.sha256().digest(), (finding,), ())


def _gaps(trail: Trail) -> Iterator[Finding]:
    gap = trail.gap()
    if gap is not None:
        yield Finding(
            Fault.MISSING, gap, f"there is no entry {gap}, and the tree is without it too"
        )


def columns(tx: Tx) -> Iterator[Finding]:
    """What entries are found by, against what they say."""
    for body, *kept in tx.each(_COLUMNS):
        seq = kept[COLUMNS.index("seq")]
        try:
            said = json.loads(body)
        except ValueError:
            yield Finding(Fault.EDITED, seq, f"entry {seq} is not JSON")
            continue
        which = [n for n, value in zip(COLUMNS, kept, strict=True) if said.get(n) != value]
        if which or not isinstance(body, bytes):
            yield Finding(
                Fault.COLUMN,
                seq,
                f"entry {seq} is found by another {' and '.join(which) or 'type'}"
                " than it says itself",
            )


def _tree(tx: Tx, size: int) -> Iterator[Finding]:
    """That every hash has its place, and that there are no others."""
    places = {level: (n, last) for level, n, last in tx.each(_PLACES)}
    wanted = {level: (size >> level, (size >> level) - 1) for level in range(size.bit_length())}
    for level in sorted(places.keys() | wanted.keys()):
        if places.get(level) != wanted.get(level):
            yield Finding(Fault.TREE, None, f"at level {level} the tree has hashes out of place")
